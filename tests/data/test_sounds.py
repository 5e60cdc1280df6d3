"""Recordings to waveforms: mono, resampled, cut and padded in the middle."""

from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import UserError
from regraft.data.sounds import decode, extents

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
FULL = 32767


def written(path: Path, wave: np.ndarray, rate: int = 16000, **options: object) -> Path:
    soundfile.write(path, wave, rate, **options)
    return path


def sine(hertz: float, rate: int, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def test_samples_come_back_exactly(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).integers(-FULL, FULL, 500).astype(np.int16)
    found = decode([written(tmp_path / "a.wav", wave)], 16000, 500)
    assert found.dtype == np.int16
    assert np.abs(found[0].astype(int) - wave).max() <= 1  # full scale is 32768 in the file


@pytest.mark.parametrize("length", [1, 3, 10, 99, 100])
def test_long_ones_are_cut_to_their_middle(tmp_path: Path, length: int) -> None:
    path = written(tmp_path / "a.wav", (300 * np.arange(100)).astype(np.int16))
    start = (100 - length) // 2
    assert np.rint(decode([path], 16000, length)[0] / 300).tolist() == list(range(start, start + length))


@pytest.mark.parametrize(("length", "before"), [(10, 0), (11, 0), (12, 1), (31, 10)])
def test_short_ones_stand_in_the_middle_of_silence(tmp_path: Path, length: int, before: int) -> None:
    path = written(tmp_path / "a.wav", np.full(10, 10000, dtype=np.int16))
    assert np.flatnonzero(decode([path], 16000, length)[0]).tolist() == list(range(before, before + 10))


@pytest.mark.parametrize("rate", [4001, 8000, 11025, 12345, 22050, 44100, 44101, 48000, 384000])
def test_a_tone_keeps_its_pitch_volume_and_length_at_any_rate(tmp_path: Path, rate: int) -> None:
    path = written(tmp_path / "a.wav", 0.5 * sine(1000, rate, 1.0), rate)
    found = decode([path], 16000, 16000)[0] / FULL
    inner = slice(1000, 15000)  # away from the ends, where a filter has nothing to go by
    wanted = 0.5 * sine(1000, 16000, 1.0)
    # The ratio of 16000 to 44101 is only approximated: the tone drifts by a twentieth of a sample in this second.
    assert np.abs(found[inner] - wanted[inner]).max() < (0.02 if rate == 44101 else 0.005)


def test_what_is_too_high_for_the_rate_is_filtered_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", 0.5 * sine(7000, 16000, 1.0))
    assert np.abs(decode([path], 8000, 8000)[0][500:-500]).max() < 0.01 * FULL


def test_the_middle_of_a_long_one_is_the_same_as_of_the_whole(tmp_path: Path) -> None:
    """Only the middle is read of it."""
    wave = 0.5 * np.random.default_rng(0).standard_normal(44100 * 4).clip(-1, 1)
    path = written(tmp_path / "a.flac", wave, 44100)
    some, whole = decode([path], 16000, 16000)[0], decode([path], 16000, 64000)[0][24000:40000]
    assert np.abs(some[100:-100].astype(int) - whole[100:-100]).max() <= 2


def test_channels_are_averaged_and_excess_is_clipped(tmp_path: Path) -> None:
    stereo = written(tmp_path / "s.wav", np.stack([np.full(9, 0.6), np.full(9, -0.2)], 1), subtype="FLOAT")
    loud = written(tmp_path / "l.wav", np.array([3.0, -3.0, 0.5]), subtype="FLOAT")
    assert decode([stereo], 16000, 9)[0].tolist() == [round(0.2 * FULL)] * 9
    assert decode([loud], 16000, 3)[0].tolist() == [FULL, -FULL, round(0.5 * FULL)]


def test_extents_are_seconds_and_rates(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{r}.wav", np.ones(r // 2), r) for r in (8000, 16000)]
    assert extents(paths).tolist() == [[0.5, 8000], [0.5, 16000]]
    with pytest.raises(ValueError, match="no recordings"):
        extents([])


@pytest.mark.parametrize("content", [b"", b"no recording", None])
def test_what_cannot_be_read_any_more_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    for call in (lambda: decode([path], 8000, 10), lambda: extents([path])):
        with pytest.raises(UserError, match=r"the recording .*a\.wav cannot be read \(.*\); restore it or remove it"):
            call()
