"""How a network of the user's own reads text: by the vocabulary beside its weights."""

import json
from dataclasses import replace
from pathlib import Path

from regraft.core.errors import UserError
from regraft.data.examples import Examples
from regraft.preprocessing._listed import Listed
from regraft.preprocessing._text import fitting
from regraft.preprocessing.characters import Characters
from regraft.preprocessing.words import Words

_MOST = 512
_WRITE = 'write {"token": number, ...} there'


def reading(weights: Path | None, examples: Examples) -> Listed:
    """Characters, if nearly all tokens of the vocabulary are single ones, else words; as many as the examples have.

    The vocabulary is the one file beside the weights whose name ends in ``vocab.json``: tokens with their numbers, as
    in training, or a list of them. Number 0 also stands for everything unknown.

    Raises:
        UserError: there is none, or it is no vocabulary.
    """
    found = sorted(weights.parent.glob("*vocab.json")) if weights else []
    if len(found) != 1:
        place = f"beside {weights} there are {len(found)}" if weights else "no weights file was named"
        raise UserError(f"a network of text needs one vocab.json beside its weights; {place}: {_WRITE}")
    tokens = _tokens(found[0])
    single = sum(len(token) == 1 for token in tokens if token)
    text = (Characters if single > 0.9 * sum(map(bool, tokens)) else Words)(vocabulary=tokens)
    return replace(text, length=fitting([len(text.parts(item)) for item in examples.items], _MOST))


def _tokens(path: Path) -> tuple[str, ...]:
    """The tokens by their numbers; numbers that no token has are the empty one."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        numbered = dict(enumerate(read)) if isinstance(read, list) else {int(n): token for token, n in read.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is not a vocabulary: {_WRITE}") from error
    if not numbered or min(numbered) < 0 or not all(isinstance(token, str) for token in numbered.values()):
        raise UserError(f"{path} is not a vocabulary: {_WRITE}")
    return tuple(numbered.get(n, "") for n in range(max(numbered) + 1))
