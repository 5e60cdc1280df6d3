"""Listen to a recording from end to end: whether it can be read, and whether there is anything in it."""

import os
from typing import Any, BinaryIO

import numpy as np

from regraft.data.sounds import library

_BLOCK = 2**20  # samples that are read at a time, so that an hour's recording does not fill the memory
_STREAM = 2**31 - 2**16  # bytes from which on the size of a WAV file means that its writer did not know it
_STARTS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
_HIGHEST = 1_000_000  # hertz: more than any microphone gives
_MISSING = 0.02  # share of the announced samples that may be missing: for MP3 the announcement is an estimate


def size_of(file: BinaryIO) -> int:
    """Bytes of an opened file, which is then at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def known_start(content: bytes) -> bool:
    """Whether the first bytes are those of a recording's file."""
    return content.startswith(_STARTS) and content[8:12] != b"WEBP"  # pictures that start as WAV files do


def fault(file: BinaryIO) -> str:
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
    if start[:4] == b"RIFF" and size + 1 < announced < _STREAM:  # one more: a last byte of padding is often left out
        return f"corrupt or truncated recording: {size} of {announced} bytes"
    try:
        with sound:
            return _silence(sound)
    except reader.SoundFileError as error:
        return f"corrupt or truncated recording: {getattr(error, 'error_string', '') or error}".rstrip(".")


def _silence(sound: Any) -> str:
    """What is wrong with the samples of an opened file; empty if nothing is."""
    if sound.samplerate > _HIGHEST:
        return f"claims {sound.samplerate} samples a second"
    read, loudest = 0, 0.0
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        if not np.isfinite(block).all():
            return "holds values that are not numbers"
        read, loudest = read + len(block), max(loudest, float(np.abs(block).max()))
    if read < (1 - _MISSING) * sound.frames:
        return f"corrupt or truncated recording: {read} of {sound.frames} samples"
    if not read:
        return "no sound: it has no samples"
    return "" if loudest else "no sound: every sample is zero"
