"""Every entry of every catalogue: found by its file, documented, built from plain data and turned back into it."""

import inspect
import math
import subprocess
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from regraft.core import catalog
from regraft.core.config import build, entry, to_plain
from regraft.core.describe import describe
from regraft.core.errors import UserError

ENTRIES = [(kind, name) for kind in catalog.KINDS for name in catalog.files(kind)]
IDS = [f"{kind}/{name}" for kind, name in ENTRIES]
# What an entry that cannot be made from nothing needs.
REQUIRED = {"arch": "resnet18", "path": "somewhere", "size": 32, "tokenizer": "a-name", "term": "supervised"}
# Whose numbers are read from files and measured on data.
FOUND = ("backbones", "preprocessing", "tasks")
CITING = ("methods", "divergences", "scores", "weightings", "alignments")
# Terms that are a task's own loss rather than somebody's idea.
UNCITED = {("terms", "supervised")}


def required(cls: type) -> list[str]:
    return [f.name for f in fields(cls) if not has_default(f)]


def has_default(field: Field) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def made(cls: type) -> object:
    return build(cls, {name: REQUIRED[name] for name in required(cls)})


def test_every_folder_of_entries_is_a_catalogue():
    folders = {p.parent.name for p in catalog.ROOT.glob("*/_base.py")}
    assert folders == set(catalog.KINDS)


def test_files_that_start_with_an_underscore_are_no_entries():
    assert not [name for _, name in ENTRIES if name.startswith("_")]


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_names_are_the_files_stems_and_listing_imports_nothing(kind):
    found = {p.stem for p in (catalog.ROOT / kind).rglob("*.py") if p.name[0] != "_"}
    assert catalog.names(kind) == sorted(found)
    assert found


def test_listing_imports_nothing():
    code = "import sys; from regraft.core import catalog as c; [c.names(k) for k in c.KINDS]; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [m for m in modules if m.startswith("regraft.") and m.split(".")[1] in catalog.KINDS]
    assert "torch" not in modules


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_an_entry_is_found_and_knows_its_name(kind, name):
    cls = catalog.find(kind, name)
    assert catalog.name_of(cls) == name
    assert is_dataclass(cls)
    assert cls.__name__ == "".join(part.capitalize() for part in name.split("_"))
    base = sys.modules[f"regraft.{kind}._base"]
    assert any(c.__module__ == base.__name__ for c in cls.__mro__[1:])


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_an_entry_is_documented_and_so_is_each_option(kind, name):
    cls = catalog.find(kind, name)
    text = inspect.cleandoc(cls.__doc__ or "")
    assert text.split("\n\n")[0].split("\n")[0].strip()
    assert not text.startswith(f"{cls.__name__}(")  # dataclass's own, when nobody wrote one
    assert {o.name for o in describe(catalog.files(kind)[name]).options if o.help} == {f.name for f in fields(cls)}


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_sources_are_cited(kind, name):
    citing = kind in CITING or (kind == "terms" and (kind, name) not in UNCITED)
    if citing:
        text = catalog.find(kind, name).__doc__
        assert "Reference:" in text
        assert any(str(year) in text.split("Reference:")[1] for year in range(1900, 2030))


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_an_entry_is_built_from_nothing_or_says_what_it_needs(kind, name):
    cls = catalog.find(kind, name)
    if not required(cls):
        assert build(cls, {}) == cls()
        return
    with pytest.raises(UserError, match=f"option '{required(cls)[0]}' of {kind}/{name}"):
        entry(kind, name)


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_an_entry_survives_plain_data_and_yaml(kind, name):
    cls = catalog.find(kind, name)
    one = made(cls)
    plain = to_plain(one)
    assert plain["name"] == name
    again = entry(kind, yaml.safe_load(yaml.safe_dump(plain)))
    assert type(again) is cls
    assert again == one
    assert to_plain(again) == plain


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_an_unknown_option_is_an_error_with_the_nearest_name(kind, name):
    cls = catalog.find(kind, name)
    known = [f.name for f in fields(cls)]
    if not known:
        with pytest.raises(UserError, match="no option of"):
            entry(kind, {"name": name, "anything": 1})
        return
    with pytest.raises(UserError, match=f"did you mean '{known[0]}'"):
        entry(kind, {"name": name, f"{known[0]}x": 1})
    with pytest.raises(UserError, match=f"did you mean '{known[0]}'"):
        cls(**{f"{known[0]}x": 1})


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=IDS)
def test_options_cannot_be_changed(kind, name):
    one = made(catalog.find(kind, name))
    for field in fields(one):
        with pytest.raises(AttributeError):
            setattr(one, field.name, None)


def test_an_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'fine_tune'"):
        catalog.find("methods", "finetune")
    with pytest.raises(UserError, match="did you mean 'methods'"):
        catalog.names("method")


def test_a_wrong_type_is_an_error_that_names_option_and_value():
    with pytest.raises(UserError, match=r"option 'rank' of edits/lora: .*got 'many'"):
        entry("edits", {"name": "lora", "rank": "many"})
    with pytest.raises(UserError, match=r"option 'descent.steps' of methods/fine_tune: .*got 'few'"):
        entry("methods", {"name": "fine_tune", "descent": {"steps": "few"}})
    with pytest.raises(UserError, match="no divergence named 'corall'"):
        entry("terms", {"name": "align", "divergence": "corall"})


def test_paths_become_text_and_paths_again():
    backbone = entry("backbones", {"name": "timm", "arch": "resnet18", "weights": "folder/w.pth"})
    assert backbone.weights == Path("folder/w.pth")
    assert to_plain(backbone)["weights"] == "folder/w.pth"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("l2_sp", {}),
        ("l2_sp?weight=0.5", {"weight": 0.5}),
        ("l2_sp?weight=0.5&descent.rate=0.01", {"weight": 0.5, "descent": {"rate": 0.01}}),
        ("label_propagation?graph.alpha=none&graph.neighbours=3", {"graph": {"alpha": None, "neighbours": 3}}),
    ],
)
def test_a_name_may_have_options(text, options):
    """Those of an option are laid over what that is by default."""
    found, plain = entry("methods", text), entry("methods", text.partition("?")[0])
    for name, value in options.items():
        before = getattr(plain, name)
        expected = build(type(before), {**to_plain_options(before), **value}) if isinstance(value, dict) else value
        assert getattr(found, name) == expected
    assert catalog.find("methods", text) is type(plain)


def to_plain_options(value: object) -> dict[str, object]:
    return {name: item for name, item in to_plain(value).items() if name != "name"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("l2_spp?weight=0.5", "did you mean 'l2_sp'?"),
        ("l2_sp?weigth=0.5", "did you mean 'weight'?"),
        ("l2_sp?weight=much", "'weight' of methods/l2_sp: must be a number, got 'much'"),
        ("distillation?term.temprature=2", "did you mean 'temperature'?"),
        ("hierarchy?parents=nowhere.csv", "'parents' of methods/hierarchy: .* file, got 'nowhere.csv'"),
    ],
)
def test_a_wrong_option_of_a_name_is_an_error(text, said):
    with pytest.raises(UserError, match=said):
        entry("methods", text)


def test_names_with_options_make_different_names_of_files():
    names = [catalog.filed(text) for text in ("l2_sp", "l2_sp?weight=1", "l2_sp?weight=2", "hierarchy?parents=a/b.csv")]
    assert names[0] == "l2_sp"
    assert len(set(names)) == 4
    assert not any(set("?/=&") & set(name) for name in names)


def leaves(hint: object) -> set[object]:
    """What a type is made of: ``tuple[float, ...] | None`` of float and None."""
    parts = [part for part in get_args(hint) if part is not ...]
    return set().union(*map(leaves, parts)) if parts else {hint}


def records(cls: type) -> set[type]:
    """``cls`` and the records of options in it that are in no catalogue."""
    inside = set().union(*(leaves(hint) for hint in get_type_hints(cls).values()))
    return {cls}.union(*(records(c) for c in inside if is_dataclass(c) and not catalog.name_of(c)))


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n in ENTRIES if k not in FOUND])
def test_numbers_that_mean_nothing_are_refused_where_they_are_given(kind, name):
    """Not in the middle of a run, by the first thing that breaks."""
    for cls in records(catalog.find(kind, name)):
        hints, needed = get_type_hints(cls), {n: REQUIRED[n] for n in required(cls) if n in REQUIRED}
        for option in (f.name for f in fields(cls) if leaves(hints[f.name]) & {int, float}):
            for value in (-1_000_000_000, math.nan):
                given = [value] if "tuple" in str(hints[option]) else value
                with pytest.raises(UserError, match=f"option '{option}"):
                    build(cls, {**needed, option: given})


def test_an_option_of_a_part_is_named_with_it():
    with pytest.raises(UserError, match=r"no option of methods/jda named 'components'; write alignment\.components"):
        entry("methods", "jda?components=20")
    with pytest.raises(UserError, match=r"named 'componets'; did you mean 'alignment\.components'\?"):
        entry("methods", "jda?componets=20")
