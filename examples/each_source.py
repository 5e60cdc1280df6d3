"""A verdict for each source, every table of a folder the target in turn: ``python examples/each_source.py hospitals``.

Bring the four tables that examples/hospitals.yaml describes, or tables of your own that share columns. Each target is
learned from 15 labels per class (5 where a class has few examples), with one of the others as the source, then with
all of them: so each source has a verdict of its own.

Expected: a source that helps one hospital may hurt another, and all together are not always the best. With sixteen
intervals of 95%, one of them is expected not to hold the truth.
Range: on one of two busy cores in 7 minutes, on two idle ones in 2, with the same verdicts (all sources together then
had +7.0 for Cleveland and -5.6 for Switzerland); gains over scratch in points, with their intervals of 95%.

    cleveland    from hungarian +3.8 [-2.8, +10.3], switzerland +7.1 [+0.8, +13.4] helps, va +7.7 [+1.9, +13.5] helps,
                 all +9.9 [+4.5, +15.3] helps
    hungarian    from cleveland +5.2 [+0.9, +9.4] helps, switzerland -4.8 [-10.2, +0.6], va +0.6 [-3.9, +5.2],
                 all +4.0 [-1.0, +9.1]
    switzerland  from cleveland +9.1 [+3.4, +14.9] helps, hungarian +15.9 [-3.8, +35.6], va -26.5 [-46.1, -7.0] hurts,
                 all +1.2 [-12.5, +14.9]
    va           from cleveland -9.5 [-15.7, -3.3] hurts, hungarian -2.2 [-9.6, +5.2], switzerland +1.0 [-5.9, +7.9],
                 all -7.7 [-13.5, -1.9] hurts
"""

import csv
import sys
from collections import Counter
from pathlib import Path

import regraft

SHOTS, FEW, ENOUGH = 15, 5, 30


def rarest(table: Path) -> int:
    """How many examples the smallest class of a table has."""
    with table.open(newline="") as file:
        return min(Counter(row["label"] for row in csv.DictReader(file)).values())


def main(folder: Path, steps: int = 60, seeds: int = 3) -> None:
    """Print the table of verdicts, a row for each target and source."""
    tables = sorted(folder.glob("*.csv"))
    print("target | source | accuracy | scratch | gain, points | verdict")
    for target in tables:
        shots = SHOTS if rarest(target) >= ENOUGH else FEW
        others = [table for table in tables if table != target]
        for sources in [[one] for one in others] + [others] * (len(others) > 1):
            result = regraft.run(
                target=target,
                sources=[f"data:{source}" for source in sources],
                shots=shots,
                steps=steps,
                seeds=seeds,
                budget="none",
            )
            gain, both = result.gain, (result.metrics, result.baseline)
            print(
                target.stem,
                " + ".join(source.stem for source in sources),
                *(f"{of['accuracy']['mean']:.3f}" for of in both),
                f"{100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]",
                result.verdict,
                sep=" | ",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["hospitals"]))
