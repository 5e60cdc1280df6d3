"""The sides of `peers.py` in closed form, of Regraft, skada, adapt and POT, and the drawn data."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from alignments import Pair, prepared
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity

from regraft.core import catalog
from regraft.core.config import entry
from regraft.weightings._base import tempered
from regraft.weightings._kernels import candidates, typical
from regraft.weightings._least_squares import _PENALTIES

CLASSES, TELLING, APART, ANGLE, GROWN, MOVED = 10, 24, 0.8, 0.5, (0.5, 2), 0.3
KEPT = 0.8
"""Of the examples of a file, those in one draw."""
Answer = Callable[[], np.ndarray]
"""What a side does after its clock has stopped: the classes (M,) of the target."""
Side = Callable[[], Answer]
Contest = dict[str, Side]
"""A side for ``ours`` and for libraries, those that are installed."""


def drawn(rows: int, width: int, seed: int) -> Pair:
    """Ten classes, told by the widest features; the target is turned, scaled unequally and moved.

    Learning on the source gets three quarters of it: chosen so, and nothing else was.
    """
    rng, world = np.random.default_rng(seed), np.random.default_rng(1)
    centres, scale = world.normal(size=(CLASSES, width)), np.geomspace(2, 0.1, width)
    centres[:, TELLING:] = 0
    turn = np.eye(width)
    for i in range(0, width - 1, 2):
        c, s = np.cos(ANGLE), np.sin(ANGLE)
        turn[i : i + 2, i : i + 2] = [[c, s], [-s, c]]
    grown, moved = world.uniform(*GROWN, width), MOVED * world.normal(size=width) * scale
    y, truth = rng.integers(CLASSES, size=(2, rows // 2))
    noise = rng.normal(size=(2, rows // 2, width))
    x, z = ((APART * centres[of] + by) * scale for of, by in zip((y, truth), noise, strict=True))
    return Pair("drawn", x, y, (z @ turn) * grown + moved, truth)


def part(pair: Pair, seed: int) -> Pair:
    """`KEPT` of the examples of each domain, other ones for each seed."""
    rng = np.random.default_rng(seed)
    ours, theirs = (rng.permutation(len(of))[: int(KEPT * len(of))] for of in (pair.labels, pair.truth))
    return Pair(pair.name, pair.source[ours], pair.labels[ours], pair.target[theirs], pair.truth[theirs])


def lengths(pair: Pair) -> Pair:
    """The pair with rows of length one."""
    x, z = (prepared(of, "length") for of in (pair.source, pair.target))
    return Pair(pair.name, x, pair.labels, z, pair.truth)


flattening = 0.0
"""The least effective size of weights, of all sides, as a share of the examples."""


def answer(pair: Pair, x: np.ndarray, z: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Classes of the target by the one classifier behind all closed forms."""
    mean, scale = x.mean(0), max(float(np.sqrt(x.var(0).mean())), 1e-12)  # one number: rare pixels would blow up
    if weights is not None:  # of mean one: smaller weights are a larger penalty, and so another classifier
        weights = np.maximum(np.ravel(weights), 0.0)
        weights = tempered(weights * (len(weights) / weights.sum()), flattening or 1 / len(weights))
    model = LogisticRegression(max_iter=300).fit((x - mean) / scale, pair.labels, weights)
    return np.asarray(model.predict((z - mean) / scale))


def nothing(pair: Pair) -> Answer:
    return partial(answer, pair, pair.source, pair.target)


def aligned(pair: Pair, options: Any) -> Answer:
    found = options.fit(pair.source, pair.labels, pair.target)
    return partial(answer, pair, found.source(pair.source), found.target(pair.target))


def weighted(pair: Pair, options: Any) -> Answer:
    return partial(answer, pair, pair.source, pair.target, options(pair.source, pair.target))


def skada(pair: Pair, kind: Any, **options: Any) -> Answer:
    """Of skada: labels of the target are masked as -1; it gives back examples, or examples and weights."""
    both, count = np.concatenate([pair.source, pair.target]), len(pair.source)
    labels, domain = np.concatenate([pair.labels, -np.ones_like(pair.truth)]), np.ones(len(both), int)
    domain[count:] = -2
    found = kind(**options).fit_transform(both, labels, sample_domain=domain)
    if isinstance(found, tuple):
        return partial(answer, pair, pair.source, pair.target, found[1]["sample_weight"][:count])
    return partial(answer, pair, found[:count], found[count:])


def adapt(pair: Pair, kind: Any, **options: Any) -> Answer:
    model = kind(Xt=pair.target, verbose=0, random_state=0, **options)
    if hasattr(model, "fit_weights"):
        weights = model.fit_weights(pair.source, pair.target)
        return partial(answer, pair, pair.source, pair.target, np.asarray(weights))
    source = model.fit_transform(pair.source, pair.target)
    return partial(answer, pair, source, model.transform(pair.target, domain="tgt"))


def pot(pair: Pair, kind: Any, **options: Any) -> Answer:
    found = kind(**options).fit(Xs=pair.source, ys=pair.labels, Xt=pair.target)
    return partial(answer, pair, found.transform(Xs=pair.source), pair.target)


WAYS = {
    "skada": ("skada", skada),
    "adapt": ("adapt.feature_based", adapt),
    "weights": ("adapt.instance_based", adapt),
    "POT": ("ot.da", pot),
}


def closed(pair: Pair) -> dict[str, Contest]:
    """The contests of alignments and weightings."""
    x, z = pair.source, pair.target
    gamma, gammas, penalties = typical(x, z), candidates(None, x, z), list(_PENALTIES)
    level = 1e-3 * float(x.var(0).mean() + z.var(0).mean()) / 2
    twenty, thirty = {"n_components": 20}, {"n_components": 30}
    smooth, few = {"reg_e": 0.05, "norm": "median"}, {"max_centers": 100}
    plan = {"name": "optimal_transport", "plan": "entropic"}
    found: dict[str, tuple[Any, dict[str, tuple[str, dict[str, Any]]]]] = {
        "coral": ("coral", {"adapt": ("CORAL", {"lambda_": 1.0})}),
        "coral, Ledoit-Wolf": ({"name": "coral", "shrinkage": None}, {"skada": ("CORALAdapter", {"reg": "auto"})}),
        "subspace": ("subspace", {"skada": ("SubspaceAlignmentAdapter", twenty), "adapt": ("SA", twenty)}),
        "linear_monge": (
            "linear_monge",
            {"skada": ("LinearOTMappingAdapter", {"reg": level}), "POT": ("LinearTransport", {"reg": level})},
        ),
        "optimal_transport, plain": (
            {**plan, "plan": "plain"},
            {"skada": ("OTMappingAdapter", {"norm": "median"}), "POT": ("EMDTransport", {"norm": "median"})},
        ),
        "optimal_transport, entropic": (
            plan,
            {"skada": ("EntropicOTMappingAdapter", smooth), "POT": ("SinkhornTransport", smooth)},
        ),
        "optimal_transport, classes": (
            {**plan, "plan": "classes"},
            {
                # It has no norm for its costs: both strengths are scaled by their median instead.
                "skada": ("ClassRegularizerOTMappingAdapter", {"reg_e": 0.05 / gamma, "reg_cl": 1 / gamma}),
                "POT": ("SinkhornLpl1Transport", {**smooth, "reg_cl": 1.0}),
            },
        ),
        "kmm": ("kmm", {"skada": ("KMMReweightAdapter", {"gamma": gamma}), "weights": ("KMM", {"gamma": gamma})}),
        "kliep": (
            "kliep",
            {
                "skada": ("KLIEPReweightAdapter", {"gamma": gammas, "random_state": 0}),
                "weights": ("KLIEP", {"gamma": gammas, **few}),
            },
        ),
        "ulsif": ("ulsif", {"weights": ("ULSIF", {"gamma": gammas, "lambdas": penalties, **few})}),
        "rulsif": ("rulsif", {"weights": ("RULSIF", {"gamma": gammas, "lambdas": penalties, "alpha": 0.1, **few})}),
        "domain_classifier": (
            {"name": "domain_classifier", "strength": 1.0},
            {"skada": ("DiscriminatorReweightAdapter", {}), "weights": ("IWC", {})},
        ),
        "kernel_density": (
            "kernel_density",
            {"skada": ("DensityReweightAdapter", {"weight_estimator": KernelDensity(bandwidth="scott")})},
        ),
        "nearest_neighbour": (
            "nearest_neighbour",
            {"skada": ("NearestNeighborReweightAdapter", {"laplace_smoothing": True})},
        ),
        "nearest_neighbour, no smoothing": (
            {"name": "nearest_neighbour", "smoothing": 0.0},
            {"weights": ("NearestNeighborsWeighting", {"n_neighbors": 1})},
        ),
    }
    for ours, theirs in (("linear", "linear"), ("gaussian", "rbf")):
        found[f"tca, {ours}"] = (
            {"name": "tca", "kernel": ours},
            {
                "skada": ("TransferComponentAnalysisAdapter", {**thirty, "kernel": theirs}),
                "adapt": ("TCA", {**thirty, "kernel": theirs} | ({"gamma": gamma} if theirs == "rbf" else {})),
            },
        )
        found[f"tjm, {ours}"] = (
            {"name": "tjm", "kernel": ours},
            {"skada": ("TransferJointMatchingAdapter", {**thirty, "kernel": theirs, "max_iter": 10})},
        )
    return {"nothing": {"ours": partial(nothing, pair)}} | {
        name: {
            "ours": _ours(pair, mine),
            **dict(_installed(pair, theirs)),
        }
        for name, (mine, theirs) in found.items()
    }


def _ours(pair: Pair, options: Any) -> Side:
    """Loaded here, as the other libraries are, so that no clock runs while it is."""
    name = options if isinstance(options, str) else options["name"]
    weighs = name in catalog.names("weightings")
    return partial(weighted if weighs else aligned, pair, entry("weightings" if weighs else "alignments", options))


def _installed(pair: Pair, theirs: dict[str, tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Side]]:
    for library, (kind, options) in theirs.items():
        module, way = WAYS[library]
        try:
            found = import_module(module)
            yes = getattr(found, kind, None) or getattr(import_module(f"{module}._reweight"), kind)
        except (ImportError, AttributeError):
            continue
        yield "adapt" if library == "weights" else library, partial(way, pair, yes, **options)
