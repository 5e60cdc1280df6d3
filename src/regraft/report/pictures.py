"""Examples of the holdout as pictures: what the chosen model gets right and wrong, what transfer fixed and broke."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from regraft.core.errors import UserError
from regraft.core.labels import said
from regraft.data.channels import channels_of
from regraft.data.images import decode, native_size
from regraft.data.members import Member
from regraft.readers._again import member
from regraft.report import _sound
from regraft.report._beside import Holdout
from regraft.report._load import Folder

SIDE, EACH = 160, 10
"""Pixels of a thumbnail's side; thumbnails in a group."""
_SHEET = 112


@dataclass(frozen=True)
class Example:
    """One example: its file or text, its class or labels, and both answers (``scratch`` is empty if unknown).

    ``sure``: how sure the chosen model is; of several labels: of the one that it is least sure of.
    """

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


@dataclass(frozen=True)
class _Answers:
    """What a model says of each example, (N,) each: in words, how sure it is, and the probability of the truth."""

    said: np.ndarray
    sure: np.ndarray
    true: np.ndarray


@dataclass(frozen=True)
class _Told:
    """A run's holdout: what is true (N,), and what the chosen model and scratch say."""

    folder: Folder
    truth: np.ndarray
    ours: _Answers
    theirs: _Answers | None


def _answers(holdout: Holdout, outputs: np.ndarray) -> _Answers:
    """Of probabilities (seeds, N, K), averaged over seeds."""
    mean = outputs.mean(0)
    if not holdout.sets:
        names, rows = np.array(holdout.classes), np.arange(len(mean))
        return _Answers(names[mean.argmax(1)], mean.max(1), mean[rows, holdout.targets])
    right = np.where(holdout.indicators == 1, mean, 1 - mean)
    words = np.array([said(holdout.classes, row > 0.5) for row in mean])
    return _Answers(words, np.maximum(mean, 1 - mean).min(1), right.mean(1))


def _truth(holdout: Holdout) -> np.ndarray:
    """What each example is, (N,), in words."""
    if holdout.sets:
        return np.array([said(holdout.classes, row) for row in holdout.indicators])
    return np.array(holdout.classes)[holdout.targets]


def groups(folder: Folder) -> tuple[Group, ...]:
    """The groups that this run can show; none without outputs and paths of the holdout, or of numbers."""
    holdout = folder.holdout
    if holdout is None or folder.chosen is None or len(holdout.items) != holdout.count or not holdout.count:
        return ()
    if holdout.numbers:
        return ()
    truth, ours = _truth(holdout), _answers(holdout, folder.chosen)
    right, theirs = ours.said == truth, None
    each = "label set" if holdout.sets else "class"
    kinds = [("Right", f"the surest answer of each {each}", right, -ours.sure)]
    kinds += [("Wrong", "the surest mistakes first", ~right, -ours.sure)]
    if folder.scratch is not None and folder.scratch.shape == folder.chosen.shape:
        theirs = _answers(holdout, folder.scratch)
        before, change = theirs.said == truth, ours.true - theirs.true
        rival = folder.result.rival.name
        kinds += [("Fixed by transfer", f"{rival} is wrong, the transfer is right", right & ~before, -change)]
        kinds += [("Broken by transfer", f"{rival} is right, the transfer is wrong", ~right & before, change)]
    told = _Told(folder, truth, ours, theirs)
    return tuple(_group(told, kind) for kind in kinds)


def _group(told: _Told, kind: tuple[str, str, np.ndarray, np.ndarray]) -> Group:
    name, meaning, members, key = kind
    found: list[Example] = []
    missing = 0
    for index in _spread(told.truth, np.flatnonzero(members), key):
        if len(found) == EACH or missing > 5 * EACH:  # pictures that moved away are not searched for one by one
            break
        example = _example(told, int(index))
        missing += example is None
        found += [example] if example else []
    return Group(name, meaning, int(members.sum()), tuple(found), missing)


def _spread(truth: np.ndarray, members: np.ndarray, key: np.ndarray) -> Iterator[int]:
    """The members by their key, one of each truth before a second of any."""
    turns: dict[str, int] = {}
    order: list[tuple[int, int, int]] = []
    for index in members[np.argsort(key[members], kind="stable")]:
        target = str(truth[index])
        turns[target] = turns.get(target, 0) + 1
        order.append((turns[target], len(order), int(index)))
    return (index for _, _, index in sorted(order))


def _example(told: _Told, index: int) -> Example | None:
    assert told.folder.holdout is not None
    kind, item = told.folder.holdout.kind, told.folder.holdout.items[index]
    try:
        thumbnail, sound = seen(kind, item, Path(told.folder.result.data.target))
    except (UserError, OSError, ValueError):  # it moved away, or was changed
        return None
    scratch = "" if told.theirs is None else str(told.theirs.said[index])
    item, ours = Path(item).name if kind == "vector" else item, told.ours
    true, answer, sure = str(told.truth[index]), str(ours.said[index]), float(ours.sure[index])
    return Example(item, true, answer, scratch, sure, thumbnail, sound)


def seen(kind: str, item: str, root: Path) -> tuple[Image.Image | None, str]:
    """A thumbnail of an example of ``kind``, None if it cannot be drawn, and a recording as a data URI, or nothing.

    ``item``: as `Examples` has it, in words; a file may have moved together with the folder ``root`` that it was in.

    Raises:
        UserError, OSError, ValueError: it is no longer there, or was changed.
    """
    if kind not in ("image", "audio"):
        return None, ""
    found = member(item, kind) or (Path(item) if Path(item).is_file() else root / item)
    return (_picture if kind == "image" else _recording)(found)


def _picture(item: Path | Member) -> tuple[Image.Image, str]:
    """Square at ``SIDE`` pixels; a tiny one in whole pixels, so that it can be seen what the model saw."""
    side = native_size([item])
    pixels = decode([item], min(side, SIDE), channels_of([item]))[0][..., :3]  # what is for the eye, or as if
    if side > SIDE // 2:
        return Image.fromarray(pixels), ""
    tiny = Image.fromarray(pixels).resize((side * (SIDE // side),) * 2, Image.Resampling.NEAREST)
    tiny.info["enlarged"] = True
    return tiny, ""


def _recording(item: Path | Member) -> tuple[Image.Image, str]:
    wave, highest = _sound.heard(item)
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
