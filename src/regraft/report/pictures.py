"""Examples of the holdout as pictures: what the chosen model gets right and wrong, what transfer fixed and broke."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from regraft.core.errors import UserError
from regraft.data.images import decode, native_size
from regraft.data.members import Member
from regraft.readers._again import member
from regraft.report._load import Folder

SIDE, EACH = 160, 10
"""Pixels of a thumbnail's side; thumbnails in a group."""
_SHEET = 112


@dataclass(frozen=True)
class Example:
    """One example: its file or text, its class, the two answers (``scratch`` empty if unknown), how sure they are."""

    item: str
    true: str
    answer: str
    scratch: str
    sure: float
    thumbnail: Image.Image | None
    sound: str = ""
    """A recording as a data URI."""

    @property
    def uri(self) -> str:
        """The thumbnail as a data URI; empty for what cannot be drawn."""
        if self.thumbnail is None:
            return ""
        kind = "PNG" if self.small else "JPEG"
        buffer = BytesIO()
        self.thumbnail.save(buffer, kind, optimize=True, **({} if self.small else {"quality": 78}))
        return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode('ascii')}"

    @property
    def small(self) -> bool:
        """Enlarged from a tiny picture: few colours in flat squares, which PNG keeps sharp."""
        return self.thumbnail is not None and bool(self.thumbnail.info.get("enlarged"))


@dataclass(frozen=True)
class Group:
    """Examples of one kind out of ``total``; ``missing``: files that could not be read."""

    name: str
    meaning: str
    total: int
    examples: tuple[Example, ...]
    missing: int = 0

    @property
    def drawn(self) -> bool:
        """Whether the examples are shown as pictures."""
        return any(one.thumbnail is not None for one in self.examples)

    @property
    def large(self) -> bool:
        """Whether they need room: photographs, or classes with long names."""
        return any(not one.small or max(len(one.true), len(one.answer)) > 4 for one in self.examples)


def answers(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class (N,) with the highest probability, averaged over seeds, and that probability (N,)."""
    mean = outputs.mean(0)
    return mean.argmax(1), mean.max(1)


def groups(folder: Folder) -> tuple[Group, ...]:
    """The groups that this run can show; none without outputs and paths of the holdout."""
    holdout = folder.holdout
    if holdout is None or folder.chosen is None or len(holdout.items) != len(holdout.targets) or not holdout.targets:
        return ()
    targets = np.asarray(holdout.targets)
    ours, sure = answers(folder.chosen)
    right = ours == targets
    kinds = [("Right", "the surest answer of each class", right, -sure)]
    kinds += [("Wrong", "the surest mistakes first", ~right, -sure)]
    if folder.scratch is not None and folder.scratch.shape == folder.chosen.shape:
        before = answers(folder.scratch)[0] == targets
        rows = np.arange(len(targets))
        change = folder.chosen.mean(0)[rows, targets] - folder.scratch.mean(0)[rows, targets]
        kinds += [("Fixed by transfer", "scratch is wrong, the transfer is right", right & ~before, -change)]
        kinds += [("Broken by transfer", "scratch is right, the transfer is wrong", ~right & before, change)]
    return tuple(_group(folder, kind) for kind in kinds)


def _group(folder: Folder, kind: tuple[str, str, np.ndarray, np.ndarray]) -> Group:
    name, meaning, members, key = kind
    found: list[Example] = []
    missing = 0
    for index in _spread(folder, np.flatnonzero(members), key):
        if len(found) == EACH or missing > 5 * EACH:  # pictures that moved away are not searched for one by one
            break
        example = _example(folder, int(index))
        missing += example is None
        found += [example] if example else []
    return Group(name, meaning, int(members.sum()), tuple(found), missing)


def _spread(folder: Folder, members: np.ndarray, key: np.ndarray) -> Iterator[int]:
    """The members by their key, one of each class before a second of any."""
    assert folder.holdout is not None
    turns: dict[int, int] = {}
    order: list[tuple[int, int, int]] = []
    for index in members[np.argsort(key[members], kind="stable")]:
        target = folder.holdout.targets[index]
        turns[target] = turns.get(target, 0) + 1
        order.append((turns[target], len(order), int(index)))
    return (index for _, _, index in sorted(order))


def _example(folder: Folder, index: int) -> Example | None:
    assert folder.holdout is not None
    assert folder.chosen is not None
    item, classes = folder.holdout.items[index], folder.holdout.classes
    thumbnail, sound = None, ""
    if folder.holdout.kind in ("image", "audio"):
        try:
            show = _picture if folder.holdout.kind == "image" else _recording
            thumbnail, sound = show(_found(folder, item))
        except (UserError, OSError, ValueError):  # it moved away, or was changed
            return None
    mean = folder.chosen.mean(0)[index]
    scratch = "" if folder.scratch is None else classes[int(folder.scratch.mean(0)[index].argmax())]
    best = int(mean.argmax())
    item = Path(item).name if folder.holdout.kind == "vector" else item
    true, answer = classes[folder.holdout.targets[index]], classes[best]
    return Example(item, true, answer, scratch, float(mean[best]), thumbnail, sound)


def _found(folder: Folder, item: str) -> Path | Member:
    """The file, which may have moved together with the target, or the part of one."""
    inside = member(item, folder.holdout.kind) if folder.holdout else None
    return inside or (Path(item) if Path(item).is_file() else Path(folder.result.data.target) / item)


def _picture(file: Path | Member) -> tuple[Image.Image, str]:
    """Square at ``SIDE`` pixels; a tiny one in whole pixels, so that it can be seen what the model saw."""
    side = native_size([file])
    pixels = decode([file], min(side, SIDE))[0]
    if side > SIDE // 2:
        return Image.fromarray(pixels), ""
    tiny = Image.fromarray(pixels).resize((side * (SIDE // side),) * 2, Image.Resampling.NEAREST)
    tiny.info["enlarged"] = True
    return tiny, ""


def _recording(file: Path | Member) -> tuple[Image.Image, str]:
    from regraft.report import _sound  # the library for signals takes half a second to import

    wave, highest = _sound.heard(file)
    return _sound.drawn(wave, highest, SIDE), _sound.uri(wave)


def sheet(group: Group) -> bytes:
    """The group's thumbnails side by side as one PNG; none where nothing can be drawn."""
    drawn = [(one.small, one.thumbnail) for one in group.examples if one.thumbnail is not None]
    if not drawn:
        return b""
    wide = Image.new("RGB", ((_SHEET + 6) * len(drawn) - 6, _SHEET), "#888")
    for place, (small, thumbnail) in enumerate(drawn):
        how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
        wide.paste(thumbnail.resize((_SHEET, _SHEET), how), ((_SHEET + 6) * place, 0))
    buffer = BytesIO()
    wide.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
