"""The language models and encoders that an experiment may name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jupyter_mop.backends.base import Backend, Encoder
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder, split_words
from jupyter_mop.holdings import load_backend

TOYS = {"toy": 2.0, "toy-other": 1.0}
TOY_LENGTH, TOY_DIMENSIONS = 8, 48


def open_backend(name: str, texts: Sequence[str]) -> Backend:
    """Return the model `name`: "local", a path, or a toy that knows the words of `texts`."""
    if name not in TOYS:
        return load_backend(name)
    return ToyBackend(_words(texts), length=TOY_LENGTH, persona_boost=TOYS[name])


def open_encoder(name: str, texts: Sequence[str]) -> Encoder | None:
    """Return the encoder that goes with the model `name`; None for the embedded one."""
    return ToyEncoder(_words(texts)[:TOY_DIMENSIONS]) if name in TOYS else None


def _words(texts: Sequence[str]) -> list[str]:
    """Return the words of `texts`, the most frequent first."""
    counts = Counter(word for text in texts for word in split_words(text))
    return [word for word, _ in counts.most_common()]
