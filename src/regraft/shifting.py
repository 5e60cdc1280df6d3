"""How far two domains lie apart, in what, and whether that could be chance."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2_contingency

from regraft import guard
from regraft.core import catalog
from regraft.core.arrays import matrix
from regraft.core.errors import UserError
from regraft.core.labels import Labels, labels_of
from regraft.core.seeding import derive
from regraft.data.names import shared
from regraft.data.splits import folds
from regraft.divergences._classifier import left_out
from regraft.heads._layers import through
from regraft.permutation import LEVEL, adjusted, compared, detectable, divisions

COMPONENTS = 64
"""Principal components of both domains together that distances are taken in, at most."""
_FEW = 5
"""Examples of a class that each domain needs for their distance to be measured."""


@dataclass(frozen=True)
class Sample:
    """Features (N, D) of a domain; ``labels`` (N,) or (N, Z) and ``classes`` as in `Examples`, ``groups`` (N,)."""

    features: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None

    @property
    def named(self) -> np.ndarray | None:
        """The labels where they are classes, else None."""
        return self.labels if labels_of(self.labels) is Labels.CLASSES else None


def shift(a: Sample, b: Sample, seed: int = 0) -> dict[str, Any]:
    """What tells domain ``a`` from domain ``b``.

    Distances are taken in the leading principal components of both together, in units of their root mean square
    distance from the common mean. P-values are of permutations: how many random divisions of all examples (whole
    groups, where there are any) lie at least as far apart. They are adjusted together (Holm).

    Returns:
        ``examples`` of each; ``components``, ``explained``; ``divergences``, each with ``value``, ``p``, ``adjusted``
        and ``chance`` (the value that 95 of 100 divisions stay below); ``detectable``: see `permutation.detectable`;
        ``classes``, ``labels`` and ``conditional``, empty where labels do not tell; ``scores`` (N) and (M): how surely
        an example is of its domain, 1 at the mean of those and -1 at that of the others; ``map`` (N + M, 2);
        ``found``: whether any divergence counts; ``differs``: see there; ``sentence``.

    Raises:
        UserError: features are not finite matrices of one width, or a domain has fewer than two examples.
    """
    rows, explained = _principal(matrix(a.features, "features of the first"), matrix(b.features, "of the second"))
    n = len(a.features)
    if min(n, len(rows) - n) < 2:
        raise UserError("a domain needs at least two examples to be compared")
    divided = list(divisions((n, len(rows) - n), (a.groups, b.groups), derive(seed, "shift")))
    tests = adjusted([compared(name, rows, n, divided) for name in catalog.names("divergences")])
    first, second = left_out(torch.from_numpy(rows[:n]), torch.from_numpy(rows[n:]))
    found: dict[str, Any] = {
        "examples": [n, len(rows) - n],
        "components": rows.shape[1],
        "explained": explained,
        "divergences": tests,
        "detectable": detectable(rows, n, (a.groups, b.groups), derive(seed, "power")),
        "classes": _by_class(a, b, rows, derive(seed, "classes")),
        "labels": _label_shares(a, b, rows, derive(seed, "answers")),
        "conditional": _transfer(a, b, rows, derive(seed, "folds")),
        "scores": [first.numpy().round(4).tolist(), (-second).numpy().round(4).tolist()],
        "map": rows[:, :2].round(4).tolist() if rows.shape[1] > 1 else [[value, 0.0] for value in rows[:, 0].tolist()],
        "found": any(row["adjusted"] < LEVEL for row in tests),
    }
    return found | {"differs": differs(found), "sentence": sentence(found)}


def differs(found: dict[str, Any]) -> bool:
    """Whether anything of what `shift` measured differs: the features, those of a class, shares, or what they mean."""
    classes = any(row["adjusted"] < LEVEL for row in found["classes"])
    shares = bool(found["labels"]) and found["labels"]["p"] < LEVEL
    return bool(found["found"] or classes or shares or _loses(found))


def _loses(found: dict[str, Any]) -> bool:
    return bool(found["conditional"]) and found["conditional"]["gain"]["low"] > 0


def sentence(found: dict[str, Any]) -> str:
    """What was found and what it means for transfer, in plain words; ``found``: see `shift`."""
    labels, of, classes = found["labels"], found["conditional"], found["classes"]
    said, shares = [_apart(found)], bool(labels) and labels["p"] < LEVEL
    if shares:
        so = (
            "If only the shares of the classes moved, they did"
            if labels["estimated"]
            else "The shares of classes differ"
        )
        said.append(f"{so}: weigh the source's examples by them (rlls).")
    count = sum(row["adjusted"] < LEVEL for row in classes)
    if count:
        said.append(f"Of {len(classes)} classes, {count} look different.")
    elif classes and found["found"]:
        so = ", so the features moved with the shares" if shares else ""
        said.append(f"No class by itself surely looks different{so}.")
    if of and max(of["foreign"], of["own"]) <= of["majority"]:
        said.append(
            "Neither a classifier of the first nor one of its own tells the second's classes in these features."
        )
    elif _loses(found):
        worse = f"{100 * of['gain']['mean']:.0f} points worse on the second than one of its own"
        said.append(f"A classifier of the first is {worse}: adapt it, or learn from labels of the second.")
    elif of:
        ends = " to ".join(f"{100 * of['gain'][end]:.0f}" for end in ("low", "high"))
        said.append(
            f"A classifier of the first loses {ends} points on the second against one of its own: no loss is sure."
        )
    elif found["found"]:
        said.append("Whether what is learned on the first holds on the second, only labels of both can tell.")
    return " ".join(said)


def _apart(found: dict[str, Any]) -> str:
    least = found["detectable"]
    if found["found"]:
        line = next(row for row in found["divergences"] if row["name"] == "proxy_a")
        if line["adjusted"] < LEVEL:
            return f"The domains differ: a line tells them apart with an error of {50 - 25 * line['value']:.0f}%."
        best = min(found["divergences"], key=lambda row: (row["p"], -row["value"] / max(row["chance"], 1e-300)))
        name, value = (
            best["name"].replace("_", " "),
            f"{best['value']:.3g} where chance stays below {best['chance']:.3g}",
        )
        return f"The domains differ: {name} is {value}."
    what = "No shift of the features as a whole was found" if differs(found) else "No shift was found"
    if least is None:
        return f"{what}, but there are too few examples to see one: even the largest that was tried was missed."
    return f"{what}; a move of the mean by {least:.2g} of the spread would have been, 4 times of 5."


def _principal(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows (N + M, P) of leading components, of root mean square length one; and their share of the variance."""
    if a.shape[1] != b.shape[1]:
        raise UserError(f"the domains have features of different widths, {a.shape[1]} and {b.shape[1]}")
    rows = np.concatenate([a, b])
    left, singular, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    kept = singular[:COMPONENTS] > singular[0] * 1e-9
    if not kept.any():
        raise UserError("all examples of both domains have the same features, so there is nothing to compare")
    main = (left[:, :COMPONENTS] * singular[:COMPONENTS])[:, kept]
    share = float((main**2).sum() / (singular**2).sum())
    return main / np.sqrt((main**2).sum(1).mean()), share


def _by_class(a: Sample, b: Sample, rows: np.ndarray, seed: int) -> list[dict[str, Any]]:
    """Energy distances of the classes that both domains name, each by itself."""
    if a.named is None or b.named is None:
        return []
    found, both = [], shared(a.classes, b.classes)
    for ours, theirs in both.items():
        x, y = rows[: len(a.features)][a.named == ours], rows[len(a.features) :][b.named == theirs]
        if min(len(x), len(y)) < _FEW:
            continue
        groups = _of(a.groups, a.named == ours), _of(b.groups, b.named == theirs)
        divided = list(divisions((len(x), len(y)), groups, derive(seed, ours), len(both)))
        test = compared("energy", np.concatenate([x, y]), len(x), divided)
        found.append({**test, "name": a.classes[ours], "examples": [len(x), len(y)]})
    return adjusted(found)


def _of(groups: tuple[str, ...] | None, chosen: np.ndarray) -> tuple[str, ...] | None:
    return None if groups is None else tuple(np.asarray(groups)[chosen])


def _label_shares(a: Sample, b: Sample, rows: np.ndarray, seed: int) -> dict[str, Any]:
    """Shares (K, 2) of the classes that both name, and the p-value of Pearson's test that they are the same.

    Where only the first has labels, answers of its classifier are tested instead, cross-validated on the first, and the
    shares of the second are ``estimated`` (Lipton et al., Detecting and correcting for label shift with black box
    predictors, ICML 2018; Azizzadenesheli et al., ICLR 2019, for the estimate).
    """
    if a.named is None or len(np.unique(a.named)) < 2:
        return {}
    if b.named is None:
        return _estimated_shares(a, rows, seed) if b.labels is None else {}
    both = shared(a.classes, b.classes)
    counts = np.array([[(a.named == i).sum(), (b.named == j).sum()] for i, j in both.items()], float).reshape(-1, 2)
    names = [a.classes[i] for i, row in zip(both, counts, strict=True) if row.any()]
    counts = counts[counts.any(1)]
    if len(counts) < 2 or (counts.sum(0) == 0).any():
        return {}
    p = _p_of_groups(a, b, both, seed) if a.groups or b.groups else _compared(counts)["p"]
    return {"p": p, "names": names, "shares": (counts / counts.sum(0)).tolist(), "estimated": False}


def _p_of_groups(a: Sample, b: Sample, both: dict[int, int], seed: int) -> float:
    """The p-value of differing shares where examples come in groups: by dividing whole groups anew."""
    assert a.named is not None
    assert b.named is not None
    back = {theirs: ours for ours, theirs in both.items()}
    labels = np.concatenate([a.named, [back.get(label, -1) for label in b.named]])
    own = np.arange(len(labels)) < len(a.named)
    sides = np.stack([own, *divisions((len(a.named), len(b.named)), (a.groups, b.groups), seed)])
    shares = np.stack([(sides & (labels == c)).sum(1) / sides.sum(1) - (~sides & (labels == c)).sum(1) / (~sides).sum(1)
                       for c in both])  # fmt: skip
    apart = np.abs(shares).sum(0)
    return float((apart >= apart[0] - 1e-12).mean())


def _estimated_shares(a: Sample, rows: np.ndarray, seed: int) -> dict[str, Any]:
    assert a.named is not None
    x, z, outputs = rows[: len(a.named)], rows[len(a.named) :], len(a.classes)
    splits = folds(a.named, 5, seed, a.groups)
    if not splits:
        return {}
    answers = np.full(len(x), -1)
    for learn, valid in splits:
        answers[valid] = _classifier(x[learn], a.named[learn], outputs)(x[valid])
    theirs = _classifier(x, a.named, outputs)(z)
    counts = np.array([[(answers == c).sum(), (theirs == c).sum()] for c in range(outputs)], dtype=float)
    weights = catalog.find("weightings", "rlls")()(x, z, a.named)
    shares = np.array([[(a.named == c).mean(), weights[a.named == c].sum() / len(x)] for c in range(outputs)])
    return {
        **_compared(counts[counts.any(1)]), "names": list(a.classes), "shares": shares.tolist(), "estimated": True,
    }  # fmt: skip


def _compared(counts: np.ndarray) -> dict[str, float]:
    """Pearson's test of the columns of counts (K, 2)."""
    return {"p": float(chi2_contingency(counts).pvalue) if len(counts) > 1 else 1.0}


def _classifier(x: np.ndarray, labels: np.ndarray, outputs: int) -> Callable[[np.ndarray], np.ndarray]:
    layer = catalog.find("heads", "logistic")(strength=1.0).fit(x, labels, outputs).double()
    return lambda z: through(layer, z).argmax(1)


def _transfer(a: Sample, b: Sample, rows: np.ndarray, seed: int) -> dict[str, Any]:
    """Accuracy on the second domain of a classifier of the first, and of one of its own, cross-validated.

    Both by logistic regression, on the classes that both name. ``gain``: of its own over the foreign one, by `judge`.
    """
    if a.named is None or b.named is None:
        return {}
    both = {theirs: ours for ours, theirs in shared(a.classes, b.classes).items()}
    mine, yours = np.isin(a.named, list(both.values())), np.isin(b.named, list(both))
    x, z = rows[: len(a.features)][mine], rows[len(a.features) :][yours]
    labels, truth = a.named[mine], np.array([both[i] for i in b.named[yours]], dtype=np.int64)
    groups = _of(b.groups, yours)
    splits = folds(truth, 5, seed, groups) if len(np.unique(truth)) > 1 and len(np.unique(labels)) > 1 else []
    if not splits:
        return {}
    foreign = _classifier(x, labels, len(a.classes))(z) == truth
    own = np.zeros(len(z), dtype=bool)
    for learn, valid in splits:
        own[valid] = _classifier(z[learn], truth[learn], len(a.classes))(z[valid]) == truth[valid]
    judged = np.concatenate([valid for _, valid in splits])
    gain = guard.judge(own[judged].astype(float), foreign[judged].astype(float), _of(groups, judged)).gain
    found = {"foreign": float(foreign[judged].mean()), "own": float(own[judged].mean()), "gain": asdict(gain)}
    return {**found, "majority": float(np.bincount(truth[judged]).max() / len(judged))}
