"""The tables of the suite, from the lines that `measure.py` and `peers.py` wrote.

    python benchmarks/suite/table.py OUT

Scores are accuracies; of numbers, one minus the mean absolute error in standard deviations of the training labels, so
that a point is a hundredth of these. All are means over seeds on the final examples, which no run saw.

**Regret** is the best candidate's score less that of what was shipped. The best of some thirty is best partly by luck;
``fair`` is the regret against the candidate that is best by one seed and one half of the examples, both judged by the
other seed and half, averaged over the four ways. **Harm**: what was shipped less the scratch model of the run, with an
interval of 95% over examples. **Cost**: the race's seconds of the processor over those of all candidates in full.
**Ranking**: weighted Kendall tau of a score with the truth, the best score that any method reaches from a source.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from results import RESULTS, read
from scipy.stats import weightedtau
from tasks import TASKS, Task

Row = dict[str, Any]
Pair = tuple[str, str]


@dataclass
class Found:
    """What was measured of a task. ``utility``: per candidate, (seeds, final examples); also of the run's two sides."""

    task: Task
    run: Row
    rank: Row
    transfer: np.ndarray
    rival: np.ndarray
    tried: int
    full: dict[Pair, Row] = field(default_factory=dict)
    utility: dict[Pair, np.ndarray] = field(default_factory=dict)
    peers: dict[str, Row] = field(default_factory=dict)

    def score(self, pair: Pair) -> float:
        return float(np.mean(self.full[pair]["final"]))

    @property
    def shipped(self) -> np.ndarray:
        """What was shipped: (seeds, final examples)."""
        return self.rival if self.run["shipped"] == "scratch" else self.transfer

    @property
    def complete(self) -> bool:
        """Whether all that lined up was trained in full, or broke down."""
        return self.tried >= sum(not c["members"] for c in self.run["candidates"])

    @property
    def best(self) -> Pair:
        return max(self.full, key=self.score)

    @property
    def fair(self) -> float:
        """See the top: regret against what one seed and half of the examples take for the best."""
        regrets = []
        table = np.stack([self.utility[p] + self.task.numeric for p in self.full])  # (candidates, seeds, examples)
        for seed in range(table.shape[1]):
            for half in (0, 1):
                taken = table[:, seed, half::2].mean(1)
                judged, own = (
                    np.delete(of, seed, -2)[..., 1 - half :: 2].mean((-2, -1)) for of in (table, self.shipped)
                )
                regrets.append(judged[taken.argmax()] - own)
        return float(np.mean(regrets))

    @property
    def gain(self) -> tuple[float, float]:
        """Shipped less scratch, and half the width of its interval over examples."""
        difference = (self.shipped - self.rival).mean(0)
        return float(difference.mean()), float(1.96 * difference.std(ddof=1) / len(difference) ** 0.5)

    @property
    def cost(self) -> float:
        """The race over all candidates in full."""
        return float(self.run["race_cpu"] / sum(row["train_cpu"] for row in self.full.values()))

    def truth(self) -> list[float]:
        """The best score that any method reaches from each source."""
        sources = self.rank["sources"]
        return [max(self.score(p) for p in self.full if p[0] == s and p[1] != "scratch") for s in sources]


def found_in(out: Path) -> list[Found]:
    """The tasks of which all is there, the peers apart."""
    every, given = read(out / RESULTS), []
    rows = {row["key"]: row for row in every if "error" not in row}
    for task in TASKS:
        if f"{task.name} run" not in rows or f"{task.name} rank" not in rows:
            continue
        folder = out / "utility" / task.name
        sides = (np.load(folder / f"run {side}.npz")["final"] for side in ("transfer", "rival"))
        tried = len({row["key"] for row in every if row["key"].startswith(f"{task.name} oracle ")})
        one = Found(task, rows[f"{task.name} run"], rows[f"{task.name} rank"], *sides, tried)
        for key, row in rows.items():
            if key.startswith(f"{task.name} oracle "):
                pair = row["source"], row["method"]
                one.full[pair] = row
                place = folder / f"{key.split(' oracle ')[1]}.npz"
                one.utility[pair] = np.load(place)["final"]
            elif key.startswith(f"{task.name} peer "):
                one.peers[row["system"]] = row
        if one.complete:
            given.append(one)
    return given


def choosing(found: Sequence[Found]) -> str:
    """Regret, harm and cost, a row for each task."""
    head = ("task", "shipped", "score", "best", "its score", "regret", "fair", "over scratch", "race", "verdict")
    rows = []
    for one in found:
        over = " ± ".join(f"{100 * value:.1f}" for value in one.gain)
        sides = [told(one), points(one.shipped.mean()), named(one, one.best), points(one.score(one.best))]
        lost = points(regret(one)), points(one.fair)
        rows.append((one.task.name, *sides, *lost, over, f"{one.cost:.0%}", one.run["verdict"]))
    regrets, fair, cost = (np.array(v) for v in zip(*((regret(o), o.fair, o.cost) for o in found), strict=True))
    harmed = [o.task.name for o in found if o.gain[0] + o.gain[1] < 0]
    lines = [
        f"Regret: mean {points(regrets.mean())}, 90th percentile {points(np.quantile(regrets, 0.9))} points; "
        f"fair: mean {points(fair.mean())}, 90th percentile {points(np.quantile(fair, 0.9))}.",
        f"Harm: {len(harmed)} of {len(found)}{': ' + ', '.join(harmed) if harmed else ''}.",
        f"Cost of the race: mean {cost.mean():.0%}, largest {cost.max():.0%}; in all {total(found):.0%}.",
    ]
    return "\n".join([table(head, rows), "", *lines])


def ranking(found: Sequence[Found]) -> str:
    """Weighted tau of the combined ranking and of each score, mean over the tasks where it can be had."""
    taus = []
    for one in found:
        truth = one.truth()
        columns = {"combined": [-float(r) for r in one.rank["ranks"]], **one.rank["scores"]}
        taus.append({name: tau(values, truth) for name, values in columns.items() if None not in values})
    return agreement(taus)


def agreement(taus: Sequence[dict[str, float]]) -> str:
    """The table of what each score, and their combination, has on each task, the best first."""
    rows, scores = [], {name: [of for of in taus if name in of] for of in taus for name in of}
    for name in sorted(scores, key=lambda n: -np.mean([of[n] for of in scores[n]])):
        common = np.array([of["combined"] - of[name] for of in scores[name]])
        mean, other = f"{np.mean([of[name] for of in scores[name]]):.2f}", name != "combined"
        wins = f"{(common > 0).sum()} / {(common < 0).sum()}" * other
        rows.append((name, mean, str(len(common)), f"{common.mean():+.2f}" * other, wins))
    return table(("score", "mean tau", "tasks", "combined ahead by, same tasks", "combined better / worse"), rows)


def beside(found: Sequence[Found]) -> str:
    """Regraft beside other systems."""
    systems = sorted({name for one in found for name in one.peers})
    rows = []
    for one in found:
        mine = [points(float(np.mean(one.peers[s]["final"]))) if s in one.peers else "-" for s in systems]
        rows.append((one.task.name, points(one.shipped.mean()), *mine))
    lines = []
    for system in systems:
        both = [(float(o.shipped.mean()), float(np.mean(o.peers[system]["final"]))) for o in found if system in o.peers]
        ours, theirs = (np.array(v) for v in zip(*both, strict=True))
        wins, ties = int((ours > theirs).sum()), int((ours == theirs).sum())
        lines.append(
            f"{system}: {points(theirs.mean())} against {points(ours.mean())} of Regraft on {len(both)} tasks; "
            f"Regraft is ahead on {wins}{f', alike on {ties}' if ties else ''}."
        )
    return "\n".join([table(("task", "Regraft", *systems), rows), "", *lines]) if systems else "no peers yet"


def tau(values: Sequence[float], truth: Sequence[float]) -> float:
    """Weighted Kendall tau; 0 for a score that cannot tell the sources apart."""
    if len(set(values)) == 1 or len(set(truth)) == 1:
        return 0.0
    return float(weightedtau(values, truth).statistic)


def regret(one: Found) -> float:
    return one.score(one.best) - float(one.shipped.mean())


def total(found: Sequence[Found]) -> float:
    """All races over all candidates of all tasks."""
    full = sum(row["train_cpu"] for one in found for row in one.full.values())
    return float(sum(one.run["race_cpu"] for one in found) / full)


def told(one: Found) -> str:
    """What was shipped, in a cell; of several that answer together each."""
    chosen = next(c for c in one.run["candidates"] if c["outcome"] == "finalist")
    if one.run["shipped"] == "scratch":
        return "scratch"
    return "; ".join(named(one, (c["source"], c["method"])) for c in chosen["members"] or [chosen])


def named(one: Found, pair: Pair) -> str:
    """A candidate in a cell."""
    names = dict(zip(one.rank["sources"], (name for _, name in one.task.sources), strict=True))
    return f"{pair[1]}, {names.get(pair[0], pair[0].removeprefix('scratch:'))}"


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    found = found_in(parser.parse_args().out)
    if not found:
        raise SystemExit("no task is finished yet")
    commits = sorted({one.run["commit"] for one in found})
    print(f"{len(found)} tasks, commit {', '.join(commits)}\n")
    print(f"{choosing(found)}\n\n{ranking(found)}\n\n{beside(found)}")


if __name__ == "__main__":
    main()
