"""The extras: libraries that only some work needs, installed by name."""

from typing import NamedTuple

from regraft.core.errors import UserError


class Extra(NamedTuple):
    """``package``: the one that shows whether it is installed. ``use``: what needs it, in the plural."""

    package: str
    use: str


EXTRAS = {
    "keras": Extra("keras", "models of Keras and TensorFlow (keras: sources)"),
    "onnx": Extra("onnxruntime", "ONNX models (onnx: sources)"),
    "peft": Extra("peft", "low-rank updates and their kin (methods lora, dora, ia3 and prefix)"),
    "text": Extra("tokenizers", "texts"),
    "hf": Extra("transformers", "networks of Hugging Face (hf: sources)"),
    "audio": Extra("soundfile", "recordings"),
    "arrow": Extra("pyarrow", "Parquet and Arrow files"),
    "ray": Extra("ray", "runs on several machines (option cluster)"),
    "ot": Extra("POT", "plans of transport (method optimal_transport)"),
    "tiff": Extra("tifffile", "TIFF files of many channels"),
}


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'regraft[{extra}]'"


def missing(extra: str) -> UserError:
    """The error where an extra is needed and not installed."""
    return UserError(f"{EXTRAS[extra].use} need the extra {extra!r}: {install(extra)}")
