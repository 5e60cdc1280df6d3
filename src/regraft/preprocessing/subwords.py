"""Text by a vocabulary of its own."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from regraft.core.config import settings
from regraft.core.extras import missing
from regraft.preprocessing._text import Text

SIZE = 8000
"""Tokens of a learned vocabulary, at most."""
UNKNOWN = "[UNK]"
LONGEST = 20_000
"""Characters of a text that are looked at: many times what a network reads, and megabytes would take minutes."""


@settings
class Subwords(Text):
    """Text by subwords of a vocabulary that was learned from the examples: WordPiece, in lower case.

    Chinese characters stand alone, as they are not separated by spaces.
    Reference: Wu et al., Google's neural machine translation system, arXiv:1609.08144, section 4.1.
    """

    vocabulary: tuple[str, ...] = ()
    """Token ``i`` is the ``i``-th; the first stands for everything unknown."""

    @property
    def key(self) -> str:
        """See `Preprocess.key`."""
        known = hashlib.blake2b("\n".join(self.vocabulary).encode(), digest_size=8).hexdigest()
        return f"subwords-{known}-{self.length}"

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """See `Text.tokenize`."""
        found = _tokenizer(self.vocabulary).encode_batch([text[:LONGEST] for text in texts])
        return [encoding.ids[: self.length] or [0] for encoding in found]


def learned(texts: Sequence[str], size: int = SIZE) -> tuple[str, ...]:
    """A vocabulary of at most ``size`` subwords, learned from ``texts``; always the same for the same texts."""
    library = _library()
    tokenizer, texts = _blank(library.models.WordPiece(unk_token=UNKNOWN)), sorted(text[:LONGEST] for text in texts)
    # The trainer breaks ties by numbers that it gives in the order of a hash, which differs from call to call.
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[UNKNOWN, *_inner(tokenizer, texts)], min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab()
    return (UNKNOWN, *sorted(name for name in vocabulary if name != UNKNOWN))


def _inner(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """The characters that stand inside a word, as tokens, in order."""
    found = set[str]()
    for text in texts:
        words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        found.update(*(word[1:] for word, _ in words))
    return sorted(f"##{character}" for character in found)


@cache
def _tokenizer(vocabulary: tuple[str, ...]) -> Any:
    places = {name: i for i, name in enumerate(vocabulary)}
    return _blank(_library().models.WordPiece(places, unk_token=UNKNOWN, max_input_chars_per_word=100))


def _blank(model: Any) -> Any:
    library = _library()
    tokenizer = library.Tokenizer(model)
    tokenizer.normalizer = library.normalizers.BertNormalizer(strip_accents=False, lowercase=True)
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise missing("text") from error
    return tokenizers
