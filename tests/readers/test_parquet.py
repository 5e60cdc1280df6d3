"""Parquet files and folders of the library `datasets`, wherever a CSV file works."""

import importlib
import json
import sys
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.images import decode
from regraft.readers._base import read

CLASSES = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}


@pytest.fixture(scope="module")
def arrow() -> Any:
    """The library, with its parts."""
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet is read by pyarrow, which is not installed")
    importlib.import_module("pyarrow.parquet")
    return pyarrow


def table(arrow: Any, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Any:
    made = arrow.table(columns)
    said = json.dumps({"info": {"features": features}})
    return made.replace_schema_metadata({"huggingface": said}) if features else made


def parquet(arrow: Any, path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrow.parquet.write_table(table(arrow, columns, features), path)
    return path


def saved(arrow: Any, folder: Path, *shards: Any) -> Path:
    """A folder as ``save_to_disk`` leaves it: Arrow streams, and a list of them beside files that are none of it."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{len(shards):05}.arrow" for i in range(len(shards))]
    for name, shard in zip([*names, "cache-1f.arrow"], [*shards, shards[0]], strict=True):
        with arrow.OSFile(str(folder / name), "wb") as file, arrow.ipc.new_stream(file, shard.schema) as stream:
            stream.write_table(shard)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def png(shade: int) -> bytes:
    buffer = BytesIO()
    Image.new("L", (8, 8), shade).save(buffer, "PNG")
    return buffer.getvalue()


def inside(*contents: bytes | None) -> list[dict[str, Any] | None]:
    return [{"bytes": content, "path": None} for content in contents]


def test_native_values(arrow: Any, tmp_path: Path) -> None:
    columns = {
        "Age": [63, None, 41, 20],
        "dose": arrow.array([0.5, None, float("nan"), 2.0], arrow.float32()),
        "ill": [True, False, None, True],
        "seen": [date(2024, 5, 1), None, date(2024, 6, 11), date(2024, 7, 2)],
        "at": arrow.array([datetime(2024, 5, 1, 12, 30)] * 4, arrow.timestamp("ns")),
        "town": arrow.array(["Bonn", "Köln", None, "Bonn"]).dictionary_encode(),
        "price": [Decimal("1.50")] * 4,
        "label": [1.0, 0.0, 1.0, 0.0],
    }
    examples = read(parquet(arrow, tmp_path / "t.parquet", columns))
    assert (examples.kind, examples.classes, examples.ids[0]) == ("table", ("0", "1"), "row 1")
    assert [str(row) for row in examples.items[:3]] == [
        "age 63, dose 0.5, ill true, seen 2024-05-01, at 2024-05-01T12:30:00, town Bonn, price 1.50",
        "age (missing), dose (missing), ill false, seen (missing), at 2024-05-01T12:30:00, town Köln, price 1.50",
        "age 41, dose (missing), ill (missing), seen 2024-06-11, at 2024-05-01T12:30:00, town (missing), price 1.50",
    ]


def test_texts_and_files_by_path(arrow: Any, tmp_path: Path) -> None:
    columns = {
        "text": ["a", "b", None, "d", "e"],
        "Kind": ["x", "y", "x", "x", "y"],
        "group": ["g", None, "g", "g", "h"],
    }
    examples = read(parquet(arrow, tmp_path / "t.parquet", columns), label="kind")
    assert (examples.kind, examples.items) == ("text", ("a", "b", "d", "e"))
    assert examples.groups == ("g", "row 2", "g", "h")
    assert [s.reason for s in examples.skipped] == ["row 3 has no text"]
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(png(40 * i))
    listed = parquet(arrow, tmp_path / "p.parquet", {"path": [f"{i}.png" for i in range(4)], "label": [0, 1, 0, 1]})
    assert read(listed).items[3] == tmp_path / "3.png"


def test_a_saved_folder_of_texts(arrow: Any, tmp_path: Path) -> None:
    shards = [table(arrow, {"text": [f"{k}{i}" for i in range(3)], "label": [0, 1, 1]}, CLASSES) for k in "ab"]
    examples = read(saved(arrow, tmp_path / "reviews", *shards))
    assert examples.items == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert examples.classes == ("neg", "pos")
    assert examples.counts() == {"neg": 2, "pos": 4}


def test_pictures_inside(arrow: Any, tmp_path: Path) -> None:
    columns = {"image": inside(png(0), png(90), b"no picture", png(200), png(90)), "label": [0, 1, 0, 0, 1]}
    folder = saved(arrow, tmp_path / "photos", table(arrow, columns, CLASSES))
    hub = parquet(arrow, tmp_path / "hub" / "data" / "train-00000-of-00001.parquet", columns, CLASSES).parents[1]
    for path in (folder, hub, hub / "data" / "train-00000-of-00001.parquet"):
        examples = read(path)
        assert (examples.kind, examples.classes) == ("image", ("neg", "pos"))
        assert examples.ids == ("row 1", "row 2", "row 4", "row 5")
        assert [s.reason for s in examples.skipped] == ["number 3: not a picture"]
        assert examples.digests[1] == examples.digests[3] != examples.digests[0]
        assert decode(examples.items, 8)[:, 0, 0, 0].tolist() == [0, 90, 200, 90]
    assert read(hub, labelled=False).labels is None


def test_recordings_inside(arrow: Any, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="recordings are read by soundfile, which is not installed")
    sounds = []
    for i in range(4):
        buffer = BytesIO()
        soundfile.write(buffer, 0.3 * np.sin(np.arange(2000) * (0.1 + 0.05 * i)), 8000, format="WAV")
        sounds.append(buffer.getvalue())
    columns = {"audio": inside(*sounds, sounds[0][:99]), "label": ["lo", "lo", "hi", "hi", "hi"], "text": ["said"] * 5}
    path = parquet(arrow, tmp_path / "sounds.parquet", columns)
    assert read(path).kind == "text"  # there is a column text, too
    examples = read(path, kind="audio")
    assert (examples.kind, len(examples)) == ("audio", 4)
    assert examples.skipped[0].reason == "number 5: corrupt or truncated recording: 99 of 4044 bytes"
    del columns["text"]
    assert read(parquet(arrow, path, columns)).kind == "audio"


def test_parts_of_a_data_set(arrow: Any, tmp_path: Path) -> None:
    columns = {"text": ["a", "b"] * 2, "label": [0, 1] * 2}
    whole = tmp_path / "whole"
    saved(arrow, whole / "train", table(arrow, columns))
    (whole / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UserError, match="whole holds parts of a data set, 'train', 'test'; give one of those folders"):
        read(whole)
    assert len(read(whole / "train")) == 4
    for part in ("train", "test"):
        parquet(arrow, tmp_path / "hub" / "data" / f"{part}-00000-of-00001.parquet", columns)
    with pytest.raises(
        UserError, match="hub holds parts of a data set, 'test', 'train'; give one of those parts, in a f"
    ):
        read(tmp_path / "hub")


@pytest.mark.parametrize("content", ["text,label\n", "", "half"])
def test_files_that_are_not_what_their_ending_says(arrow: Any, tmp_path: Path, content: str) -> None:
    path = parquet(arrow, tmp_path / "t.parquet", {"text": ["a", "b"] * 9, "label": [0, 1] * 9})
    path.write_bytes(path.read_bytes()[:300] if content == "half" else content.encode())
    with pytest.raises(UserError, match=r"t.parquet is no parquet file, or a damaged one \(.+\); restore it"):
        read(path)
    folder = saved(arrow, tmp_path / "d", table(arrow, {"text": ["a", "b"], "label": [0, 1]}))
    shard = folder / "data-00000-of-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:90] if content == "half" else content.encode())
    with pytest.raises(UserError, match=r"00001.arrow is no arrow file, or a damaged one \(.+\); restore it"):
        read(folder)
    (folder / "state.json").write_text(content)
    with pytest.raises(UserError, match=r"state.json is damaged \(.+\); restore it"):
        read(folder)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a", "b"], "lable": [0, 1]}, r"has no column 'label'; did you mean 'lable'\?"),
        ({"text": ["a", "b"], "label": [0, None]}, "row 2 of .* has no label; fill it in"),
        (
            {"age": [1, 2], "vector": [[1.0], [2.0]], "label": [0, 1]},
            "row 1 of .* has a list, an object or bytes for its v",
        ),
    ],
)
def test_bad_tables(arrow: Any, tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(parquet(arrow, tmp_path / "t.parquet", columns))


def test_without_the_library_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        UserError, match=r"Parquet and Arrow files need the extra 'arrow': pip install 'regraft\[arrow\]'"
    ):
        read(tmp_path / "t.parquet")
