"""Real training on cheap tasks with sources that know nothing: how often the guard says "helps".

    python benchmarks/null.py                       (300 runs a row, 6 minutes on one core)

A run draws a task (two classes in 8 dimensions, a saddle with noise; or with clusters of 5 examples that lie together
and share an effect), 60 labels to learn from and a holdout of 1,000, of which 100 and 20 are parts. A network with 8
hidden units is trained by stochastic gradient descent, from scratch and from two sources; the seed draws the initial
weights and the batches.

* ``nothing``: the source's hidden layer is as a fresh one, so the gain is 0 by construction, whatever the task.
* ``coin flips``: its hidden layer was trained on inputs of its own with labels that were tossed, so it knows nothing of
  the target either; its gain is what it is, and mostly a loss.

The guard sees 3 seeds of each; the truth is the mean of 60 other seeds on 20,000 other examples. ``skewed``: nine in
ten examples are of one class. ``covered``: how often the 95% interval of the gain holds the truth; ``helps`` and
``hurts``: how often the verdict says so; ``false``: helps, while the truth is a loss or nothing. ``this model``: how
often the interval of `guard.judge_model` holds the difference of the two models of the first seed, on 100,000 others.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from regraft import guard

WIDE, HIDDEN, LABELS, STEPS, BATCH, RATE = 8, 8, 60, 150, 8, 1.0
SEEDS, TRUTH, POOL, EXACT, EACH = 3, 60, 20_000, 100_000, 5
Sample = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class World:
    """What examples are like: the two directions that matter (8, 2); ``skewed`` classes; ``clustered`` in fives."""

    normals: np.ndarray
    skewed: bool
    clustered: bool

    def draw(self, count: int, rng: np.random.Generator) -> Sample:
        """Inputs (N, 8) and classes (N,) of 0 and 1; examples of a cluster follow each other."""
        x = rng.normal(size=(count, WIDE))
        noise = 0.5 * rng.normal(size=count)
        if self.clustered:
            own = np.arange(count) // EACH
            x = 0.7 * x + 0.7 * rng.normal(size=(own[-1] + 1, WIDE))[own]
            noise = noise + 0.7 * rng.normal(size=own[-1] + 1)[own]
        one, other = (x @ self.normals).T
        return x, (1.5 * one * other + one + noise > (1.9 if self.skewed else 0.0)).astype(int)


def trained(data: Sample, start: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Networks (S, ...) from hidden layers ``start`` (S, 8, 8), each with a head, batches and luck of its own."""
    x, y = data
    seeds = len(start)
    w, b = start.copy(), np.zeros((seeds, 1, HIDDEN))
    v, c = rng.normal(scale=0.3, size=(seeds, HIDDEN, 1)), np.zeros((seeds, 1, 1))
    for step in range(STEPS):
        rows, rate = rng.integers(0, len(y), (seeds, BATCH)), RATE * (1 - step / STEPS)
        some, wanted = x[rows], y[rows][..., None]
        hidden = np.tanh(some @ w + b)
        error = (1 / (1 + np.exp(-(hidden @ v + c))) - wanted) / BATCH
        back = error @ v.transpose(0, 2, 1) * (1 - hidden**2)
        v -= rate * hidden.transpose(0, 2, 1) @ error
        c -= rate * error.sum(1, keepdims=True)
        w -= rate * some.transpose(0, 2, 1) @ back
        b -= rate * back.sum(1, keepdims=True)
    return w, b, v, c


def right(networks: tuple[np.ndarray, ...], data: Sample) -> np.ndarray:
    """Whether each network is right on each example, (S, N)."""
    x, y = data[0].astype(np.float32), data[1]
    rows = []
    for parts in zip(*networks, strict=True):
        w, b, v, c = (part.astype(np.float32) for part in parts)
        rows.append(((np.tanh(x @ w + b) @ v + c)[:, 0] > 0) == y)
    return np.array(rows, dtype=float)


def fresh(count: int, rng: np.random.Generator) -> np.ndarray:
    """Hidden layers of networks that learned nothing."""
    return rng.normal(scale=WIDE**-0.5, size=(count, WIDE, HIDDEN))


def one_run(skewed: bool, clustered: bool, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, ...]]:
    """Of scratch and each source: right or wrong (3, 1000), accuracy in truth, and that of the first seed's model."""
    world = World(np.linalg.qr(rng.normal(size=(WIDE, 2)))[0], skewed, clustered)
    learn = world.draw(LABELS, rng)
    while len(np.unique(learn[1])) < 2:
        learn = world.draw(LABELS, rng)
    other = rng.normal(size=(400, WIDE)), rng.integers(0, 2, 400)
    flips = trained(other, fresh(1, rng), rng)[0]
    held, pool, exact = (world.draw(count, rng) for count in (1000, POOL, EXACT))
    many, found = SEEDS + TRUTH, {}
    starts = {"scratch": fresh(many, rng), "nothing": fresh(many, rng), "coin flips": np.repeat(flips, many, 0)}
    for name, start in starts.items():
        networks = trained(learn, start, rng)
        first, seen, rest = (tuple(part[rows] for part in networks) for rows in (slice(1), slice(3), slice(3, None)))
        found[name] = right(seen, held), right(rest, pool).mean(), right(first, exact).mean()
    return found


def rows(skewed: bool, clustered: bool, runs: int) -> list[str]:
    """The table's rows for one kind of task."""
    rng, marks = np.random.default_rng(2 * skewed + clustered), {}
    accuracy, luck = [], []
    for _ in range(runs):
        found = one_run(skewed, clustered, rng)
        base, level, own = found["scratch"]
        accuracy.append(level)
        luck.append(base.mean(1).std(ddof=1))
        for source in ("nothing", "coin flips"):
            ours, reached, its = found[source]
            truth = 0.0 if source == "nothing" else reached - level
            for count in (20, 100, 1000):
                groups = [str(i // EACH) for i in range(count)] if clustered else None
                verdict = guard.judge(ours[:, :count], base[:, :count], groups)
                model = guard.judge_model(ours[:, :count], base[:, :count], groups).gain
                helps = verdict.outcome == "helps"
                marks.setdefault((source, count), []).append((
                    verdict.gain.low <= truth <= verdict.gain.high, helps, verdict.outcome == "hurts",
                    helps and truth <= 0, model.low <= its - own <= model.high, truth,
                    verdict.gain.high - verdict.gain.low,
                ))  # fmt: skip
    lines = []
    for (source, count), seen in marks.items():
        covered, helps, hurts, false, model, truth, width = np.array(seen, dtype=float).mean(0)
        kind = f"{'skewed' if skewed else 'balanced'} | {'fives' if clustered else 'none'}"
        shares = " | ".join(f"{share:.3f}" for share in (covered, helps, hurts, false, model))
        lines.append(f"| {source} | {kind} | {count} | {100 * truth:+.1f} | {shares} | {100 * width:.1f} |")
    note = f"accuracy of scratch {np.mean(accuracy):.3f}, luck {100 * np.mean(luck):.1f} points"
    return [*lines, f"<!-- {kind}: {note} -->"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Verdicts on sources that know nothing, with real training.")
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    print(
        "| source | classes | clusters | holdout | true gain | covered | helps | hurts | false | this model | width |"
    )
    print("|" + " --- |" * 11)
    for skewed in (False, True):
        for clustered in (False, True):
            print("\n".join(rows(skewed, clustered, runs)), flush=True)


if __name__ == "__main__":
    main()
