"""The main job from Python: the same options, the same result, and the model in hand."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regraft import artifacts, shifting
from regraft.backbones._base import Backbone
from regraft.commands import run as command
from regraft.commands import shift as comparison
from regraft.commands import train as training
from regraft.commands._summary import summary
from regraft.core.config import build
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.ensemble import PART
from regraft.features import forward
from regraft.model import Model
from regraft.prediction import opened, predict_items
from regraft.runtime import detect
from regraft.tasks._base import Answer


class Kept:
    """A kept model with what it needs to read examples."""

    def __init__(self, folder: Path, model: Model, backbone: Backbone) -> None:
        self.folder, self.model, self.backbone = folder, model, backbone

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.model.classes

    def predict(self, given: Sequence[str | Path], adapt: str = "none") -> list[tuple[str, Answer]]:
        """For each example its path (or text) and the classes with their probabilities, likeliest first.

        Of numbers: the number. Of label sets: ``labels``, with probabilities above 0.5, and those ``below``.

        ``given``: paths, or texts for a model of text. ``adapt``: ``adabn`` or ``tent`` adapts a copy of the model to
        all that is given, first.

        Raises:
            UserError: a path does not exist, nothing can be read, or the model cannot be adapted.
        """
        return predict_items(self.model, self.backbone, given, adapt=adapt)[0]

    def features(self, given: Sequence[str | Path]) -> np.ndarray:
        """Pooled features (N, D) of the examples, before the head; ``given`` as for `predict`."""
        dataset = opened(self.backbone, given)[0]
        return forward(self.model.backbone, dataset, self.backbone.preprocess, detect())

    def save(self, folder: str | Path) -> Path:
        """Copy the model's files to ``folder``, from where `load` and the commands read them."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for place in range(len(self.model.members)):
            shutil.copytree(self.folder / PART.format(place), target / PART.format(place), dirs_exist_ok=True)
        for name in ("model.safetensors", "model.json", "seen.json"):
            if (self.folder / name).exists():  # models of older versions do not say what they have seen
                shutil.copyfile(self.folder / name, target / name)
        if (self.folder / "backbone").is_dir():  # a tokenizer, for instance
            shutil.copytree(self.folder / "backbone", target / "backbone", dirs_exist_ok=True)
        return target


class Result:
    """The outcome of a run, with the fields of ``run --json`` as attributes, and the kept model."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.model = load(fields["run"])
        self.predict, self.save = self.model.predict, self.model.save

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(f"a result has no field {name!r}") from None

    def __repr__(self) -> str:
        return summary(self.fields)

    def _repr_markdown_(self) -> str:
        return (Path(self.fields["run"]) / "report.md").read_text(encoding="utf-8")


def run(
    *,
    target: str | Path,
    sources: str | Sequence[str],
    reporter: Reporter | None = None,
    methods: str | Sequence[str] = (),
    **options: Any,
) -> Result:
    """Do the main job: see ``regraft run --help`` for the options, which have the same names here.

    Raises:
        UserError: something was asked for that cannot be done; nothing is half-written.
    """
    several = {"source": sources, "method": methods}
    listed = {name: [of] if isinstance(of, str) else list(of) for name, of in several.items()}
    given = {"target": target, **listed, **options}
    return Result(command.main(build(command.Run, given, "run"), reporter or Reporter()))


def train(*, reporter: Reporter | None = None, **options: Any) -> Kept:
    """Train a source, with labels (``data``) or without (``unlabeled``): see ``regraft train --help`` for the options.

    Its ``folder`` is what ``sources`` of `run` take.

    Raises:
        UserError: something was asked for that cannot be done; nothing is half-written.
    """
    return load(training.main(build(training.Train, options, "train"), reporter or Reporter())["run"])


def average(folders: Sequence[str | Path], into: str | Path) -> Kept:
    """The mean of the models in ``folders``, written to ``into``: one of the ``sources`` of `run`. See `docs/guide.md`.

    Raises:
        UserError: they are not of one architecture.
    """
    artifacts.average([Path(folder) for folder in folders], Path(into))
    return load(into)


def shift(a: Any, b: Any, *, reporter: Reporter | None = None, **options: Any) -> dict[str, Any]:
    """How far two domains lie apart: see ``regraft shift --help`` for the options.

    ``a``, ``b``: two paths; or features (N, D) and (M, D), of which `regraft.shifting.shift` tells: nothing is written,
    and the one option is ``seed``.

    Raises:
        UserError: they cannot be read or compared, or an option has no meaning.
    """
    if isinstance(a, str | Path) is not isinstance(b, str | Path):
        raise UserError("shift compares two paths or two arrays of features, not one of each")
    if not isinstance(a, str | Path):
        if set(options) - {"seed"}:
            raise UserError(f"of arrays, shift takes the option 'seed' only, not {sorted(options)[0]!r}")
        return shifting.shift(shifting.Sample(a), shifting.Sample(b), **options)
    given = {"domains": [a, b], **options}
    return comparison.main(build(comparison.Shift, given, "shift"), reporter or Reporter())


def load(folder: str | Path) -> Kept:
    """The model of a finished run.

    Raises:
        UserError: there is none, or its weights were changed.
    """
    path = Path(folder)
    return Kept(path, *artifacts.load(path))
