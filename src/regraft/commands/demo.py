"""Show the main job on data that ships with the libraries: printed characters to handwritten digits."""

from pathlib import Path
from typing import Any

from regraft.commands import run
from regraft.commands._summary import summary
from regraft.core.config import settings
from regraft.core.progress import Reporter
from regraft.data.embedded import write
from regraft.runs import cache_folder, unused


@settings
class Demo:
    """Learn handwritten digits from a few labels, with three candidate sources of which one is useless.

    Nothing is downloaded: the handwriting is scikit-learn's, the printed characters are drawn with Matplotlib's fonts.
    """

    shots: int = 5
    """Handwritten digits of each class that may be learned from; the rest judges."""
    seeds: int = 5
    """Repetitions of the winner and of scratch."""
    seed: int = 0
    """Seed of everything random."""
    budget: str = "70s"
    """Time that the run may take."""
    out: Path | None = None
    """Folder of the run; without it, a new one below runs/."""


def main(options: Demo, reporter: Reporter) -> dict[str, Any]:
    """Write the data, run the main job on it, return its result."""
    folders = write(cache_folder() / "embedded")
    sources = tuple(f"data:{folders[name]}" for name in ("printed_digits", "printed_letters", "shuffled_digits"))
    chosen = run.Run(
        target=folders["handwriting"],
        source=sources,
        shots=options.shots,
        seeds=options.seeds,
        seed=options.seed,
        budget=options.budget,
        out=options.out or unused("demo"),
    )
    return run.main(chosen, reporter)


def show(result: dict[str, Any]) -> str:
    """The result for a reader at a terminal."""
    own = "regraft run --target PHOTOS --source data:OTHER_PHOTOS --source torchvision:resnet18 --shots 5"
    return f"{summary(result)}  the same on your own pictures (one folder per class):\n    {own}\n"
