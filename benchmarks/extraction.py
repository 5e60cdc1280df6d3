"""Feature extraction, decode included, against the machine's limit 1 / (1/forward + 1/decode).

    python benchmarks/extraction.py IMAGES WEIGHTS [--size 128 224] [--repeats 5] [--threads 2] [--out FILE]

IMAGES is a folder with one folder per class, WEIGHTS a file for torchvision's ``mobilenet_v2``. Ours is what a run does
with a cold cache: ``data.images.decoded`` and ``features.features``, writing both memory maps. The limit is measured
bare in the same run, in turn with ours: ``decode`` is Pillow in threads (open, RGB, resize) and nothing else;
``forward`` is the same network in the same precision and batch size on normalised tensors already in memory.
Processor time is given beside the wall clock: on a busy machine it is the steadier of the two.
"""

import argparse
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import Took, existing, machine, median, table, timed, write
from PIL import Image

from regraft.backbones._base import Network
from regraft.backbones.torchvision import Torchvision
from regraft.core import allocator
from regraft.data.dataset import whole
from regraft.data.decoding import decoded
from regraft.data.examples import Examples
from regraft.features import _BATCH, Memory, features
from regraft.folding import folded
from regraft.preprocessing._base import Preprocess
from regraft.readers._base import read
from regraft.runtime import Runtime, detect, measure

HEADER = ("pixels", "precision", "clock", "decode /s", "forward /s", "limit /s", "ours /s", "share of the limit")


def bare_decode(examples: Examples, size: int) -> np.ndarray:
    """Pillow in threads: the least that decoding can be."""
    pixels = np.empty((len(examples), size, size, 3), np.uint8)

    def one(i: int) -> None:
        with Image.open(examples.items[i]) as picture:
            pixels[i] = np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(examples))))
    return pixels


def bare_forward(network: Network, batches: list[torch.Tensor], runtime: Runtime) -> None:
    """The network on tensors that are ready, its batch normalisation folded as ours is."""
    with folded(network, batches[0][:2]), torch.inference_mode(), runtime.compute(network):
        for x in batches:
            network(x)


def ours(network: Network, examples: Examples, preprocess: Preprocess, runtime: Runtime) -> None:
    """What a run does, cold."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = whole(examples, decoded(examples, preprocess, Path(folder)))
        features(network, dataset, preprocess, Memory(runtime, Path(folder)))


def at_size(size: int, examples: Examples, options: argparse.Namespace) -> dict[str, Any]:
    """All measurements at one size."""
    backbone = Torchvision(arch="mobilenet_v2", weights=options.weights, size=size, normalise="half", padding="same")
    network = backbone.build().eval()
    pixels = bare_decode(examples, size)
    parts = np.array_split(pixels, -(-len(pixels) // _BATCH))
    batches = [backbone.preprocess.tensor(part) for part in parts]
    runtime = detect() if options.precision == "auto" else detect(precision=options.precision)
    if options.precision == "auto":
        runtime, _ = measure(network, batches[0][:32], False, runtime)
    runtime.place(network)
    works = {
        "decode": lambda: bare_decode(examples, size),
        "forward": lambda: bare_forward(network, batches, runtime),
        "ours": lambda: ours(network, examples, backbone.preprocess, runtime),
    }
    times: dict[str, list[Took]] = {name: [] for name in works}
    for _ in range(options.repeats):
        for name, work in works.items():
            times[name].append(timed(work, options.patience)[0])
    return {"size": size, "precision": runtime.precision, "times": times}


def rows(found: dict[str, Any], count: int) -> list[tuple[str, ...]]:
    """The lines of the table for one size: by the wall and by processor time."""
    lines = []
    for clock in ("wall", "cpu"):
        decode, forward, mine = (median(found["times"][n], clock) for n in ("decode", "forward", "ours"))
        rates = (f"{count / seconds:.0f}" for seconds in (decode, forward, decode + forward, mine))
        share = f"{(decode + forward) / mine:.0%}"
        lines.append((str(found["size"]), found["precision"], clock, *rates, share))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Feature extraction against the machine's limit.")
    parser.add_argument("images", type=existing)
    parser.add_argument("weights", type=existing)
    parser.add_argument("--size", type=int, nargs="+", default=[128, 224])
    parser.add_argument("--count", type=int, default=0, help="pictures, spread over the classes; 0 for all")
    parser.add_argument("--precision", default="auto", help="fp32, bf16, or auto: the faster one")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for a quiet machine, each time")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    allocator.keep_freed()
    torch.set_num_threads(options.threads)
    examples = read(options.images)
    if options.count:
        examples = examples.take(np.linspace(0, len(examples) - 1, options.count).astype(int))
    found = [at_size(size, examples, options) for size in options.size]
    print(machine(), f"\n{len(examples)} pictures, {options.threads} threads, medians of {options.repeats}\n")
    print(table(HEADER, [line for one in found for line in rows(one, len(examples))]))
    plain = [{**one, "times": {n: [vars(t) for t in ts] for n, ts in one["times"].items()}} for one in found]
    write(options.out, {"pictures": len(examples), "threads": options.threads, "measured": plain})


if __name__ == "__main__":
    main()
