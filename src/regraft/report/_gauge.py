"""What the utility of a run's task is called in the report, and how it is written."""

from dataclasses import dataclass

from regraft.core.labels import Labels


@dataclass(frozen=True)
class Gauge:
    """Values are written times ``factor`` with ``places`` decimals. ``lower``: the utility is minus what is shown."""

    what: str
    unit: str
    metric: str
    per: str
    factor: float
    places: int
    labels: Labels
    lower: bool = False

    def difference(self, value: float) -> str:
        """A difference of utilities, with its sign."""
        return f"{self.factor * value:+.{self.places}f}"

    def size(self, value: float) -> str:
        """A size without a sign."""
        return f"{self.factor * value:.{self.places}f}"

    def level(self, value: float) -> str:
        """A utility as it stands on an axis."""
        return f"{-value + 0.0:g}" if self.lower else f"{self.factor * value:g}%"

    @property
    def title(self) -> str:
        """``what`` with a capital letter."""
        return f"{self.what[:1].upper()}{self.what[1:]}"


CLASSES = Gauge("accuracy", "points", "accuracy", "labels per class", 100.0, 1, Labels.CLASSES)
SETS = Gauge("F1 per example", "points", "example_f1", "examples per label", 100.0, 1, Labels.SETS)
NUMBERS = Gauge("mean absolute error", "standard deviations", "mae", "labels", 1.0, 2, Labels.NUMBERS, lower=True)
GAUGES = {gauge.labels.task: gauge for gauge in (CLASSES, NUMBERS, SETS)}
"""By the name of the task."""
