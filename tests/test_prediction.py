"""A kept model adapted to what it is to predict."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from regraft import artifacts
from regraft.backbones.small import Small
from regraft.commands import predict
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.heads.knn import Knn
from regraft.model import Model
from regraft.prediction import predict_items
from regraft.tasks._base import Task
from regraft.tasks.classification import Classification
from regraft.tasks.regression import Regression

CLASSES = Classification(classes=("ant", "bee", "cat"))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.prediction._STEPS", 8)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Twelve dark pictures."""
    rng, paths = np.random.default_rng(0), [tmp_path / f"{i}.png" for i in range(12)]
    for path in paths:
        Image.fromarray(rng.integers(0, 90, (8, 8, 3)).astype(np.uint8)).save(path)
    return paths


def kept(folder: Path, task: Task = CLASSES) -> Path:
    """A folder with a model that knows nothing."""
    torch.manual_seed(0)
    backbone = Small(arch="conv", size=8)
    network = backbone.build(pretrained=False)
    model = Model(network, nn.Linear(network.feature_dim, task.outputs), task.classes)
    artifacts.save(folder, model, backbone, task, {})
    return folder


def answers(run: Path, paths: list[Path], adapt: str, said: list[str] | None = None) -> dict[str, dict[str, float]]:
    """What ``regraft predict`` says of each path."""

    class Told(Reporter):
        def say(self, text: str) -> None:
            (said if said is not None else []).append(text)

    options = predict.Predict(run=run, paths=tuple(map(str, paths)), top=3, adapt=adapt)
    return {row["path"]: dict(row["classes"]) for row in predict.main(options, Told())["predictions"]}


def close(one: dict[str, dict[str, float]], other: dict[str, dict[str, float]]) -> bool:
    return all(other[path] == pytest.approx(found, abs=1e-4) for path, found in one.items())


@pytest.mark.parametrize("how", ["adabn", "tent"])
def test_a_copy_is_adapted_to_all_together_in_any_order(how, tmp_path, pictures):
    run, said = kept(tmp_path / "run"), []
    before = (run / "model.safetensors").read_bytes()
    plain, adapted = answers(run, pictures, "none"), answers(run, pictures, how, said)
    assert not close(plain, adapted)
    assert close(adapted, answers(run, pictures[::-1], how))
    assert not close(answers(run, pictures[:6], how), adapted)
    assert said == [f"a copy of the model was adapted to 12 examples by {how}; {run} is as it was"]
    assert (run / "model.safetensors").read_bytes() == before
    assert answers(run, pictures, "none") == plain


def test_tent_makes_surer(tmp_path, pictures):
    run = kept(tmp_path / "run")
    entropies = []
    for how in ("adabn", "tent"):
        p = np.array([list(row.values()) for row in answers(run, pictures, how).values()])
        entropies.append(-(p * np.log(p)).sum(1).mean())
    assert entropies[1] < entropies[0]


def test_what_cannot_be_adapted_is_refused_in_a_sentence(tmp_path, pictures):
    run = kept(tmp_path / "run")
    with pytest.raises(UserError, match="at least two examples"):
        answers(run, pictures[:1], "tent")
    assert answers(run, pictures[:1], "adabn")
    numbers = kept(tmp_path / "numbers", Regression())
    with pytest.raises(UserError, match="predict numbers; use --adapt adabn"):
        answers(numbers, pictures, "tent")
    model, backbone = artifacts.load(run)
    for name, module in list(model.backbone.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, leaf = name.rpartition(".")
            setattr(model.backbone.get_submodule(parent), leaf, nn.Identity())
    with pytest.raises(UserError, match="no batch normalisation"):
        predict_items(model, backbone, pictures, adapt="adabn")
    with pytest.raises(UserError, match="choose one of none, adabn, tent"):
        predict_items(*artifacts.load(run), pictures, adapt="bn")


def test_tent_is_refused_beforehand_where_the_head_passes_no_gradient(tmp_path, pictures, monkeypatch):
    run = kept(tmp_path / "run")
    model, backbone = artifacts.load(run)
    rng = np.random.default_rng(0)
    model.head = Knn().fit(rng.standard_normal((12, model.backbone.feature_dim)), np.arange(12) % 3, 3)
    assert predict_items(model, backbone, pictures, adapt="adabn")
    monkeypatch.setattr("regraft.prediction.opened", lambda *_: pytest.fail("examples were read first"))
    with pytest.raises(UserError, match=r"nothing flows back .* use --adapt adabn"):
        predict_items(model, backbone, pictures, adapt="tent")
