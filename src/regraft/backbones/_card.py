"""Model cards: what a README.md says of a model in the YAML before its text."""

from collections.abc import Mapping
from pathlib import Path

import yaml

_KEYS = {"license": "licence", "base_model": "made from", "datasets": "trained on"}


def card(path: Path) -> Mapping[str, str]:
    """Licence, base model and data of a model, as far as its card says; the first link to a paper is its citation."""
    try:
        text = path.read_text(encoding="utf-8")
        front = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, IndexError):  # a card that cannot be read says nothing
        return {}
    front = front if isinstance(front, dict) else {}
    found = {_KEYS[key]: _said(value) for key, value in front.items() if key in _KEYS}
    papers = [word.strip("()<>[]., ").rpartition("(")[2] for word in text.split() if "arxiv.org/abs/" in word]
    return {**found, **({"citation": papers[0]} if papers else {})}


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
