"""A verdict for each source, every table of a folder the target in turn: ``python examples/each_source.py hospitals``.

Bring the four tables that examples/hospitals.yaml describes, or tables of your own that share columns. Each target is
learned from 15 labels per class (5 where a class has few examples), with one of the others as the source, then with
all of them: so each source has a verdict of its own.

Expected: most verdicts are "undecided".
Range: not measured yet.
"""

import sys
from collections import Counter
from pathlib import Path

import regraft
from regraft.readers._base import read

SHOTS, FEW, ENOUGH = 15, 5, 30


def main(folder: Path, steps: int = 60, seeds: int = 3) -> list[tuple[str, ...]]:
    """Print the table of verdicts, a row for each target and source."""
    tables = sorted(folder.glob("*.csv"))
    rows = [("target", "source", "accuracy", "scratch", "gain, points", "verdict")]
    for target in tables:
        shots = SHOTS if min(Counter(read(target).labels).values()) >= ENOUGH else FEW
        others = [table for table in tables if table != target]
        for sources in [*([one] for one in others), others]:
            result = regraft.run(
                target=target,
                sources=[f"data:{source}" for source in sources],
                shots=shots,
                steps=steps,
                seeds=seeds,
                budget="none",
            )
            gain = result.gain
            rows.append(
                (
                    target.stem,
                    " + ".join(source.stem for source in sources),
                    f"{result.metrics['accuracy']['mean']:.3f}",
                    f"{result.baseline['accuracy']['mean']:.3f}",
                    f"{100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]",
                    result.verdict,
                )
            )
            print(" | ".join(rows[-1]), flush=True)
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
