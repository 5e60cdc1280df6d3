"""A recording in the report: a picture of its sound, and the sound itself."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy.signal import spectrogram

from regraft.data import sounds

RATE, LONGEST = 16000, 6.0
"""Samples a second, one of those that MP3 has; seconds from the middle of a longer recording."""
_RANGE = 60.0  # decibels below the loudest moment that are drawn


def heard(file: Path) -> tuple[np.ndarray, float]:
    """The recording as the report has it, samples (n,) in [-1, 1] at `RATE`; and the highest frequency in it.

    Raises:
        UserError: it cannot be read.
    """
    seconds, rate = sounds.extents([file])[0]
    length = max(1, round(min(seconds, LONGEST) * RATE))
    return np.asarray(sounds.decode([file], RATE, length)[0] / 32767, dtype=np.float32), min(rate, RATE) / 2


def drawn(wave: np.ndarray, highest: float, side: int) -> Image.Image:
    """Its power by time, to the right, and frequency, upwards; ``side`` pixels square, the loudest brightest."""
    window = min(400, len(wave))
    frequency, _, power = spectrogram(wave, RATE, "hann", window, window - window // 4, nfft=512)
    decibels = 10 * np.log10(np.maximum(power[frequency <= highest], 1e-12))
    grey = ((decibels - decibels.max()) / _RANGE + 1).clip(0, 1)[::-1]
    picture = Image.fromarray(colormaps["magma"](grey, bytes=True)[..., :3])
    return picture.resize((side, side), Image.Resampling.BILINEAR)


def uri(wave: np.ndarray) -> str:
    """The sound as a data URI that every browser plays."""
    buffer = BytesIO()
    sounds.library().write(buffer, wave, RATE, format="MP3")
    return f"data:audio/mpeg;base64,{b64encode(buffer.getvalue()).decode('ascii')}"
