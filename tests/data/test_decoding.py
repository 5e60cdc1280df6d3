"""Decoded examples on disk: remembered, rebuilt when damaged, dropped when there are too many."""

import logging
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.decoding import decoded, trim
from regraft.data.examples import Examples
from regraft.data.images import decode
from regraft.preprocessing.images import Images


def noise(width: int, height: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    paths = tuple(tmp_path / f"{i}.png" for i in range(5))
    for i, path in enumerate(paths):
        Image.fromarray(noise(20, 20, i)).save(path)
    return Examples(tuple(p.name for p in paths), tuple("abcde"), paths, None, ())


def cached(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_pixels_are_remembered(examples: Examples, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = decoded(examples, Images(size=16), cache)
    assert isinstance(first, np.memmap)
    assert not first.flags.writeable
    assert cached(cache) == [cache / "decoded" / f"{examples.fingerprint}-image-16.npy"]
    np.testing.assert_array_equal(first, decode(examples.items, 16))
    for path in examples.items:
        path.unlink()
    np.testing.assert_array_equal(decoded(examples, Images(size=16), cache), first)
    with pytest.raises(UserError):
        decoded(examples, Images(size=17), cache)
    assert len(cached(cache)) == 1  # nothing half-written


def test_without_a_cache(examples: Examples, tmp_path: Path) -> None:
    np.testing.assert_array_equal(decoded(examples, Images(size=16), None), decode(examples.items, 16))
    assert decoded(examples.take([]), Images(size=16), tmp_path / "cache").shape == (0, 16, 16, 3)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["half", "empty", "header", "garbage", "zip", "shape"])
def test_a_damaged_cache_file_is_made_again(examples: Examples, tmp_path: Path, damage: str) -> None:
    good = np.array(decoded(examples, Images(size=16), tmp_path / "cache"))
    (file,) = cached(tmp_path / "cache")
    whole = file.read_bytes()
    pieces = {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "header": whole[:50],
        "garbage": b"x" * 999,
        "zip": b"PK\3\4",
    }
    if damage == "shape":
        np.save(file, good[:3])
    else:
        file.write_bytes(pieces[damage])
    np.testing.assert_array_equal(decoded(examples, Images(size=16), tmp_path / "cache"), good)
    assert file.read_bytes() == whole


def test_a_full_disk_falls_back_to_memory(
    examples: Examples, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files fails in the same call, and with the same exception, as a full disk."""
    monkeypatch.setattr("regraft.data.decoding._BLOCK", 2 * 200 * 200 * 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with caplog.at_level(logging.WARNING, "regraft"):
            pixels = decoded(examples, Images(size=200), tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(pixels, decode(examples.items, 200))
    assert [record.name for record in caplog.records] == ["regraft"]
    assert "kept in memory" in caplog.text
    assert cached(tmp_path / "cache") == []


def test_an_unwritable_cache_falls_back_to_memory(
    examples: Examples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    np.testing.assert_array_equal(decoded(examples, Images(size=16), tmp_path / "cache"), decode(examples.items, 16))
    assert len(caplog.records) == 1


def test_blocks_do_not_change_the_result(examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.data.decoding._BLOCK", 2 * 16 * 16 * 3)
    np.testing.assert_array_equal(decoded(examples, Images(size=16), tmp_path / "cache"), decode(examples.items, 16))


def test_trim_removes_what_was_not_used_lately(examples: Examples, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for age, size in ((300, 8), (200, 9), (100, 10)):
        decoded(examples, Images(size=size), cache)
        when = os.stat(cache).st_mtime - age
        os.utime(cache / "decoded" / f"{examples.fingerprint}-image-{size}.npy", (when, when))
    decoded(examples, Images(size=8), cache)  # the oldest is used again
    # By the time of change, because file systems may not keep the time of reading.
    assert (cache / "decoded" / f"{examples.fingerprint}-image-8.npy").stat().st_mtime > when + 50
    sizes = {path.name.split("-")[2]: path.stat().st_size for path in cached(cache)}
    assert trim(cache, sum(sizes.values())) == 0
    assert trim(cache, sum(sizes.values()) - 1) == sizes["9.npy"]
    assert trim(cache, sizes["8.npy"]) == sizes["10.npy"]
    assert [path.name.split("-")[2] for path in cached(cache)] == ["8.npy"]
    assert trim(tmp_path / "nowhere", 0) == 0
