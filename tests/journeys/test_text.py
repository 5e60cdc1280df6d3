"""Texts from end to end: a source domain of letters, a target of short messages, English and Chinese."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tokenizers", reason="the extra text is not installed")

TOPICS = {
    "card": "card wallet chip plastic swipe pin 银行卡 刷卡 密码",
    "travel": "flight train hotel ticket luggage border 火车 酒店 行李",
    "food": "bread soup kitchen spoon dinner recipe 面包 厨房 晚饭",
}
FILLERS = [
    "the", "a", "my", "please", "when", "is", "it", "and", "for", "we", "you", "about", "today",
    "请问", "今天", "我的", "什么",
]  # fmt: skip


@pytest.fixture
def told(shell, shared, topical) -> Path:
    """A folder with the two tables and a finished run in ``run``."""

    def build(folder: Path) -> None:
        topical(folder / "letters.csv", TOPICS, FILLERS, each=60, own=2, among=8, seed=0)
        topical(folder / "messages.csv", TOPICS, FILLERS, each=40, own=2, among=4, seed=1, label="topic")
        given = ("--target", "messages.csv", "--label", "topic", "--source", "data:letters.csv", "--method", "logistic")
        plain = ("--shots", 3, "--seeds", 2, "--steps", 30, "--precision", "fp32", "--out", "run")
        replace(shell, here=folder).json("run", *given, *plain)

    return shared("told", build)


def test_what_letters_teach_helps_with_messages(told):
    found = json.loads((told / "run" / "run.json").read_text())
    assert found["chosen"] == {"source": "data:letters.csv", "method": "logistic"}
    assert found["metrics"]["accuracy"]["mean"] > 0.9
    assert found["metrics"]["accuracy"]["mean"] > found["baseline"]["accuracy"]["mean"] + 0.1
    assert "the better of 2 by the race" in found["data"]["protocol"]
    assert "scratch:small:words" in {c["source"] for c in found["candidates"] if c["method"] == "scratch"}


def test_the_report_shows_texts(told):
    page, plain = ((told / "run" / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    assert page.count("<q>") >= 6
    assert any(word in page for word in ("银行卡", "火车", "面包"))
    assert "as card (" in plain
    assert "Picture" not in page.partition("Examples</h2>")[2].partition("<section>")[0]


def test_texts_are_predicted_as_words_or_as_a_table(told, shell):
    run = told / "run"
    found = shell.json("predict", run, "swipe my plastic card", "火车 行李", told / "messages.csv")["predictions"]
    assert [row["classes"][0][0] for row in found[:2]] == ["card", "travel"]
    assert len(found) == 2 + 120
    (shell.here / "one.txt").write_text("bread and soup for dinner", encoding="utf-8")
    assert shell.json("predict", run, "one.txt")["predictions"][0]["classes"][0][0] == "food"


def test_a_model_of_text_is_evaluated_and_is_a_source(told, shell):
    found = shell.json("evaluate", told / "run", "--data", told / "messages.csv", "--label", "topic")
    assert found["examples"] == 120
    assert found["metrics"]["accuracy"]["mean"] > 0.9
    given = ("--target", told / "messages.csv", "--label", "topic", "--source", told / "run", "--method", "logistic")
    plain = ("--shots", 2, "--seeds", 1, "--budget", "1s", "--vocabulary", "both", "--out", "again")
    again = shell.json("run", *given, *plain)
    assert again["finalist"]["source"] == str(told / "run")
    assert re.fullmatch(r"\d+ tokens carried over, \d+ new, 0 left", again["sources"][0]["understood"]["vocabulary"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--source", "timm:resnet18"), "timm networks take pictures, but these are texts"),
        (("--source", "hf:nowhere/at-all"), "'nowhere/at-all' is not on this machine"),
        (("--source", "glove:gone.txt"), "the word vectors gone.txt cannot be read"),
        (
            ("--source", "data:letters.csv", "--label", "topik"),
            "no column 'topik'; did you mean --label topic?",
        ),
    ],
)
def test_bad_sources_of_text(told, shell, given, message):
    (shell.here / "letters.csv").write_bytes((told / "letters.csv").read_bytes())
    label = () if "--label" in given else ("--label", "topic")
    done = shell("run", "--target", told / "messages.csv", *label, *given, "--out", "never")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.here / "never").exists()


def test_a_table_whose_texts_are_in_another_column(shell):
    """Its column is the user's to name: a table of words may be one of categories."""
    rows = "".join(f"{word} {place},{word[0]}\n" for word in ("apple", "banana") for place in range(12))
    (shell.here / "odd.csv").write_text("txet,label\n" + rows)
    (shell.here / "words.txt").write_text("apple 0.1 0.2\nbanana 0.3 0.1\n")
    done = shell("run", "--target", "odd.csv", "--source", "glove:words.txt", "--shots", 3, "--out", "never")
    assert done.returncode == 2, done.stderr
    assert "but these are rows; give another source, or call the column of texts 'text'" in done.stderr


def test_pictures_for_a_model_of_text(told, shell):
    done = shell("predict", told / "run", shell.data("handwriting"))
    assert done.returncode == 2
    assert "the model reads texts, but these are pictures" in done.stderr
