"""Pictures and recordings that are parts of a file go the way of files."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.images import decode, native_size
from regraft.data.members import Member, opened

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 0], np.dstack([PIXELS, PIXELS[..., :1]])])
def test_arrays_and_bytes_are_decoded_as_files_are(tmp_path: Path, pixels: np.ndarray) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(png(pixels))
    items = (file, Member(tmp_path, 1, pixels), Member(tmp_path, 2, png(pixels)))
    for size in (8, 16):
        first, *others = (decode([item], size) for item in items)
        assert all(np.array_equal(first, other) for other in others)
    assert {native_size([item]) for item in items} == {20}


def test_digests_are_of_the_content() -> None:
    one = Member(Path("a.npz"), 1, PIXELS)
    assert one.digest == Member(Path("b.npz"), 7, PIXELS.copy(order="F")).digest
    assert one.digest != Member(Path("a.npz"), 1, PIXELS.transpose(1, 0, 2)).digest
    assert one.digest != Member(Path("a.npz"), 1, PIXELS.tobytes()).digest


def test_names_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = Member(Path("a.npz"), 3, PIXELS)
    assert str(one) == "a.npz#3"
    assert str(one.resolve()) == f"{tmp_path.resolve()}/a.npz#3"
    with pytest.raises(TypeError, match="is an array, not a file"):
        opened(one)
    with pytest.raises(UserError, match=r"the picture a.npz#4 cannot be read"):
        decode([Member(Path("a.npz"), 4, b"no picture")], 8)
