import os
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.data import embedded

PER_CLASS = 12
DIGITS, LETTERS = list(string.digits), list(string.ascii_uppercase)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return embedded.write(tmp_path_factory.mktemp("embedded") / "data", PER_CLASS)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def labels(folder: Path) -> dict[str, str]:
    return {path.name: path.parent.name for path in folder.rglob("*.png")}


def test_a_folder_for_each_name(written: dict[str, Path]) -> None:
    assert tuple(written) == embedded.NAMES
    root = written["handwriting"].parent
    assert {path.name for path in root.iterdir() if path.is_dir()} == set(embedded.NAMES)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("printed_digits", DIGITS),
        ("printed_letters", LETTERS),
        ("shuffled_digits", DIGITS),
        ("moved_digits", DIGITS),
    ],
)
def test_printed_classes_have_equal_counts(written: dict[str, Path], name: str, classes: list[str]) -> None:
    counts = {folder.name: len(list(folder.iterdir())) for folder in written[name].iterdir()}
    assert counts == dict.fromkeys(classes, PER_CLASS)


def test_handwriting_is_the_scanned_digits(written: dict[str, Path]) -> None:
    counts = [len(list((written["handwriting"] / digit).iterdir())) for digit in DIGITS]
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # from scikit-learn's description of the set
    with Image.open(written["handwriting"] / "0" / "0000.png") as picture:
        assert (picture.mode, picture.size) == ("L", (8, 8))
        # the first row of the first digit is 0 0 5 13 9 1 0 0 of 16
        assert np.asarray(picture)[0].tolist() == [round(count * 255 / 16) for count in (0, 0, 5, 13, 9, 1, 0, 0)]


def test_another_process_writes_the_same_bytes(written: dict[str, Path], tmp_path: Path) -> None:
    code = f"from pathlib import Path; from regraft.data import embedded; embedded.write(Path('again'), {PER_CLASS})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert contents(tmp_path / "again") == contents(written["handwriting"].parent)


def test_pictures_are_all_different(written: dict[str, Path]) -> None:
    for name in ("handwriting", "printed_digits", "printed_letters"):
        found = contents(written[name])
        assert len(set(found.values())) == len(found)


def test_shuffled_labels_carry_nothing(written: dict[str, Path]) -> None:
    true, shuffled = labels(written["printed_digits"]), labels(written["shuffled_digits"])
    assert true.keys() == shuffled.keys()
    agreement = np.mean([true[name] == shuffled[name] for name in true])
    assert agreement < 0.25  # chance is 0.1, with a standard error of 0.03


def test_moved_labels_are_moved_by_one(written: dict[str, Path]) -> None:
    true, moved = labels(written["printed_digits"]), labels(written["moved_digits"])
    assert moved == {name: str((int(label) + 1) % 10) for name, label in true.items()}


def test_relabelled_pictures_are_the_printed_ones(written: dict[str, Path]) -> None:
    def by_name(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.rglob("*.png")}

    assert by_name(written["printed_digits"]) == by_name(written["moved_digits"]) == by_name(written["shuffled_digits"])


def test_fonts_are_text_fonts() -> None:
    stems = {font.stem for font in embedded.text_fonts()}
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= stems
    assert not stems & {"cmsy10", "cmex10", "LastResortHE-Regular", "STIXSizOneSymReg", "DejaVuSansDisplay"}


def test_a_second_write_does_nothing(tmp_path: Path) -> None:
    embedded.write(tmp_path, 1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    embedded.write(tmp_path, 1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_interrupted_write_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.write(tmp_path, 1)
    expected = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _fail_on_the_third_call())
        with pytest.raises(KeyboardInterrupt):
            embedded.write(tmp_path, 2)
    victim = next((tmp_path / "printed_digits" / "3").iterdir())
    victim.write_bytes(b"")
    embedded.write(tmp_path, 1)
    assert contents(tmp_path) == expected
    assert not list(tmp_path.glob(".writing-*"))


def test_another_count_or_version_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = embedded.write(tmp_path, 1)["printed_letters"]
    embedded.write(tmp_path, 2)
    assert len(contents(folder)) == 2 * len(LETTERS)
    next(folder.rglob("*.png")).unlink()
    monkeypatch.setattr(embedded, "VERSION", embedded.VERSION + 1)
    embedded.write(tmp_path, 2)
    assert len(contents(folder)) == 2 * len(LETTERS)


def _fail_on_the_third_call() -> Callable[[Path, Path], None]:
    replace = os.replace
    calls: list[Path] = []

    def failing(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        replace(source, target)

    return failing
