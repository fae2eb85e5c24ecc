"""Send a study's requests as batches, at half the price."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_mop.backends.batch.backend import BatchBackend
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.errors import DataError
from jupyter_mop.study.session import Session


def is_batch(session: Session) -> bool:
    """Return whether the session sends its requests as batches."""
    cached = vars(session).get("backend")
    return cached is not None and isinstance(cached.backend, BatchBackend)


@contextmanager
def in_batches(session: Session) -> Iterator[None]:
    """Send the model's requests as batches inside a `with` block, all of a step together.

    Raises
    ------
    DataError
        The model is not at an endpoint.
    """
    cached = session.backend
    direct, price = cached.backend, cached.price
    if not isinstance(direct, OpenAIBackend):
        raise DataError(
            "Batches need a model at an endpoint with OpenAI's batch API.",
            hint="Leave out --batch, or choose one with %mop_backend https://api.openai.com/v1.",
        )
    batches = BatchBackend(direct, session.store, price=price)
    with cached.asking(batches, price=batches.price, prompts_at_once=sys.maxsize):
        yield
