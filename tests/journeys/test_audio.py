"""A new user's path with recordings: run, report, evaluate, predict, train."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
PITCH = {"low": 250, "middle": 700, "high": 1800}
RATE = 8000


def tones(folder: Path, each: int, square: bool, seed: int) -> Path:
    """Noisy tones of three pitches, of about a third of a second; square waves sound harsher than sines."""
    rng = np.random.default_rng(seed)
    for name, hertz in PITCH.items():
        (folder / name).mkdir(parents=True)
        for i in range(each):
            time = np.arange(int(RATE * rng.uniform(0.25, 0.4))) / RATE
            wave = np.sin(2 * np.pi * hertz * rng.uniform(0.85, 1.15) * time)
            wave = rng.uniform(0.1, 0.5) * (np.sign(wave) if square else wave)
            soundfile.write(folder / name / f"{i}.wav", wave + 0.02 * rng.standard_normal(len(time)), RATE)
    return folder


def made(folder: Path) -> None:
    tones(folder / "sines", 12, False, 0)
    tones(folder / "squares", 30, True, 1)
    (folder / "sines" / "low" / "broken.wav").write_bytes(b"RIFF, but nothing else")


@pytest.fixture(scope="module")
def data(shared: Callable[..., Path]) -> Path:
    return shared("tones", made)


@pytest.fixture(scope="module")
def run(data: Path, shared: Callable[..., Path], shell_at: Callable) -> Path:
    """A folder with a network that was trained on squares in ``squares``, and a run with it on sines in ``run``."""

    def build(folder: Path) -> None:
        shell = shell_at(folder)
        shell.json("train", "--data", data / "squares", "--out", "squares", "--precision", "fp32")
        given = ("--target", data / "sines", "--source", "squares", "--method", "logistic")
        small = ("--shots", 3, "--seeds", 1, "--budget", "1s", "--precision", "fp32")
        shell.json("run", *given, *small, "--out", "run")

    return shared("heard", build)


def test_a_network_is_trained_on_recordings(run):
    found = json.loads((run / "squares" / "train.json").read_text())
    assert found["classes"] == ["high", "low", "middle"]
    assert found["metrics"]["accuracy"]["mean"] > 0.8


def test_what_it_knows_is_transferred_to_other_recordings(run, data):
    found = json.loads((run / "run" / "run.json").read_text())
    assert found["data"]["skipped"] == [[str(data / "sines" / "low" / "broken.wav"), "corrupt or truncated recording"]]
    assert found["finalist"] == {"source": "squares", "method": "logistic"}
    assert found["metrics"]["accuracy"]["mean"] > 0.6  # a third by chance


def test_the_report_shows_and_plays_recordings(run):
    page = (run / "run" / "report.html").read_text(encoding="utf-8")
    words = (run / "run" / "report.md").read_text(encoding="utf-8")
    right = page.split("</style>")[1].split("Right")[1].split("Wrong")[0]
    players = right.count('<audio controls preload="none" src="data:audio/mpeg')
    assert right.count(".wav") == right.count("<img") == players > 0
    assert "figures/right.png" in words


def test_single_recordings_are_predicted_and_bad_ones_listed(run, data, shell_at):
    files = [data / "squares" / name / "0.wav" for name in PITCH]
    bad = run / "bad.wav"
    bad.write_bytes(b"no recording")
    found = shell_at(run).json("predict", "run", *files, bad, "--top", 3)
    assert [row["path"] for row in found["predictions"]] == [str(f) for f in files]
    assert all({name for name, _ in row["classes"]} == set(PITCH) for row in found["predictions"])
    assert found["skipped"] == [[str(bad), "not a recording"]]
    missing = shell_at(run)("predict", "run", "nowhere.wav")
    assert missing.returncode == 2
    assert "there is no recording or folder nowhere.wav" in missing.stderr


def test_a_run_is_measured_on_other_recordings(run, data, shell_at):
    found = shell_at(run).json("evaluate", "run", "--data", data / "squares")
    assert found["examples"] == 90
    assert found["metrics"]["accuracy"]["mean"] > 0.6


def test_pictures_are_no_source_for_recordings(data, shell):
    pictures = shell.data("printed_digits")
    done = shell("run", "--target", data / "sines", "--source", f"data:{pictures}", "--shots", 3, "--out", "x")
    assert done.returncode == 2
    assert "knows pictures, but the target holds recordings; give another source" in done.stderr
    assert not (shell.here / "x").exists()
