"""Ranking a zoo: what screening a thousand sources costs, and whether it loses the good ones.

    OMP_NUM_THREADS=1 python benchmarks/zoo.py FOLDER [--sources 1000] [--trained 20] [--labels 20] [--keep 16]

The zoo is made in FOLDER, once: small networks trained on printed digits and letters, a fifth of them each on digits,
on letters, on digits with names moved by one and on digits with shuffled names, and from each of these networks many
more, whose weights have more and more noise added, up to twice their own deviation. The target is handwritten digits
with ``--labels`` a class. ``regraft rank --sources`` ranks all; then an accuracy is measured for each of the thousand:
a logistic regression on its features of all these labels, judged on the other 1,000 and more. Printed are seconds of
the rungs, of the whole and of all in full (as the result of ``rank`` states it, and as a random fiftieth of them say),
how many of the best sixteen were kept, and how far the first, and the best that was kept, are behind the best.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import machine, write
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from regraft import artifacts
from regraft.bench import Bench
from regraft.commands import rank as ranking
from regraft.commands import train as training
from regraft.core import allocator
from regraft.core.progress import Reporter
from regraft.data import embedded
from regraft.features import forward
from regraft.readers._base import read
from regraft.runs import Clock, Journal
from regraft.runtime import Runtime
from regraft.tasks.classification import Classification

DOMAINS = ("printed_digits", "printed_letters", "moved_digits", "shuffled_digits")
LOUDEST = 2.0
"""Deviation of the largest noise, in deviations of the weights that it is added to."""


def made(folder: Path, count: int, trained: int) -> list[Path]:
    """The sources; those that are there are not made again."""
    data, found, each = embedded.write(folder / "data"), list[Path](), -(-count // trained)
    for number in range(trained):
        base = folder / "trained" / f"{DOMAINS[number % len(DOMAINS)]}-{number}"
        if not (base / "train.json").exists():
            options = training.Train(data=data[DOMAINS[number % len(DOMAINS)]], seed=number, precision="fp32", out=base)
            training.main(options, Reporter())
        model, backbone = artifacts.load(base)
        weights = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        for level, loudness in enumerate(np.linspace(0, LOUDEST, each)):
            found.append(folder / "zoo" / f"{base.name}-{level}")
            if not (found[-1] / "model.json").exists():
                generator = torch.Generator().manual_seed(1000 * number + level)
                model.backbone.load_state_dict({k: noisy(v, loudness, generator) for k, v in weights.items()})
                artifacts.save(found[-1], model, backbone, model.task or Classification(), {})
    return found[:count]


def noisy(weights: torch.Tensor, loudness: float, generator: torch.Generator) -> torch.Tensor:
    """Weights with noise; counts and single numbers stay as they are."""
    if not weights.is_floating_point() or weights.dim() < 2:
        return weights
    return weights + loudness * weights.std() * torch.randn(weights.shape, generator=generator)


def ranked(sources: list[Path], folder: Path, given: argparse.Namespace, keep: int) -> tuple[dict[str, Any], float]:
    """What ``regraft rank`` says of the sources, and its seconds."""
    listed = folder / "zoo.txt"
    listed.write_text("\n".join(map(str, sources)))
    target = folder / "data" / "handwriting"
    begun = time.monotonic()
    options = ranking.Rank(target=target, sources=listed, shots=given.labels, keep=keep, device="cpu", precision="fp32")
    return ranking.main(options, Reporter()), time.monotonic() - begun


def accuracies(sources: list[Path], folder: Path, labels: int) -> np.ndarray:
    """Of a linear probe on each source's features: of ``labels`` a class, judged on all other examples."""
    examples = read(folder / "data" / "handwriting")
    assert examples.labels is not None
    learn = np.concatenate([np.flatnonzero(examples.labels == c)[:labels] for c in range(len(examples.classes))])
    judge = np.setdiff1d(np.arange(len(examples)), learn)
    journal, found = Journal(folder / "probes"), []
    bench = Bench(journal, Clock(journal, None), Reporter(), Runtime(threads=1), False, 0, None)
    for source in sources:
        model, backbone = artifacts.load(source)
        x = forward(model.backbone, bench.dataset(examples, backbone.preprocess), backbone.preprocess, bench.runtime)
        scale = StandardScaler().fit(x[learn])
        head = LogisticRegression(C=0.1, max_iter=500).fit(scale.transform(x[learn]), examples.labels[learn])
        found.append(head.score(scale.transform(x[judge]), examples.labels[judge]))
    return np.array(found)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--out", type=Path)
    for name, value in (("sources", 1000), ("trained", 20), ("labels", 20), ("keep", 16)):
        asked.add_argument(f"--{name}", type=int, default=value)
    given = asked.parse_args()
    torch.set_num_threads(1)
    allocator.keep_freed()
    folder = given.folder.resolve()
    sources = made(folder, given.sources, given.trained)
    print(machine(), f"{len(sources)} sources", sep="\n", flush=True)
    some = [
        sources[i] for i in np.random.default_rng(0).choice(len(sources), max(2, len(sources) // 50), replace=False)
    ]
    _, few = ranked(some, folder, given, len(some))
    result, seconds = ranked(sources, folder, given, given.keep)
    cost = result["cost"]
    for rung in cost["rungs"]:
        print(f"{rung['sources']} on {rung['examples']} labels: {rung['seconds']:.0f} s, {rung['kept']} kept")
    whole = few * len(sources) / len(some)
    print(f"in all {seconds:.0f} s; all in full {cost['full_seconds']:.0f} s as stated, {whole:.0f} s by a sample")
    truth = accuracies(sources, folder, given.labels)
    place = {str(source): i for i, source in enumerate(sources)}
    kept = [place[row["source"]] for row in result["ranking"]]
    best = set(np.argsort(-truth)[: given.keep].tolist())
    print(f"accuracies: {np.quantile(truth, [0, 0.25, 0.5, 0.75, 1]).round(3).tolist()} (quartiles)")
    print(f"of the best {given.keep}, {len(best & set(kept))} were kept; first in the ranking: {truth[kept[0]]:.3f}, ")
    print(f"best of those kept: {truth[kept].max():.3f}, best of all: {truth.max():.3f}")
    told = {"seconds": seconds, "sampled": whole, "cost": cost, "truth": truth.tolist(), "kept": kept}
    write(given.out, told)


if __name__ == "__main__":
    main()
