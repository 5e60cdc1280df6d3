"""The report of a run folder: what it says, what it must not contain, and what it does without."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft.core.baseline import BASELINES
from regraft.core.errors import UserError
from regraft.report._beside import Maps
from regraft.report._records import Gain, Point
from regraft.report._svg import Scale, ticks
from regraft.report.figures import curve, gain
from regraft.report.html import render
from regraft.report.markdown import compare, safe
from regraft.report.panels import confusion, together

Make = Callable[..., Path]
EVIL = '<script>alert("x")</script>|`a`*b*\n# [c](javascript:d)'


def read(run: Path) -> tuple[str, str]:
    page, text = render(run)
    return page.read_text(), text.read_text()


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def words(page: str) -> str:
    """What a reader sees of the page."""
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize(("verdict", "word"), [("helps", "Helps"), ("hurts", "Hurts"), ("undecided", "Cannot tell")])
def test_verdict_and_sentence_come_first(make_run: Make, verdict: str, word: str) -> None:
    run = make_run(verdict)
    page, text = read(run)
    sentence = json.loads((run / "run.json").read_text())["sentence"]
    seen = words(page)
    assert f"{word} {sentence}" in seen
    assert seen.index(sentence) < 120
    assert f"{word}: runs/handwriting" in text.splitlines()[0]
    assert sentence in text.replace("**", "")[:400]
    kept = "The model from scratch was kept" if verdict == "hurts" else "transferred model was kept: l2_sp"
    assert kept in seen


def test_every_part_is_there(make_run: Make) -> None:
    page, text = read(make_run())
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "Transfer against scratch", "Accuracy and number of labels", "How it was chosen", "Where it errs", "Examples",
        "Features before and after", "What was read", "What was not tested", "Repeat it", "Methods used",
    ]  # fmt: skip
    assert re.findall(r"^## (.*)$", text, re.M) == heads
    for part in ("Right", "Wrong", "Fixed by transfer", "Broken by transfer", "truncated after 112 bytes", "--shots 5",
                 "Li, Grandvalet", "race: the same 50", "fp32", "no unlabelled target", "McNemar",
                 "svm from <b> did best in the race, but 3 candidates tie."):  # fmt: skip
        assert part in words(page), part
    assert page.count('role="img"') > 25
    assert page.count("<svg role") == page.count("aria-label=") - 1  # the table that scrolls has a name, too
    assert "Not measured." not in page


def test_self_contained_and_small(make_run: Make) -> None:
    page, _ = read(make_run())
    assert not re.search(r"https?:|//[a-z]+\.|url\(|@import|<script|<link|<iframe", page)
    assert all(found.startswith("data:image/") for found in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert re.findall(r"<img (?![^>]*alt=\"[^\"]+\")", page) == []
    assert 50_000 < len(page) < 300_000
    assert "prefers-color-scheme:dark" in page


def test_hostile_names_are_shown_and_do_nothing(make_run: Make) -> None:
    run = make_run(command=EVIL, citations={EVIL: EVIL}, sentence=EVIL, labels_read=[EVIL])

    def rename(record: dict[str, Any]) -> dict[str, Any]:
        record["data"] |= {"classes": [EVIL, *map(str, range(1, 10))], "skipped": [[EVIL, EVIL]], "target": EVIL}
        record["candidates"][0] |= {"source": EVIL, "reason": EVIL, "outcome": EVIL}
        record["chosen"]["source"] = record["ranking"][0]["source"] = record["sources"][0]["uri"] = EVIL
        return record

    edit(run / "run.json", rename)
    edit(run / "evaluation" / "holdout.json", lambda holdout: holdout | {"classes": [EVIL, *map(str, range(1, 10))]})
    edit(run / "environment.json", lambda environment: environment | {EVIL: EVIL})
    page, text = read(run)
    assert "<script" not in page
    assert 'alert("x")' in unescape(page)
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", text, flags=re.S | re.M)
    assert "<script" not in outside
    assert not re.search(r"(?<!\\)\[c\]|(?<!\\)`a|(?<!\\)\*b", outside.replace("&lt;", "<"))
    rows = re.findall(r"^\|.*\|$", text, re.M)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 4, 5, 6}  # no name adds a column
    for file in (run / "figures").glob("*.svg"):
        assert "<script" not in file.read_text(), file


OPTIONAL = ("gain", "tests", "chosen", "shipped", "metrics", "baseline", "candidates", "ranking", "left_out", "run",
            "data", "labels_read", "curve", "citations", "seeds", "seconds", "budget", "sources",
            "command", "version")  # fmt: skip


@pytest.mark.parametrize("absent", [*OPTIONAL, "all"])
def test_parts_may_be_missing(make_run: Make, absent: str) -> None:
    run, gone = make_run(), OPTIONAL if absent == "all" else (absent,)
    edit(run / "run.json", lambda record: {k: v for k, v in record.items() if k not in gone})
    if absent == "all":
        shutil.rmtree(run / "evaluation")
        (run / "maps.json").unlink()
        (run / "environment.json").unlink()
    page, text = read(run)
    named = {"gain": "the gain over scratch", "curve": "accuracy at other numbers of labels", "metrics": "the metrics",
             "ranking": "the ranking of sources", "candidates": "the race"}  # fmt: skip
    expected = named.values() if absent == "all" else [named[absent]] if absent in named else []
    for name in expected:
        assert name in words(page).lower(), name
        assert name in text.lower(), name
    if absent == "all":
        edit(run / "run.json", lambda record: record | dict.fromkeys(gone))  # null says the same
        assert read(run)[0] == page


def test_numbers_that_are_not_measured(make_run: Make) -> None:
    run = make_run()
    nan = float("nan")
    edit(
        run / "run.json", lambda r: r | {"gain": {"mean": 0.1, "low": nan, "high": None, "detectable": nan}, "seeds": 1}
    )
    page, text = read(run)
    assert "nan" not in page.lower().replace("finance", "")
    assert "One seed was run" in page
    assert "One seed was run" in text


def test_pictures_that_are_gone_are_said_once(make_run: Make) -> None:
    run = make_run()
    gone = [str(run / "gone.png"), str(run / "run.json")]  # one that is not there, one that is no picture
    edit(
        run / "evaluation" / "holdout.json",
        lambda h: h | {"items": [gone[i % 2] if i % 3 else p for i, p in enumerate(h["items"])]},
    )
    page, text = read(run)
    assert page.count("could not be read any more") == text.count("could not be read any more") == 1
    assert page.count("<img") > 20


def test_same_folder_same_bytes(make_run: Make) -> None:
    run = make_run()
    render(run)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    render(run)
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before
    assert {file.name for file in run.iterdir()} >= {"report.html", "report.md", "figures"}


def test_markdown_has_the_same_figures(make_run: Make) -> None:
    run = make_run()
    page, text = read(run)
    for file in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (run / file).stat().st_size > 300, file
    labels = re.findall(r"!\[([^]]+)\]\(figures/(?:gain|curve|confusion|map-\w+)\.svg\)", text)
    assert len(labels) == 5
    for label in labels:
        assert f'aria-label="{label}"' in page
    plain = text.replace("\\", "").replace("**", "")
    for number in re.findall(r"\d+\.\d+%|\d\.\d{3}\b", words(page.split("<h2>Examples")[0])):
        assert number in plain, number
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(?:<svg.*?</svg>)?<span>(.*?)</span>", page)]
    assert len(cells) > 100
    assert all(cell in unescape(plain) for cell in cells)


def test_without_torch(make_run: Make) -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom pathlib import Path\nfrom regraft.report.html import render\n"
    code += "render(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(make_run())], check=True, timeout=60)


def test_many_classes_with_long_names(make_run: Make) -> None:
    run = make_run()
    names = [f"a class with a long name {i}" for i in range(40)]
    edit(run / "evaluation" / "holdout.json", lambda holdout: holdout | {"classes": names})
    for name in ("chosen", "scratch"):
        file = run / "evaluation" / f"{name}-outputs.npy"
        np.save(file, np.pad(np.load(file), ((0, 0), (0, 0), (0, 30))))
    page, _ = read(run)
    assert "Confusion matrix" not in page
    assert "Most frequent mistakes" in page
    assert "stroke-linecap" in page


BROKEN: dict[str, tuple[str, bytes | None]] = {
    "no run.json": ("run.json", None),
    "not JSON": ("run.json", b"{"),
    "foreign": ("run.json", b'{"name": "another program"}'),
    "a list": ("run.json", b"[1, 2]"),
    "wrong type": ("run.json", b'{"verdict": "helps", "sentence": "x", "gain": "much"}'),
    "binary": ("run.json", b"\xff\xfe\x00"),
    "environment": ("environment.json", b"[]"),
    "outputs": ("evaluation/chosen-outputs.npy", b"no array"),
    "targets": ("evaluation/holdout.json", b'{"items": [], "targets": [7], "classes": ["a"]}'),
    "lengths": ("evaluation/holdout.json", b'{"items": [], "targets": [0], "classes": ["a"]}'),
    "maps": ("maps.json", b'{"before": [[0, 1]], "after": [], "targets": []}'),
}


@pytest.mark.parametrize("case", BROKEN)
def test_damaged_folder(make_run: Make, case: str) -> None:
    run, (name, content) = make_run(), BROKEN[case]
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(run))) as caught:
        render(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report.html").exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        render(tmp_path / "nothing")
    with pytest.raises(UserError, match="nothing to compare"):
        compare([])


def test_compare(make_run: Make) -> None:
    table = compare(
        [make_run("helps", "a", run="runs/a|b"), make_run("hurts", "b"), make_run("undecided", "c", gain=None)]
    )
    lines = table.splitlines()
    assert lines[0].startswith("| Run | Target | Chosen | Accuracy | Baseline | Gain, points | Verdict | Time |")
    first = r"| runs/a\|b | data/handwriting | l2\_sp from data:printed\_digits | 94.3% | 90.2% | +4.1 (+2.2 to +6.0) |"
    assert lines[2] == f"{first} helps | 74 s |"
    assert "-6.3 (-9.1 to -3.5) | hurts" in lines[3]
    assert "not measured | cannot tell" in lines[4]


def test_drawings_hold_on_odd_values() -> None:
    for found in (Gain(mean=0.0), Gain(mean=0.0, low=0.0, high=0.0), Gain(mean=-1, low=-1, high=1, detectable=1.0)):
        assert "nan" not in gain(found, ("undecided", BASELINES["scratch"])).inline()
    one = [Point(labels_per_class=0, chosen=None, scratch={"mean": 0.5})]  # type: ignore[arg-type]
    assert "nan" not in curve(one).inline()
    assert "nan" not in confusion(np.zeros((2, 2)), ["a", "b"]).file()
    maps = Maps(before=[(0, 0), (0, 1), (9, 9), (9, 8)], targets=[0, 0, 1, 0])
    assert together(maps.before, maps.targets) == 0.5
    assert Scale(1, 1)(1) == "50%"
    assert ticks(-2.6, 6.0) == [-2.0, 0.0, 2.0, 4.0, 6.0]
    assert ticks(0.68, 1.0) == [0.7, 0.8, 0.9, 1.0]
    assert safe("a|b\n# c <d>") == r"a\|b \# c &lt;d>"


def test_a_run_without_labels_is_compared_with_the_source_as_it_is(make_run: Make) -> None:
    page, text = read(make_run("hurts", against="source_only", sentence="It hurts.", curve=[]))
    seen = words(page)
    assert "The model without adaptation was kept." in seen
    assert "Transfer against the source" in seen
    assert "scratch" not in seen.partition("How it was chosen")[0].lower()
    assert "## Transfer against the source" in text
