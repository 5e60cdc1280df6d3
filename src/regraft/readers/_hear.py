"""Listen to recordings from end to end: whether each can be read, whether there is anything in it, and what is odd."""

import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from regraft.data.sounds import library

_BLOCK = 2**20  # samples that are read at a time, so that an hour's recording does not fill the memory
_STREAM = 2**31 - 2**16  # bytes from which on the size of a WAV file means that its writer did not know it
_STARTS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
_HIGHEST = 1_000_000  # hertz: more than any microphone gives
_FULL, _CLIPPED = 0.9999, 1e-3  # full scale, and the share of samples there from which on a recording counts as clipped
_MISSING = 0.02  # share of the announced samples that may be missing: for MP3 the announcement is an estimate


def size_of(file: BinaryIO) -> int:
    """Bytes of an opened file, which is then at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def known_start(content: bytes) -> bool:
    """Whether the first bytes are those of a recording's file."""
    return content.startswith(_STARTS) and content[8:12] != b"WEBP"  # pictures that start as WAV files do


@dataclass(frozen=True)
class Listener:
    """Hears one recording after another, in any thread, and remembers of the good ones what a user may not know."""

    _heard: list[tuple[int, int, bool]] = field(default_factory=list)
    """Samples a second, channels, and whether it is clipped."""

    def fault(self, file: BinaryIO) -> str:
        """Why ``file`` is not a readable recording; empty if it is one."""
        reader, size = library(), size_of(file)
        if not size:
            return "empty file"
        start = file.read(12)
        file.seek(0)
        try:
            sound = reader.SoundFile(file)
        except (reader.SoundFileError, TypeError):  # TypeError: a .raw file, which does not say what it holds
            return "corrupt or truncated recording" if known_start(start) else "not a recording"
        announced = int.from_bytes(start[4:8], "little") + 8
        if start[:4] == b"RIFF" and size + 1 < announced < _STREAM:  # one more: padding is often left out
            return f"corrupt or truncated recording: {size} of {announced} bytes"
        try:
            with sound:
                found, full = _silence(sound)
                if not found:
                    self._heard.append((sound.samplerate, sound.channels, full > _CLIPPED))
                return found
        except reader.SoundFileError as error:
            return f"corrupt or truncated recording: {getattr(error, 'error_string', '') or error}".rstrip(".")

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that is odd."""
        rates, channels, clipped = zip(*self._heard, strict=True) if self._heard else ((0,), (1,), (False,))
        of = f"of {len(rates)} recordings"
        apart = f"{len(set(rates))} rates, {min(rates)} to {max(rates)} samples a second"
        mixed, loud = sum(count > 1 for count in channels), sum(clipped)
        said = {
            f"{mixed} {of} have several channels, of which the mean is heard": mixed,
            f"recordings come at {apart}; they are resampled to one": len(set(rates)) > 1,
            f"{loud} {of} are clipped: {_CLIPPED:.1%} of their samples or more stay at full scale; "
            "quieter copies would serve better": loud,
        }
        return tuple(sentence for sentence, odd in said.items() if odd)


def _silence(sound: Any) -> tuple[str, float]:
    """What is wrong with an opened file, empty if nothing is; and the share of its samples that stay at full scale."""
    if sound.samplerate > _HIGHEST:
        return f"claims {sound.samplerate} samples a second", 0.0
    read, loudest, full = 0, 0.0, 0.0
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        if not np.isfinite(block).all():
            return "holds values that are not numbers", 0.0
        size = np.abs(block)
        read, loudest = read + len(block), max(loudest, float(size.max()))
        flat = size >= _FULL  # for three samples or more: a peak that is not cut off is there for one or two
        full += float((flat[2:] & flat[1:-1] & flat[:-2]).mean(1).sum())
    if read < (1 - _MISSING) * sound.frames:
        return f"corrupt or truncated recording: {read} of {sound.frames} samples", 0.0
    if not read:
        return "no sound: it has no samples", 0.0
    return "" if loudest else "no sound: every sample is zero", full / read
