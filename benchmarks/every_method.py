"""Every method on the embedded data: printed digits to handwritten ones, with few labels and with none.

    python benchmarks/every_method.py FOLDER [--shots 5 0] [--seeds 2] [--steps 100] [--methods shot tent ...]

Of the 1,797 handwritten digits 539 judge; the other 1,258 are known, ``--shots`` of each class with their labels and
all of them without. The source is a small network that learned printed digits, and the print. Each method is trained
over the same seeds and compared with the baseline by `regraft.judge`: a model from scratch for the same steps, or,
without labels, the source as it is. Seconds are of the processor, for one training. FOLDER keeps what is done; going on
there does the rest. Without labels the table also has what selectors say of the first seed's model.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import method

from regraft import guard
from regraft.bench import Bench
from regraft.candidates import AtHand, Candidate, refuse
from regraft.core import catalog
from regraft.core.baseline import BASELINES
from regraft.core.config import entry
from regraft.core.errors import UserError
from regraft.core.progress import Reporter
from regraft.data import embedded
from regraft.data.draws import draw
from regraft.data.splits import holdout_split
from regraft.finishing import Finish
from regraft.opening import Opening
from regraft.readers._base import read
from regraft.runs import Clock, Journal, cache_folder
from regraft.runtime import Runtime
from regraft.sources import Source, open_source, scratch_source

SELECTORS = ("nuclear_norm", "information_maximisation", "entropy", "source_validation")


class Table:
    """All methods at one number of labels per class."""

    def __init__(self, folder: Path, shots: int, seeds: int, steps: int) -> None:
        self.shots, self.seeds, self.steps = shots, seeds, steps
        journal = Journal(folder / f"{shots}-labels-{steps}-steps")
        self.bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(threads=1), False, 0, cache_folder())
        paths = embedded.write(cache_folder() / "embedded")
        printed, written = (read(paths[name]) for name in ("printed_digits", "handwriting"))
        known, judged = (written.take(rows) for rows in holdout_split(written, 0.3, 0))
        train = known.take(draw(known, shots, 0)) if shots else known.unlabelled()
        uri = f"data:{paths['printed_digits']}"
        self.source = open_source(uri, train, Opening(read={uri: printed}), self.bench)
        self.scratch = scratch_source("small", train, self.bench) if shots else self.source
        preprocess = self.source.backbone.preprocess
        self.train, self.unlabeled, self.holdout = (
            self.bench.dataset(e, preprocess) for e in (train, known.unlabelled(), judged)
        )
        self.baseline = "scratch" if shots else "source_only"

    def methods(self, wanted: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
        """Those that fit, by name, and the others by why they do not."""
        found, unfit = [self.baseline], defaultdict[str, list[str]](list)
        for name in [n for n in wanted or catalog.names("methods") if n not in BASELINES]:
            try:
                refuse([name], AtHand(True, True, blind=not self.shots), self.train.examples.labelling)
                found.append(name)
            except UserError as error:
                unfit[str(error).replace(name, "METHOD")].append(name)
        return found, unfit

    def finish(self, name: str, source: Source) -> Finish:
        """The training of one method."""
        return Finish(source, self.train, self.unlabeled, self.bench)

    def row(self, name: str) -> dict[str, Any]:
        """What one method reaches, and what it takes."""
        finish = self.finish(name, self.scratch if name == self.baseline else self.source)
        begun = time.process_time()
        seeds = finish.train(Candidate(finish.source.uri, name), self.steps, self.seeds)
        if seeds < self.seeds:
            return {"failed": True}
        seconds = (time.process_time() - begun) / seeds
        found = finish.measure(name, seeds, self.holdout)
        model, problem = finish.load(name, 0), finish.problem(0)
        rules = {} if self.shots else {s: float(entry("selectors", s)(model, problem)) for s in SELECTORS}
        return {"seconds": seconds, "utility": found.utility.tolist(), "rules": rules}

    def shown(self, wanted: Sequence[str]) -> str:
        """The table as Markdown."""
        methods, unfit = self.methods(wanted)
        rows = {
            name: self.bench.journal.once(f"row-{name}-{self.seeds}", lambda n=name: self.row(n)) for name in methods
        }
        rules = () if self.shots else SELECTORS
        head = ("method", "accuracy", f"gain over {BASELINES[self.baseline].name}", "verdict", "processor s", *rules)
        lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
        ours = {name: np.array(row["utility"]) for name, row in rows.items() if "utility" in row}
        for name in sorted(ours, key=lambda n: -ours[n].mean()):
            verdict = guard.judge(ours[name], ours[self.baseline])
            gain = verdict.gain
            cells = [name, f"{ours[name].mean():.3f} ({' '.join(f'{u.mean():.3f}' for u in ours[name])})"]
            same = name == self.baseline
            cells.append("" if same else f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")
            cells += ["baseline" if same else verdict.outcome, f"{rows[name]['seconds']:.1f}"]
            cells += [f"{rows[name]['rules'][rule]:.3f}" for rule in rules]
            lines.append(f"| {' | '.join(cells)} |")
        for rule in rules:
            taken = max(ours, key=lambda n: rows[n]["rules"][rule])
            lines.append(f"| taken by {rule} | {taken}, {ours[taken].mean():.3f} |")
        lines += [f"| {name} | broke down |" for name, row in rows.items() if "utility" not in row]
        lines += ["", *(f"{', '.join(names)}: {reason}" for reason, names in unfit.items())]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each number of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--methods", type=method, nargs="*", default=[])
    options = parser.parse_args(arguments)
    if options.folder.is_file():
        parser.error(f"{options.folder} is a file; give a folder, where what is measured is kept")
    for shots in options.shots:
        print(f"\n{shots} labels per class, {options.seeds} seeds, {options.steps} steps\n", flush=True)
        print(Table(options.folder, shots, options.seeds, options.steps).shown(options.methods), flush=True)


if __name__ == "__main__":
    main()
