"""Recordings in the report: what is drawn and played is what was recorded."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from regraft.report import _sound

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")


def tone(folder: Path, hertz: float, rate: int, seconds: float) -> Path:
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(folder / "tone.wav", 0.5 * np.sin(2 * np.pi * hertz * time), rate)
    return folder / "tone.wav"


@pytest.mark.parametrize(("rate", "top"), [(8000, 4000), (16000, 8000), (44100, 8000)])
def test_a_tone_is_a_line_at_its_height(tmp_path: Path, rate: int, top: int) -> None:
    wave, highest = _sound.heard(tone(tmp_path, 1000, rate, 0.5))
    assert highest == top
    picture = np.asarray(_sound.drawn(wave, highest, 160), dtype=float).sum(2)
    assert picture.shape == (160, 160)
    assert abs(picture.mean(1).argmax() - 160 * (1 - 1000 / top)) < 4  # from the top downwards


def test_it_is_played_as_it_was(tmp_path: Path) -> None:
    wave, _ = _sound.heard(tone(tmp_path, 440, 22050, 1.0))
    uri = _sound.uri(wave)
    assert uri.startswith("data:audio/mpeg;base64,")
    played, rate = soundfile.read(BytesIO(b64decode(uri.partition(",")[2])))
    loudest = np.abs(np.fft.rfft(played)).argmax() * rate / len(played)
    assert abs(loudest - 440) < 2
    assert abs(len(played) / rate - 1.0) < 0.2


@pytest.mark.parametrize("seconds", [0.001, 20.0])
def test_very_short_and_long_ones(tmp_path: Path, seconds: float) -> None:
    wave, highest = _sound.heard(tone(tmp_path, 300, 8000, seconds))
    assert len(wave) == round(min(seconds, _sound.LONGEST) * _sound.RATE)
    assert _sound.drawn(wave, highest, 160).size == (160, 160)
    assert len(_sound.uri(wave)) < 200_000


def test_silence_is_dark(tmp_path: Path) -> None:
    wave, highest = _sound.heard(tone(tmp_path, 0, 8000, 0.2))
    assert len(set(map(tuple, np.asarray(_sound.drawn(wave, highest, 8)).reshape(-1, 3)))) == 1
