"""Folders and tables of recordings, good and bad."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.readers._base import read

soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
FORMATS = ("wav", "flac", "ogg", "mp3")


def tone(path: Path, hertz: float = 440.0, rate: int = 16000, seconds: float = 0.5, **options: object) -> Path:
    """A recording of a pure tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)
    soundfile.write(path, wave, rate, **options)
    return path


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """Two classes of three recordings."""
    root = tmp_path / "tones"
    for i in range(3):
        tone(root / "low" / f"{i}.wav", 200 + 20 * i)
        tone(root / "high" / f"{i}.flac", 2000 + 200 * i)
    return root


def reasons(examples: Examples) -> dict[str, str]:
    return {skipped.path.name: skipped.reason for skipped in examples.skipped}


@pytest.mark.parametrize("ending", [*FORMATS, "WAV"])
def test_a_class_per_folder_in_natural_order(tmp_path: Path, ending: str) -> None:
    for name in ("10", "9"):
        for i in (2, 10):
            tone(tmp_path / name / "deep" / f"x{i}.{ending}", 300 + i)
    examples = read(tmp_path)
    assert examples.kind == "audio"
    assert examples.noun == "recording"
    assert examples.classes == ("9", "10")
    assert examples.ids == tuple(f"{c}/deep/x{i}.{ending}" for c in ("9", "10") for i in (2, 10))
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1, 1]
    assert examples.items[0] == tmp_path / "9" / "deep" / f"x2.{ending}"
    assert not examples.skipped
    if ending != "ogg":  # each Ogg stream has a random number of its own
        assert examples.digests[0] == examples.digests[2] != examples.digests[1]


def test_what_is_odd_about_recordings_is_said(tones: Path) -> None:
    """Stereo, other rates and clipping are no reason to leave one out, and none to keep quiet."""
    assert read(tones).notes == ()
    wave = 0.3 * np.sin(np.arange(8000) / 9)
    soundfile.write(tones / "low" / "stereo.wav", np.stack([wave, -0.5 * wave], 1), 44100)
    soundfile.write(tones / "high" / "loud.wav", np.clip(10 * wave, -1, 1), 16000)
    soundfile.write(tones / "high" / "peak.wav", wave / np.abs(wave).max(), 16000)  # full scale, and no more than that
    assert read(tones).notes == (
        "1 of 9 recordings have several channels, of which the mean is heard",
        "recordings come at 2 rates, 16000 to 44100 samples a second; they are resampled to one",
        "1 of 9 recordings are clipped: 0.1% of their samples or more stay at full scale; "
        "quieter copies would serve better",
    )


def test_the_fingerprint_follows_contents_not_names(tones: Path) -> None:
    before = read(tones)
    (tones / "low").rename(tones / "deep")
    (tones / "high").rename(tones / "shrill")
    assert read(tones).fingerprint == before.take([3, 4, 5, 0, 1, 2]).fingerprint
    tone(tones / "deep" / "0.wav", 99)
    assert read(tones).fingerprint != before.take([3, 4, 5, 0, 1, 2]).fingerprint


def test_most_files_decide_whether_a_folder_holds_pictures_or_recordings(tones: Path) -> None:
    for i in range(6):
        Image.new("L", (9, 9), 9 * i).save(tones / "low" / f"{i}.png")
    pictures = read(tones, labelled=False)  # six of each
    assert (pictures.kind, len(pictures)) == ("image", 6)
    assert reasons(pictures)["0.wav"] == "not a picture"
    tone(tones / "low" / "one_more.wav")
    sounds = read(tones)
    assert (sounds.kind, len(sounds)) == ("audio", 7)
    assert reasons(sounds) == {f"{i}.png": "not a recording" for i in range(6)}


def test_labels_are_absent_when_they_are_not_wanted(tones: Path) -> None:
    tone(tones / "loose.wav")
    examples = read(tones, labelled=False)
    assert (len(examples), examples.labels, examples.classes) == (7, None, ())
    assert reasons(read(tones)) == {"loose.wav": "lies beside the class folders"}


def test_a_flat_folder_has_no_classes(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    with pytest.raises(UserError, match="no class folders; put the recordings of each class in a folder of its own"):
        read(tmp_path)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.6, 0.9])
def test_truncated_recordings_are_listed(tones: Path, ending: str, kept: float) -> None:
    whole = tone(tones / "low" / f"broken.{ending}", seconds=2).read_bytes()
    assert len(read(tones)) == 7
    (tones / "low" / f"broken.{ending}").write_bytes(whole[: int(len(whole) * kept)])
    examples = read(tones)
    assert examples.counts() == {"high": 3, "low": 3}
    reason = reasons(examples)[f"broken.{ending}"]
    expected = ("corrupt or truncated", "not a recording", "no sound: it has no samples")
    assert reason == "empty file" if kept == 0 else reason.startswith(expected)


def test_what_is_not_a_recording_is_listed(tones: Path) -> None:
    (tones / "low" / "notes.txt").write_text("not a recording")
    (tones / "low" / "fake.wav").write_text("nor is this")
    (tones / "low" / "headless.raw").write_bytes(bytes(range(256)) * 10)
    (tones / "low" / "dangling.wav").symlink_to(tones / "nowhere.wav")
    os.mkfifo(tones / "low" / "pipe.wav")
    damaged = bytearray(tone(tones / "low" / "noise.flac").read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 200] = os.urandom(200)
    (tones / "low" / "noise.flac").write_bytes(bytes(damaged))
    found = reasons(read(tones))
    assert found.pop("noise.flac").startswith("corrupt or truncated recording")
    assert found == {
        "notes.txt": "not a recording",
        "fake.wav": "not a recording",
        "headless.raw": "not a recording",
        "dangling.wav": "cannot be opened: No such file or directory",
        "pipe.wav": "not a regular file",
    }


def test_recordings_without_sound_are_listed(tones: Path) -> None:
    soundfile.write(tones / "low" / "nothing.wav", np.zeros(0), 16000)
    soundfile.write(tones / "low" / "silence.wav", np.zeros(16000), 16000)
    broken = np.full(1000, np.nan, dtype=np.float32)
    soundfile.write(tones / "low" / "broken.wav", broken, 16000, subtype="FLOAT")
    assert reasons(read(tones)) == {
        "nothing.wav": "no sound: it has no samples",
        "silence.wav": "no sound: every sample is zero",
        "broken.wav": "holds values that are not numbers",
    }


def test_odd_but_good_recordings_are_read(tones: Path) -> None:
    wave = np.sin(np.arange(9000))
    soundfile.write(tones / "low" / "stereo.wav", np.stack([wave, 0 * wave], 1), 44100)
    soundfile.write(tones / "low" / "clipped.wav", 5 * wave, 8000, subtype="FLOAT")
    soundfile.write(tones / "low" / "one_sample.wav", np.ones(1) / 2, 22050)
    soundfile.write(tones / "low" / "odd_rate.wav", wave, 12345)
    soundfile.write(tones / "low" / "wide.flac", wave / 9, 48000, subtype="PCM_24")
    streamed = bytearray((tones / "low" / "0.wav").read_bytes())
    streamed[4:8] = b"\xff" * 4  # written to a pipe: the size was not known
    (tones / "low" / "streamed.wav").write_bytes(bytes(streamed))
    unpadded = bytearray((tones / "low" / "0.wav").read_bytes())
    unpadded[4:8] = (len(unpadded) - 7).to_bytes(4, "little")  # the last byte would be padding
    (tones / "low" / "unpadded.wav").write_bytes(bytes(unpadded))
    examples = read(tones)
    assert examples.counts() == {"high": 3, "low": 10}
    assert not examples.skipped


@pytest.mark.parametrize(("rate", "reason"), [(0, "corrupt or trunc"), (2**31 - 1, "claims 2147483647 samples a sec")])
def test_impossible_rates_are_listed(tones: Path, rate: int, reason: str) -> None:
    whole = bytearray(tone(tones / "low" / "odd.wav").read_bytes())
    whole[24:28] = rate.to_bytes(4, "little")
    (tones / "low" / "odd.wav").write_bytes(bytes(whole))
    assert reasons(read(tones))["odd.wav"].startswith(reason)


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_text("no")
    with pytest.raises(UserError, match=r"none of the 1 files in .* can be read as a recording .*x.wav: not a rec"):
        read(tmp_path)


def test_without_the_library_the_error_says_how_to_get_it(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UserError, match=r"need the extra 'audio': pip install 'regraft\[audio\]'"):
        read(tones)


def table(folder: Path, *rows: str, header: str = "path,label,group") -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_a_table_lists_recordings_with_their_speakers(tones: Path) -> None:
    rows = ("low/0.wav,a,ann", "low/1.wav,a,bob", "high/0.flac,b,ann", "high/1.flac,b,")
    examples = read(table(tones, *rows))
    assert examples.kind == "audio"
    assert examples.ids == ("high/0.flac", "high/1.flac", "low/0.wav", "low/1.wav")
    assert examples.groups == ("ann", "high/1.flac", "ann", "bob")
    assert examples.counts() == {"a": 2, "b": 2}


def test_a_table_lists_recordings_with_numbers(tones: Path) -> None:
    path = table(
        tones, *(f"low/{i}.wav,{200 + 20 * i},a" for i in range(3)), "high/0.flac,2000,b", header="path,hz,group"
    )
    examples = read(path, label="hz", task="regression")
    assert (examples.kind, examples.label, examples.classes) == ("audio", "hz", ())
    assert examples.labels is not None
    assert dict(zip(examples.ids, examples.labels, strict=True))["low/2.wav"] == 240.0


def test_bad_tables_of_recordings(tones: Path) -> None:
    with pytest.raises(UserError, match=r"row 3 of .*: there is no file .*9\.wav"):
        read(table(tones, "low/0.wav,a,x", "low/9.wav,b,x"))
    with pytest.raises(UserError, match="has no column 'label'; did you mean 'labels'"):
        read(table(tones, "low/0.wav,a,x", header="path,labels,group"))
    (tones / "low" / "bad.wav").write_text("no")
    found = read(table(tones, "low/0.wav,a,", "low/1.wav,a,", "low/bad.wav,a,", "high/0.flac,b,", "high/1.flac,b,"))
    assert reasons(found) == {"bad.wav": "not a recording"}
    assert found.counts() == {"a": 2, "b": 2}
