"""What a source is, as it was understood without a run."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from regraft import artifacts, runs
from regraft.backbones._base import Backbone, Network
from regraft.backbones._carried import Carried
from regraft.backbones._facts import facts, large
from regraft.bench import Bench, bounded
from regraft.core.config import entry, to_plain
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data.examples import Examples
from regraft.opening import Opening, backbone_for, of_each, options_of
from regraft.readers._base import read
from regraft.readers._domains import labelled_data, members_of
from regraft.runtime import Runtime, detect, measure
from regraft.sources import Source, check, open_source

_TIMED = 4
"""Examples of a forward pass whose time is measured."""
_CLASSES = 5
"""Names of classes that are shown in the terminal."""


def explained(uri: str, target: Path | None, label: str, reporter: Reporter) -> dict[str, Any]:
    """The facts of the source ``uri``, understood for the labelled examples ``target`` if there are any.

    Nothing is trained, and nothing is left behind. Without a target, inputs are what the network was made for.

    Raises:
        UserError: it is no source, cannot be opened, or knows another kind of example.
    """
    check(uri)
    if members := members_of(uri):
        return _mean(uri, {m: explained(m, target, label, reporter) for m in members})
    if uri.startswith("data:") and not Path(uri).is_dir():
        return _labelled(uri)
    if target is None:
        return _by_itself(uri)
    train = read(target, label=label)
    with TemporaryDirectory() as folder:
        journal = runs.Journal(Path(folder))
        bench = Bench(
            journal, runs.Clock(journal, None), reporter, detect("auto", "auto"), True, 0, bounded(runs.cache_folder())
        )
        return _for_target(open_source(uri, train, Opening(), bench), train)


def _mean(uri: str, each: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the mean of several sources is, by what they are."""
    (name, first), *others = each.items()
    for other, found in others:
        if any(found[of] != first[of] for of in ("blocks", "preprocess", "features")):
            raise UserError(f"the model in {other} is another network than that in {name}: they have no mean")
    classes = first["classes"] if all(found["classes"] == first["classes"] for found in each.values()) else []
    origins = of_each(list(each), [found["origin"] for found in each.values()])
    weights = {"sentence": f"the mean of those of {' and '.join(each)} ({artifacts.MEANS})"}
    return {**first, "uri": uri, "kind": "average", "weights": weights, "classes": classes, "origin": origins}


def _labelled(uri: str) -> dict[str, Any]:
    """What a data source is: a run trains a network on it."""
    examples = labelled_data(uri)
    backbone = backbone_for("small", examples)
    found = _described(uri, backbone, backbone.build(pretrained=False), examples.classes)
    note = "none yet: a run trains this network on the examples"
    return {**found, "examples": len(examples), "weights": {"sentence": note}}


def _by_itself(uri: str) -> dict[str, Any]:
    if Path(uri).is_dir():
        model, backbone = artifacts.load(Path(uri))
        network, classes = model.backbone, model.classes
        network.carried = Carried.whole({name: t.numel() for name, t in network.state_dict().items()})
    else:
        given: Backbone = entry("backbones", options_of(uri))
        backbone = given.alone().conventions()[0]
        network = backbone.build()
        classes = backbone.categories if network.carried is None or network.carried.recognises else ()
    runtime, seconds = measure(network, backbone.preprocess.sample(_TIMED), False, detect("auto", "auto"))
    found = _described(uri, backbone, network, classes)
    local = len(backbone.conventions()) > 1
    how = f"stated by {_origin(uri, backbone)}" + (", and after its name" if "?" in uri else "")
    open_ = "not known from the file: the usual one; --target DIR measures it" if local else how
    return {**found, "found_by": open_, **_cost(runtime, seconds)}


def _origin(uri: str, backbone: Backbone) -> str:
    """Where its weights come from, in words: a file or folder, or the library."""
    files = [getattr(backbone, name, None) or "" for name in ("weights", "arch")]
    named = [str(file) for file in files if file and Path(file).exists()]
    return uri if Path(uri).is_dir() else named[0] if named else "its library"


def _for_target(source: Source, train: Examples) -> dict[str, Any]:
    carried = source.model.backbone.carried
    classes = source.model.classes or (source.backbone.categories if carried is None or carried.recognises else ())
    found = _described(source.uri, source.backbone, source.model.backbone, classes)
    shared = [name for name in train.classes if name in classes]
    how = f"stated by {_origin(source.uri, source.backbone)}, suited to the target"
    how = source.understood.get("input chosen by", how)
    found |= {"found_by": how, "shared": shared, "understood": dict(source.understood)}
    return {**found, **_cost(source.inference, source.cost[1])}


def _described(uri: str, backbone: Backbone, network: Network, classes: tuple[str, ...]) -> dict[str, Any]:
    known, carried = facts(backbone, network), network.carried
    kind = "runs" if Path(uri).is_dir() else uri.partition(":")[0]
    whole = {"sentence": f"all of them, from {_origin(uri, backbone)}"}
    return {
        "uri": uri, "kind": kind, "takes": backbone.preprocess.kind, "architecture": backbone.arch,
        "input": backbone.described, "preprocess": to_plain(backbone.preprocess), **to_plain(known),
        "weights": {"sentence": carried.sentence, **carried.plain} if carried else whole, "classes": list(classes),
    }  # fmt: skip


def _cost(runtime: Runtime, seconds: float) -> dict[str, Any]:
    return {"precision": runtime.precision, "device": runtime.device, "milliseconds": round(1000 * seconds, 3)}


def shown(found: dict[str, Any]) -> str:
    """The facts for a reader at a terminal."""
    flops = f"{large(found['flops'])}FLOPs an example" if found["flops"] else "operations not counted"
    time = f"; {found['milliseconds']:.3g} ms an example, measured here" if "milliseconds" in found else ""
    names = ", ".join(found["classes"][:_CLASSES]) + (", ..." if len(found["classes"]) > _CLASSES else "")
    lines = {
        "kind": f"{found['kind']}, takes {found['takes']}", "architecture": found["architecture"],
        "input": found["input"], "found by": found.get("found_by", ""), "weights": found["weights"]["sentence"],
        "parameters": f"{found['parameters']:,}", "features": str(found["features"]), "cost": flops + time,
        "precision": f"{found['precision']} on {found['device']}" if "precision" in found else "",
        "examples": str(found.get("examples", "")),
        "classes": f"{len(found['classes'])}: {names}" if names else "not known by name",
        "shared": ", ".join(found["shared"]) or "no class of the target" if "shared" in found else "",
        **found["origin"], **_more(found),
    }  # fmt: skip
    text = [
        found["uri"],
        "",
        *(f"  {name:<20} {said}" for name, said in lines.items() if said),
        "",
        "  blocks, stem first: parameters, shape of the output, layers",
    ]
    for place, block in enumerate(found["blocks"], 1):
        shape = " x ".join(map(str, block["shape"])) if block["shape"] else "?"
        text.append(f"  {place:>4}  {block['parameters']:>12,}  {shape:<18} {block['name']}")
    return "\n".join(text)


def _more(found: dict[str, Any]) -> dict[str, str]:
    """What else a target told."""
    return {k: v for k, v in found.get("understood", {}).items() if k not in ("input", "input chosen by", "weights")}
