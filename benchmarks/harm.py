"""Does a harmful source ever end in a shipped model that is worse than scratch? Counted on samples no run has seen.

    python benchmarks/harm.py [runs]

Sources with wrong labels (each class bears another's name) and from a far domain; methods named alone, so that nothing
harmless can be chosen, and the default race; few and more labels; real digits, tables and texts. The judge is
not the run's own holdout but a large independent sample of the same distribution: the models of all seeds of what was
shipped, and those of scratch, are compared on it by `regraft.judge`, and `hurts` counts as harm.
"""

import argparse
import json
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import regraft
from regraft import artifacts
from regraft.evaluation import predict
from regraft.prediction import opened
from regraft.runtime import Runtime

METHODS: tuple[tuple[str, ...], ...] = (("joint",), ("fine_tune",), ())
WORDS = {
    "money": "card bank loan rate cash fee",
    "travel": "train bus road ticket seat stop",
    "food": "rice soup bread",
}
FILLERS = [f"so{i}" for i in range(20)]


def digits(folder: Path, harm: str, rng: np.random.Generator) -> None:
    """Real digits, 64 grey values: 400 to run on, 300 that teach wrong things, the rest judges."""
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    x, y = x[order].astype(np.float32), y[order]
    wrong = (y + 1 + y // 5) % 10
    far = 8 * rng.normal(size=(300, 64)) + 12 * (np.arange(300) % 10 > 4)[:, None]
    theirs = x[400:700] if harm == "wrong labels" else far.astype(np.float32)
    for name, images, labels in (("target", x[:400], y[:400]), ("source", theirs, wrong[400:700]),
                                 ("large", x[700:], y[700:])):  # fmt: skip
        np.savez(folder / f"{name}.npz", x=images, label=labels)


def table(folder: Path, harm: str, rng: np.random.Generator) -> None:
    """Three classes of eight noisy columns."""
    centres = rng.normal(size=(3, 8))
    for name, count in (("target", 200), ("source", 200), ("large", 5000)):
        y = np.arange(count) % 3
        x = 0.55 * centres[y] + rng.normal(size=(count, 8))
        if name == "source":
            x = x if harm == "wrong labels" else 0.3 * rng.normal(size=x.shape)[:, ::-1] + 3
            y = (y + 1) % 3
        rows = [",".join([*(f"{v:.4f}" for v in row), f"class{c}"]) for row, c in zip(x, y, strict=True)]
        head = ",".join([*(f"c{i}" for i in range(8)), "label"])
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")


def texts(folder: Path, harm: str, rng: np.random.Generator) -> None:
    """Texts of three topics: two words of the topic among ten that say nothing."""
    topics = list(WORDS)
    for name, count in (("target", 200), ("source", 200), ("large", 1500)):
        lines = ["text,label"]
        for i in range(count):
            topic, label = topics[i % 3], topics[(i + (name == "source")) % 3]
            own = list(rng.choice(WORDS[topic].split(), 2, replace=False))
            if name == "source" and harm == "far domain":
                own = [f"zz{rng.integers(40)}" for _ in range(3)]
            words = [*own, *rng.choice(FILLERS, 10), f"n{rng.integers(10**6)}"]
            rng.shuffle(words)
            lines.append(f"{' '.join(words)},{label}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


CONDITIONS = [
    (data, harm, method, shots, seed)
    for data, seeds in ((digits, 2), (table, 1), (texts, 1))
    for seed, harm, method, shots in product(range(seeds), ("wrong labels", "far domain"), METHODS, (2, 10))
] + [(table, harm, ("joint",), 5, seed) for harm, seed in product(("wrong labels", "far domain"), (1, 2))]


def once(condition: Any) -> dict[str, Any]:
    """One run, and what it shipped beside scratch on the large sample."""
    data, harm, method, shots, seed = condition
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data(folder, harm, np.random.default_rng([seed, shots]))
        ending = "npz" if data is digits else "csv"
        target, source, large = (folder / f"{name}.{ending}" for name in ("target", "source", "large"))
        out = folder / "run"
        result = regraft.run(
            target=target, sources=[f"data:{source}"], shots=shots, steps=20, seeds=2, seed=seed, out=out,
            budget="none", precision="fp32", methods=method,
        ).fields  # fmt: skip
        both = [shown(result, out, large, who) for who in ("finalist", "scratch")]
    verdict = regraft.judge(*both)
    very = regraft.judge(both[0][:1], both[1][:1])  # the models that are shipped: weights fixed, examples vary
    transfer = result["shipped"] == "transfer"
    return {
        "data": data.__name__, "harm": harm, "method": method[0] if method else "race", "shots": shots, "seed": seed,
        "verdict": result["verdict"], "shipped": result["shipped"], "finalist": result["finalist"]["method"],
        "seen": result["gain"]["mean"], "true": verdict.gain.mean, "low": verdict.gain.low, "high": verdict.gain.high,
        "harmed": transfer and verdict.outcome == "hurts", "model": very.gain.mean,
        "model_harmed": transfer and very.outcome == "hurts",
    }  # fmt: skip


def shown(result: dict[str, Any], run: Path, large: Path, who: str) -> Any:
    """What the models of all seeds make of the large sample."""
    method = result["finalist"]["method"] if who == "finalist" else result["against"]
    found = []
    for folder in sorted(run.glob(f"journal/finish-{method.partition('?')[0]}*-[0-9]")):
        model, backbone = artifacts.load(folder)
        dataset = opened(backbone, [large])[0]
        found.append(predict(model, dataset, backbone.preprocess, model.task, Runtime()))
    labels = _labels(large, model.classes)
    right = np.stack(found).argmax(2) == labels
    return right.astype(float)


def _labels(large: Path, classes: tuple[str, ...]) -> np.ndarray:
    if large.suffix == ".npz":
        names = [str(label) for label in np.load(large)["label"]]
    else:
        names = [line.rpartition(",")[2] for line in large.read_text().splitlines()[1:]]
    return np.array([classes.index(name) for name in names])


def main(count: int) -> None:
    """Print a line for each run, and how many did harm."""
    rows = []
    order = np.random.default_rng(0).permutation(len(CONDITIONS))  # so that a part of them is a fair sample
    for condition in [CONDITIONS[i] for i in order][:count]:
        rows.append(once(condition))
        print(json.dumps(rows[-1]), flush=True)
    print(Counter((row["method"], row["verdict"], row["shipped"]) for row in rows))
    print(f"{sum(row['model_harmed'] for row in rows)} shipped a model that is worse than scratch's of the same seed")
    print(f"{sum(row['harmed'] for row in rows)} of {len(rows)} runs shipped what is worse than scratch beyond noise")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="?", default=len(CONDITIONS), help="how many, of all conditions")
    main(parser.parse_args().runs)
