"""Word vectors against random ones, under each encoder, on the same labels and seeds.

    python benchmarks/word_vectors.py TRAIN TEST VECTORS [--shots 16] [--steps 60] [--seeds 5] [--out FILE]

TRAIN and TEST are tables with the columns ``text`` and ``label``, VECTORS a file of word vectors in text form. Each
seed draws labels, and from them starts the encoder twice: with the vectors of the file, and with random ones that are
trained as Regraft's ``scratch`` trains them. Both take the same number of steps. ``logistic`` trains nothing: it fits a
classifier on averages of the vectors as they are. The interval is of the mean difference over the seeds, paired.
"""

import argparse
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import existing, table, write
from scipy import stats
from torch import nn

from regraft.backbones.glove import Glove
from regraft.core.config import entry
from regraft.data.dataset import Domain, whole
from regraft.data.examples import Examples
from regraft.data.splits import align_classes, few_shot
from regraft.features import forward
from regraft.model import Model, Problem
from regraft.readers._base import read
from regraft.runtime import Runtime
from regraft.tasks._choice import task_for
from regraft.training import run

WAYS = (("average", "logistic"), ("average", "tuned"), ("attention", "tuned"), ("recurrent", "tuned"))


def accuracy(way: tuple[str, str], pretrained: bool, train: Examples, test: Examples, options: Any, seed: int) -> float:
    """Of one training."""
    encoder, how = way
    backbone = Glove(arch=encoder, weights=options.vectors).suited(train)
    learn, judge = (whole(e, backbone.preprocess.decode(e.items)) for e in (train, test))
    torch.manual_seed(zlib.crc32(f"{seed}".encode()))
    start = Model(backbone.build(pretrained), nn.Identity(), ())
    name = how if how == "logistic" else "fine_tune" if pretrained else "scratch"
    problem = Problem(task_for(train), Domain("target", learn), backbone, seed)
    model = run(start, entry("methods", name).with_steps(options.steps).phases(problem), problem)
    return float((forward(model, judge, backbone.preprocess, Runtime()).argmax(1) == judge.labels).mean())


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "test", "vectors", "--out"):
        asked.add_argument(name, type=Path if name == "--out" else existing)
    for name, value in (("--shots", 16), ("--steps", 60), ("--seeds", 5)):
        asked.add_argument(name, type=int, default=value)
    options = asked.parse_args()
    full = read(options.train)
    test, rows, found = align_classes(full, read(options.test)), [], {}
    for way in WAYS:
        draws = [full.take(few_shot(full, options.shots, seed)[0]) for seed in range(options.seeds)]
        measure = partial(accuracy, way, test=test, options=options)
        ours, random = (
            np.array([measure(pretrained, train, seed=seed) for seed, train in enumerate(draws)])
            for pretrained in (True, False)
        )
        gain = ours - random
        half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
        rows.append((*way, f"{ours.mean():.3f}", f"{random.mean():.3f}", f"{gain.mean():.3f} ± {half:.3f}"))
        found[" ".join(way)] = {"vectors": ours.tolist(), "random": random.tolist()}
        print(table(("encoder", "method", "vectors", "random", "gain"), rows[-1:]), flush=True)
    print(table(("encoder", "method", "vectors", "random", "gain"), rows))
    write(options.out, found)


if __name__ == "__main__":
    main()
