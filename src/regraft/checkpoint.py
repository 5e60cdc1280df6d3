"""Nested tensors and plain values in one safetensors file: no pickle, written at once or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def save(path: Path, tensors: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any]) -> None:
    """Write groups of named tensors and plain values to ``path``, atomically.

    Raises:
        OSError: the disk is full or the folder is not writable; an older file at ``path`` is still whole.
    """
    items = ((f"{group}/{name}", t) for group, named in tensors.items() for name, t in named.items())
    flat = {key: tensor.detach().cpu().contiguous() for key, tensor in items}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        save_file(_unshared(flat), temporary, {"values": json.dumps(values)})
    except SafetensorError as error:  # safetensors wraps the reason: the disk is full, say
        temporary.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error}") from error
    os.replace(temporary, path)


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """What ``save`` wrote, or None if there is no whole file."""
    if not path.exists():
        return None
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 (a safetensors handle is not a dict)
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
            return groups, json.loads(file.metadata()["values"])
    except SafetensorError:
        return None


def _unshared(flat: dict[str, Tensor]) -> dict[str, Tensor]:
    seen: set[int] = set()
    for name, tensor in flat.items():
        if tensor.data_ptr() in seen and tensor.numel():
            flat[name] = tensor.clone()  # safetensors refuses two names for one memory
        seen.add(tensor.data_ptr())
    return flat


def like(values: Tensor, reference: Tensor) -> Tensor:
    """``values`` in the memory layout and on the device of ``reference``: fused optimisers need them alike."""
    return torch.empty_like(reference, dtype=values.dtype).copy_(values)
