"""AutoGluon, fastai and the Trainer of Hugging Face on the tasks of the suite, by their defaults.

    python benchmarks/suite/peers.py OUT [--tasks NAME ...] [--systems autogluon fastai trainer]

For an environment of its own, in which these are installed beside Regraft, which opens its networks. Each system gets
the labels that Regraft's run had and may take as long as all of that run took of the processor. AutoGluon gets features
of all sources, side by side; fastai and the Trainer, which have no way to choose, get the source that Regraft chose:
its network with its weights and inputs as it wants them. Of tables AutoGluon and fastai get the columns as they are.
Not offered are labelled examples of other domains, for which these systems have no place.

``autogluon``: TabularPredictor, all defaults but the limit of time. ``fastai``: Learner.fine_tune with its defaults on
the network and a linear head (or tabular_learner), as many epochs as the time allows, at most ``EPOCHS``. ``trainer``:
Trainer with its default arguments, likewise. Two seeds for the last two. Nothing of the final examples is looked at
before they judge. Lines go to results.jsonl, as in `measure.py`.
"""

import argparse
import csv
import json
import os
import random
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regraft.backbones._code import factory

EPOCHS = 50
BATCH = 64
MODULES = {"autogluon": "autogluon.tabular", "fastai": "fastai", "trainer": "transformers"}

Given = dict[str, Any]


class Headed(nn.Module):
    """A network with a new linear head, whose loss comes with its outputs where labels do, as the Trainer wants it."""

    def __init__(self, network: nn.Module, x: Tensor, outputs: int, numeric: bool) -> None:
        super().__init__()
        self.network, self.numeric = network, numeric
        with torch.no_grad():
            self.head = nn.Linear(network.eval()(x[:2]).shape[1], outputs)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        said = self.head(self.network(x))
        return said if labels is None else {"loss": self.loss(said, labels), "logits": said}

    def loss(self, said: Tensor, labels: Tensor) -> Tensor:
        return F.mse_loss(said[:, 0], labels.float()) if self.numeric else F.cross_entropy(said, labels.long())


def autogluon(given: Given, seconds: float, seed: int) -> np.ndarray:
    """What AutoGluon says of the final examples, (N,): numbers or positions of classes."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    if given["columns"]:
        train, final = (pd.read_csv(given["laid"]["files"][i], na_values="?") for i in (0, 2))
        names = None if given["numeric"] else sorted(train["label"].unique())
    else:
        train, final = (pd.DataFrame(given[p]["features"]).add_prefix("f") for p in ("train", "final"))
        names = None if given["numeric"] else [f"class {c}" for c in range(given["classes"])]
        train["label"] = given["train"]["y"] if names is None else [names[c] for c in given["train"]["y"]]
    problem = "regression" if given["numeric"] else None
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(label="label", path=folder, problem_type=problem, verbosity=0)
        predictor.fit(train, time_limit=seconds, num_cpus=1, num_gpus=0)
        said = predictor.predict(final.drop(columns="label", errors="ignore"))
    return said.to_numpy() if names is None else np.array([names.index(value) for value in said])


def fastai(given: Given, seconds: float, seed: int) -> np.ndarray:
    """What fastai says of the final examples, (N,)."""
    import fastai.callback.all  # noqa: F401  gives the learner its schedules and its silence
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner

    if given["columns"]:
        return _fastai_columns(given, seconds)
    x, y = given["train"]["x"], _targets(given)
    rows = list(zip(x, y, strict=True))
    batch = min(BATCH, len(rows))  # what does not fill a batch is dropped

    def made() -> Any:
        model = Headed(_copied(given), x, max(1, given["classes"]), given["numeric"])
        loaders = DataLoaders(DataLoader(rows, bs=batch, shuffle=True, drop_last=True), DataLoader(rows, bs=batch))
        parts = lambda m: [list(m.network.parameters()), list(m.head.parameters())]  # noqa: E731
        return Learner(loaders, model, loss_func=model.loss, splitter=parts)

    learner = made()
    with learner.no_bar(), learner.no_logging():
        each = _seconds_of(lambda: made_quietly(made, 1))
        learner.fine_tune(_epochs(seconds, each))
    return _said(given, learner.model)


def made_quietly(made: Callable[[], Any], epochs: int) -> None:
    learner = made()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs)


def _fastai_columns(given: Given, seconds: float) -> np.ndarray:
    import pandas as pd
    from fastai.tabular.all import (
        Categorify,
        CategoryBlock,
        FillMissing,
        Normalize,
        RegressionBlock,
        TabularPandas,
        tabular_learner,
    )

    train, final = (pd.read_csv(given["laid"]["files"][i], na_values="?") for i in (0, 2))
    numbers = [c for c in train if c != "label" and train[c].nunique() > 8 and train[c].dtype.kind in "if"]
    classes = [c for c in train if c != "label" and c not in numbers]
    block = RegressionBlock() if given["numeric"] else CategoryBlock()

    def made() -> Any:
        rows = list(range(len(train)))  # as validation too, which decides nothing
        table = TabularPandas(
            train, procs=[Categorify, FillMissing, Normalize], cat_names=classes, cont_names=numbers, y_names="label",
            y_block=block, splits=(rows, rows),
        )  # fmt: skip
        return tabular_learner(table.dataloaders(bs=min(BATCH, len(train))))

    learner = made()
    with learner.no_bar(), learner.no_logging():
        each = _seconds_of(lambda: made_quietly(made, 1))
        learner.fit_one_cycle(_epochs(seconds, each))
        said, _ = learner.get_preds(dl=learner.dls.test_dl(final.drop(columns="label")))
    return said[:, 0].numpy() if given["numeric"] else said.argmax(1).numpy()


def trainer(given: Given, seconds: float, seed: int) -> np.ndarray:
    """What a network that the Trainer tuned says of the final examples, (N,)."""
    from transformers import Trainer, TrainingArguments

    x, y = given["train"]["x"], _targets(given)
    rows = [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]

    def tuned(epochs: int) -> nn.Module:
        model = Headed(_copied(given), x, max(1, given["classes"]), given["numeric"])
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, num_train_epochs=epochs, seed=seed, use_cpu=True, report_to=[], save_strategy="no",
                logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
            )  # fmt: skip
            Trainer(model=model, args=arguments, train_dataset=rows).train()
        return model

    each = _seconds_of(lambda: tuned(1))
    return _said(given, tuned(_epochs(seconds, each)))


SYSTEMS: dict[str, Callable[[Given, float, int], np.ndarray]] = {
    "autogluon": autogluon, "fastai": fastai, "trainer": trainer,
}  # fmt: skip


def _epochs(seconds: float, each: float) -> int:
    return int(np.clip((seconds - each) / max(each, 1e-3), 1, EPOCHS))


def _seconds_of(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _copied(given: Given) -> nn.Module:
    """The network afresh, with all of its weights to be trained."""
    network: nn.Module = torch.load(given["file"], weights_only=False)["network"]
    return network.requires_grad_(True)


def _targets(given: Given) -> Tensor:
    y = torch.as_tensor(np.asarray(given["train"]["y"]))
    return (y - given["mean"]) / given["deviation"] if given["numeric"] else y.long()


def _said(given: Given, model: nn.Module) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        said = torch.cat([model(x) for x in given["final"]["x"].split(BATCH)])
    return (said[:, 0] * given["deviation"] + given["mean"]).numpy() if given["numeric"] else said.argmax(1).numpy()


def score(given: Given, said: np.ndarray) -> float:
    """Accuracy, or one minus the mean absolute error in standard deviations of the training labels."""
    y = np.asarray(given["final"]["y"])
    return float(1 - np.abs(said - y).mean() / given["deviation"] if given["numeric"] else (said == y).mean())


def opened(out: Path, name: str) -> Given:
    """What `measure.py` exported of a task."""
    file, laid = out / "export" / f"{name}.pt", json.loads((out / "data" / name / "task.json").read_text())
    for uri in (uri for uri in laid["sources"] if uri.startswith("torch:")):
        factory(uri.removeprefix("torch:").partition("@")[0])  # what is loaded may be of a class in that file
    given: Given = torch.load(file, weights_only=False)  # our own file
    y = np.asarray(given["train"]["y"])
    given |= {"file": file, "laid": laid, "numeric": y.dtype.kind == "f"}
    given["columns"] = laid["task"]["modality"] == "table"
    if given["columns"]:  # as the files have them: what the run read may lack copies of rows that its sources know
        names = sorted(set(_labels(laid["files"][0])))
        given["final"]["y"] = [
            float(label) if given["numeric"] else names.index(label) for label in _labels(laid["files"][2])
        ]
    if given["numeric"]:
        given |= {"mean": float(y.mean()), "deviation": float(y.std())}
    return given


def _labels(file: str) -> list[str]:
    with open(file, newline="", encoding="utf-8") as rows:
        return [row["label"] for row in csv.DictReader(rows)]


def measured(given: Given, system: str, seconds: float) -> dict[str, Any]:
    """The scores over seeds, and the seconds of the processor that all of them took."""
    scores, begun = [], sum(os.times()[:4])
    for seed in range(1 if system == "autogluon" else 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        scores.append(score(given, SYSTEMS[system](given, seconds, seed)))
    return {"final": scores, "cpu": sum(os.times()[:4]) - begun}


def fits(given: Given, system: str) -> bool:
    """Whether there is a place for the task in the system: no Trainer for columns."""
    return not (system == "trainer" and given["columns"])


def pending(out: Path, names: list[str]) -> Iterator[tuple[str, float, set[str]]]:
    """Tasks that are exported, the seconds that their run took, and the systems that were measured on them."""
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    rows = {row["key"]: row for row in lines if "error" not in row}
    for key, row in rows.items():
        name = key.removesuffix(" run")
        wanted = not names or any(name == n or name.startswith(f"{n}-") for n in names)
        if key.endswith(" run") and f"{name} export" in rows and wanted:
            yield name, row["run_cpu"], {s for s in SYSTEMS if f"{name} peer {s}" in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name, seconds, done in list(pending(asked.out, asked.tasks)):
        given = opened(asked.out, name)
        for system in asked.systems:
            if system in done or not fits(given, system):
                continue
            about = {"key": f"{name} peer {system}", "system": system, "version": version(MODULES[system])}
            try:
                row = {**about, "allowed": seconds, **measured(given, system, seconds)}
            except Exception as error:  # a system that breaks on a task must not end the others; the line says so
                traceback.print_exc()
                row = {**about, "error": f"{type(error).__name__}: {error}"}
            with (asked.out / "results.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(name, system, row.get("final", row.get("error")), row.get("cpu"), flush=True)


if __name__ == "__main__":
    main()
