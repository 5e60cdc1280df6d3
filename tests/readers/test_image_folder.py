"""Folders of pictures, good and bad."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.readers._base import read
from regraft.readers.image_folder import ImageFolder


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (24, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of three pictures."""
    root = tmp_path / "photos"
    for i in range(3):
        picture(root / "cat" / f"{i}.jpg", i)
        picture(root / "dog" / f"{i}.png", 10 + i)
    return root


def reasons(examples: Examples) -> dict[str, str]:
    return {skipped.path.name: skipped.reason for skipped in examples.skipped}


def test_a_class_per_folder_in_natural_order(tmp_path: Path) -> None:
    for name in ("10", "9", "a"):
        for i in (2, 10):
            picture(tmp_path / name / "deep" / f"x{i}.jpg", i)
    examples = read(tmp_path)
    assert examples.classes == ("9", "10", "a")
    assert examples.ids[:3] == ("9/deep/x2.jpg", "9/deep/x10.jpg", "10/deep/x2.jpg")
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert examples.labels.dtype == np.int64
    assert examples.items[0] == tmp_path / "9" / "deep" / "x2.jpg"
    assert examples.digests[0] == examples.digests[2] != examples.digests[1]
    assert len(examples.digests[0]) == 32
    assert not examples.skipped


def test_the_fingerprint_follows_contents_not_names(photos: Path) -> None:
    before = read(photos)
    (photos / "cat").rename(photos / "a_cat")
    assert read(photos).fingerprint == before.fingerprint
    assert before.take([1, 0]).fingerprint != before.take([0, 1]).fingerprint
    picture(photos / "a_cat" / "0.jpg", 99)
    assert read(photos).fingerprint != before.fingerprint


def test_labels_are_absent_when_they_are_not_wanted(photos: Path) -> None:
    picture(photos / "loose.jpg", 50)
    examples = read(photos, labelled=False)
    assert len(examples) == 7
    assert examples.labels is None
    assert examples.classes == ()
    assert examples.counts() == {}
    withheld = read(photos).unlabelled()
    assert withheld.labels is None
    assert withheld.classes == ("cat", "dog")


def test_a_flat_folder_is_an_unlabelled_set(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.jpg", 1)
    assert read(tmp_path, labelled=False).ids == ("a.jpg", "b.jpg")
    with pytest.raises(UserError, match="no class folders; put the pictures of each class in a folder of its own"):
        read(tmp_path)


def test_hidden_files_are_ignored(photos: Path) -> None:
    picture(photos / ".thumbnails" / "x.jpg")
    picture(photos / "cat" / ".hidden.jpg")
    (photos / "cat" / "Thumbs.db").write_bytes(b"x")
    examples = read(photos)
    assert examples.counts() == {"cat": 3, "dog": 3}
    assert not examples.skipped


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "tif", "bmp"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.6, 0.95])
def test_truncated_pictures_are_listed(photos: Path, ending: str, kept: float) -> None:
    whole = picture(photos / "dog" / f"broken.{ending}", 7, (200, 200)).read_bytes()
    assert len(read(photos)) == 7
    (photos / "dog" / f"broken.{ending}").write_bytes(whole[: int(len(whole) * kept)])
    examples = read(photos)
    assert examples.counts() == {"cat": 3, "dog": 3}
    reason = reasons(examples)[f"broken.{ending}"]
    assert reason == "empty file" if kept == 0 else reason.startswith(("corrupt or truncated", "not a picture"))


def test_a_truncated_progressive_jpeg_is_listed(photos: Path) -> None:
    path = photos / "dog" / "broken.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, progressive=True)
    path.write_bytes(path.read_bytes()[:-2000])
    assert reasons(read(photos))["broken.jpg"].startswith("corrupt or truncated")


def test_what_is_not_a_picture_is_listed(photos: Path) -> None:
    (photos / "cat" / "notes.txt").write_text("not a picture")
    (photos / "cat" / "fake.jpg").write_text("nor is this")
    (photos / "cat" / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    (photos / "cat" / "dangling.jpg").symlink_to(photos / "nowhere.jpg")
    os.mkfifo(photos / "cat" / "pipe.jpg")
    (photos / "labels.csv").write_text("beside")
    assert reasons(read(photos)) == {
        "notes.txt": "not a picture",
        "fake.jpg": "not a picture",
        "drawing.eps": "not a picture",
        "dangling.jpg": "cannot be opened: No such file or directory",
        "pipe.jpg": "not a regular file",
        "labels.csv": "lies beside the class folders",
    }


def test_very_large_pictures(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (photos / "cat" / "huge.ppm").write_bytes(b"P6\n20000 20000\n255\n" + bytes(100))
    (photos / "cat" / "above.ppm").write_bytes(b"P6\n14000 13000\n255\n" + bytes(100))
    Image.new("L", (10000, 9000), 99).save(photos / "dog" / "large.jpg")  # Pillow warns from 89 megapixels on
    examples = read(photos)
    assert {name: reason[:26] for name, reason in reasons(examples).items()} == {
        "huge.ppm": "larger than 178 megapixels",
        "above.ppm": "larger than 178 megapixels",
    }
    assert "dog/large.jpg" in examples.ids
    assert capfd.readouterr().err == ""


def test_very_large_pictures_where_pillow_was_told_not_to_look(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (photos / "cat" / "huge.ppm").write_bytes(b"P6\n20000 20000\n255\n" + bytes(100))
    assert reasons(read(photos))["huge.ppm"].startswith("larger than 178 megapixels")


def test_odd_but_good_pictures_are_read(photos: Path) -> None:
    grey = np.linspace(0, 65535, 400, dtype=np.uint16).reshape(20, 20)
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(photos / "cat" / "cmyk.jpg")
    Image.fromarray(grey).save(photos / "cat" / "wide.png")
    Image.new("P", (20, 20)).save(photos / "cat" / "palette.png", transparency=b"\x00\x80")
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(photos / "cat" / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(photos / "cat" / "telephone.mpo", save_all=True, append_images=frames[1:])
    examples = read(photos)
    assert examples.counts() == {"cat": 8, "dog": 3}
    assert not examples.skipped


def test_a_loop_of_links_ends(photos: Path) -> None:
    (photos / "cat" / "loop").symlink_to(photos / "cat")
    assert read(photos).counts() == {"cat": 3, "dog": 3}


def test_a_linked_class_folder_is_read(photos: Path, tmp_path: Path) -> None:
    for i in range(2):
        picture(tmp_path / "elsewhere" / f"{i}.jpg", 20 + i)
    (photos / "owl").symlink_to(tmp_path / "elsewhere")
    assert read(photos).counts() == {"cat": 3, "dog": 3, "owl": 2}


def test_a_missing_folder_names_its_nearest_sibling(photos: Path) -> None:
    with pytest.raises(UserError, match=r"no folder or file .*/photo; did you mean .*/photos\?"):
        read(photos.parent / "photo")
    with pytest.raises(UserError, match="nor its parent folder"):
        read(photos / "a" / "b")


@pytest.mark.parametrize("labelled", [True, False])
def test_nothing_found(tmp_path: Path, labelled: bool) -> None:
    with pytest.raises(UserError, match="no pictures found in"):
        read(tmp_path, labelled=labelled)


def test_an_empty_class(photos: Path) -> None:
    (photos / "owl").mkdir()
    with pytest.raises(UserError, match=r"no readable picture in .*photos for 'owl'; add pictures or remove the class"):
        read(photos)
    (photos / "owl" / "bad.jpg").write_text("x")
    with pytest.raises(UserError, match=r"for 'owl' \(1 file\(s\) skipped, the first: bad.jpg: not a picture\)"):
        read(photos)
    assert len(read(photos, labelled=False)) == 6


def test_one_class_only(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "cat" / f"{i}.jpg", i)
    with pytest.raises(UserError, match="one class only, 'cat'; give at least 2 classes"):
        read(tmp_path)
    assert len(read(tmp_path, at_least=1)) == 3  # to be judged by, it will do


def test_a_class_with_one_picture(photos: Path) -> None:
    picture(photos / "owl" / "only.jpg", 30)
    with pytest.raises(
        UserError, match=r"for 'owl'; at least 2 are needed in each class: one to learn from, one to judge"
    ):
        read(photos)
    assert read(photos, at_least=1).counts()["owl"] == 1


def test_all_pictures_unreadable(photos: Path) -> None:
    for path in photos.rglob("*.*"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        UserError, match=r"none of the 6 files in .* can be read as a picture \(the first: 0.jpg: corrupt"
    ):
        read(photos)


def test_a_folder_of_parts_is_not_a_folder_of_classes(photos: Path, tmp_path: Path) -> None:
    photos.rename(tmp_path / "train")
    for i in range(2):
        picture(tmp_path / "test" / "cat" / f"{i}.jpg", i)
    with pytest.raises(UserError, match="parts of a data set, 'test', 'train', not classes"):
        read(tmp_path)


def test_neither_folder_nor_table(tmp_path: Path) -> None:
    path = tmp_path / "data.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"data.xlsx is a file of type '.xlsx'.*one sub-folder per class.*CSV file"):
        read(path)


def test_reader_options_are_settings() -> None:
    assert ImageFolder().labelled
    assert ImageFolder(labelled=False) == ImageFolder(labelled=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_folder_is_an_error(photos: Path) -> None:
    (photos / "cat").chmod(0)
    with pytest.raises(UserError, match="cannot be listed"):
        read(photos)
