"""Regraft against the textbook loops, on the same weights and photographs.

    python benchmarks/textbook.py IMAGES WEIGHTS [--part frozen tune] [--shots 20] [--repeats 3] [--out FILE]

IMAGES is a folder with one folder per class, WEIGHTS a file for torchvision's ``mobilenet_v2``. Both sides know what
Regraft finds out by measuring: inputs normalised to [-1, 1], TensorFlow's padding, and that this network's batch
normalisation must stay frozen (``textbook, batch statistics`` shows, once, what happens to whoever does not know).

The textbook is the common transfer-learning tutorial: torchvision transforms, a DataLoader that decodes in every epoch,
fp32 in torch's default memory layout, batches of 32. ``frozen``: 50 epochs through a frozen backbone, Adam at 1e-3 on a
linear head. ``tune``: 25 epochs of everything, Adam (``--rate``), random resized crops. Ours is a method with default
options, from a cold cache: decoding, forwarding and training are timed. Not timed on either side: imports, loading the
weights, judging; nor the second in which Regraft measures the fastest runtime, which it does once per source: it has a
line of its own. The two sides take turns, a seed at a time, in one process, which keeps the memory it frees, as the
``regraft`` command does: this helps the textbook too.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from _measuring import Took, existing, machine, median, table, timed, write
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms import v2

from regraft.backbones._weights import pad_same
from regraft.backbones.torchvision import Torchvision
from regraft.core import allocator, catalog
from regraft.data.dataset import Dataset, Domain, whole
from regraft.data.decoding import decoded
from regraft.data.examples import Examples
from regraft.data.images import decode
from regraft.data.splits import few_shot
from regraft.features import Memory, forward
from regraft.methods._base import Method
from regraft.model import Model, Problem
from regraft.preprocessing.images import Images
from regraft.readers._base import read
from regraft.runtime import Runtime, detect, measure
from regraft.tasks.classification import Classification
from regraft.training import Engine, run

HEADER = ("method", "median s", "times less", "median processor s", "times less", "accuracy by seed", "mean")
TUNES = ("fine_tune", "probe_then_tune")


@dataclass(frozen=True)
class Bed:
    """What one repetition works on; the holdout is decoded before anything is timed."""

    train: Examples
    holdout: Dataset
    weights: Path
    size: int
    seed: int


class Photographs(torch.utils.data.Dataset):
    """The tutorials' data set: a file is opened whenever its picture is wanted."""

    def __init__(self, examples: Examples, transform: v2.Compose) -> None:
        self.examples, self.transform = examples, transform

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.examples.items[i]) as picture:
            return self.transform(picture.convert("RGB")), int(self.examples.labels[i])


def textbook_network(bed: Bed) -> nn.Module:
    """Torchvision's network with the trained weights, the right padding and a new head."""
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(load_file(bed.weights))
    pad_same(network)
    network.classifier = nn.Linear(1280, len(bed.train.classes))
    return network


def transform(size: int, vary: bool) -> v2.Compose:
    """The tutorials' chain; no flips, because hands and characters have a side."""
    first = [v2.RandomResizedCrop(size, scale=(0.6, 1.0))] if vary else [v2.Resize(size), v2.CenterCrop(size)]
    return v2.Compose([*first, v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])


def textbook(bed: Bed, network: nn.Module, frozen: bool, norm: bool, options: argparse.Namespace) -> nn.Module:
    """The tutorial's loop. ``norm``: batch normalisation keeps its stored statistics."""
    data = Photographs(bed.train, transform(bed.size, vary=not frozen))
    loader = torch.utils.data.DataLoader(data, 32, shuffle=True, num_workers=options.workers)
    network.requires_grad_(not frozen).classifier.requires_grad_(True)
    learning = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, 1e-3 if frozen else options.rate)
    criterion = nn.CrossEntropyLoss()
    for _ in range(options.frozen_epochs if frozen else options.tune_epochs):
        network.train(not frozen)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d) and norm:
                layer.eval()
        for inputs, labels in loader:
            optimizer.zero_grad()
            criterion(network(inputs), labels).backward()
            optimizer.step()
    return network.eval()


def ours(bed: Bed, subject: tuple[Model, Method], runtime: Runtime) -> Model:
    """A method of Regraft from nothing but files and weights."""
    start, method = subject
    with tempfile.TemporaryDirectory() as folder:
        dataset = whole(bed.train, decoded(bed.train, Images(size=bed.size), Path(folder)))
        task = Classification(classes=bed.train.classes, counts=tuple(bed.train.counts().values()))
        target, memory = Domain("target", dataset), Memory(runtime, Path(folder))
        problem = Problem(task, target, _backbone(bed), bed.seed, start, frozen_norm=True, memory=memory)
        return run(start, method.phases(problem), problem, Engine(runtime))


def accuracy(bed: Bed, model: nn.Module) -> float:
    """Share of the holdout that is right, in fp32 whoever trained."""
    outputs = forward(model, bed.holdout, _backbone(bed).preprocess, Runtime())
    return float((outputs.argmax(1) == bed.holdout.labels).mean())


def _backbone(bed: Bed) -> Torchvision:
    return Torchvision(arch="mobilenet_v2", weights=bed.weights, size=bed.size, normalise="half", padding="same")


def _start(bed: Bed, method: Method) -> tuple[Model, Method]:
    return Model(_backbone(bed).build(), nn.Identity(), ()), method


Entry = tuple[Callable[[Bed], Any], Callable[[Bed, Any], nn.Module]]


def entries(part: str, runtime: Runtime, options: argparse.Namespace) -> dict[str, Entry]:
    """What is compared, the textbook first: how to load the weights (not timed) and what is timed, by name."""
    frozen = part == "frozen"
    epochs = options.frozen_epochs if frozen else options.tune_epochs
    loop = partial(textbook, frozen=frozen, norm=True, options=options)
    found: dict[str, Entry] = {f"textbook, {epochs} epochs": (textbook_network, loop)}
    names = {"logistic": 0, "linear_probe": 0} if frozen else dict.fromkeys(TUNES, options.tune_steps)
    for name, steps in names.items():
        method = catalog.find("methods", name)()
        method = method.with_steps(steps) if steps else method
        found[f"Regraft `{name}`"] = (partial(_start, method=method), partial(ours, runtime=runtime))
    return found


def fastest(bed: Bed, training: bool, options: argparse.Namespace) -> tuple[Runtime, Took]:
    """The runtime that Regraft measures to be the fastest, and what the measuring took."""
    preprocess = _backbone(bed).preprocess
    sample = preprocess.tensor(bed.holdout.arrays[:32])
    network = _start(bed, None)[0].backbone.eval()  # its batch normalisation stays frozen in training too
    took, (runtime, _) = timed(lambda: measure(network, sample, training, detect()), options.patience)
    return runtime, took


def compare(part: str, examples: Examples, options: argparse.Namespace) -> dict[str, Any]:
    """Times and accuracies of every entry, the sides taking turns."""
    found: dict[str, Any] = {}
    for seed in range(options.repeats):
        bed = _bed(examples, seed, options)
        if seed == 0:
            runtime, took = fastest(bed, part == "tune", options)
            print(f"{part}: {runtime.precision}, chosen in {took.wall:.1f} s ({took.cpu:.1f} s of processor time)")
        every = entries(part, runtime, options)
        if part == "tune" and seed == 0:
            loop = partial(textbook, frozen=False, norm=False, options=options)
            every["textbook, batch statistics (once)"] = (textbook_network, loop)
        for name, (prepare, work) in every.items():
            torch.manual_seed(seed)
            subject = prepare(bed)
            took, model = timed(partial(work, bed, subject), options.patience)
            entry = found.setdefault(name, {"times": [], "accuracy": []})
            entry["times"].append(took)
            entry["accuracy"].append(accuracy(bed, model))
            print(f"seed {seed}: {name}: {took.wall:.1f} s, {entry['accuracy'][-1]:.3f}", flush=True)
    return found


def _bed(examples: Examples, seed: int, options: argparse.Namespace) -> Bed:
    drawn, rest = few_shot(examples, options.shots, seed)
    judged = examples.take(np.random.default_rng(0).permutation(rest)[: options.holdout])
    holdout = whole(judged, decode(judged.items, options.size))
    return Bed(examples.take(drawn), holdout, options.weights, options.size, seed)


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table."""
    first: list[Took] = next(iter(found.values()))["times"]
    lines = []
    for name, entry in found.items():
        cells = []
        for clock in ("wall", "cpu"):
            mine = median(entry["times"], clock)
            cells += [f"{mine:.2f}", f"{median(first, clock) / mine:.1f}"]
        seeds = " ".join(f"{a:.3f}" for a in entry["accuracy"])
        lines.append((name, *cells, seeds, f"{np.mean(entry['accuracy']):.3f}"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Regraft against the textbook loops.")
    parser.add_argument("images", type=existing)
    parser.add_argument("weights", type=existing)
    parser.add_argument("--part", nargs="+", choices=("frozen", "tune"), default=["frozen", "tune"])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--shots", type=int, default=20, help="labels per class to train on")
    parser.add_argument("--holdout", type=int, default=600, help="pictures to judge on")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=0, help="of the textbook's DataLoader")
    parser.add_argument("--rate", type=float, default=1e-4, help="of the textbook's fine-tune")
    parser.add_argument("--frozen-epochs", type=int, default=50)
    parser.add_argument("--tune-epochs", type=int, default=25)
    parser.add_argument("--tune-steps", type=int, default=100, help="of our fine-tunes")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a quiet machine, each time")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    torch.set_num_threads(options.threads)
    examples = read(options.images)
    found = {part: compare(part, examples, options) for part in options.part}
    print(machine(), f"\n{options.shots} labels per class, {options.size} pixels, {options.threads} threads")
    for entry in found.values():
        print("\n" + table(HEADER, rows(entry)))
    plain = {p: {n: {**e, "times": [vars(t) for t in e["times"]]} for n, e in f.items()} for p, f in found.items()}
    write(options.out, plain)


if __name__ == "__main__":
    main()
