"""Sentence vectors from an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.chat.models import only_model
from jupyter_mop.backends.endpoint.error_messages import MalformedError
from jupyter_mop.backends.endpoint.event_loop import run, run_all
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.backends.protocols import OnVectors


class OpenAIEncoder:
    """A sentence encoder that uses the embeddings of an OpenAI-compatible endpoint.

    Parameters
    ----------
    base_url, model, api_key, timeout, in_flight, requests_per_minute, tokens_per_minute
        As for `OpenAIBackend`.

    Raises
    ------
    DataError
        `base_url` is not an HTTP or HTTPS address.
    """

    def __init__(
        self,
        base_url: str = defaults.OPENAI_URL,
        model: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = defaults.TIMEOUT_SECONDS,
        in_flight: int = defaults.IN_FLIGHT,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.endpoint = Endpoint(
            base_url,
            api_key,
            timeout=timeout,
            in_flight=in_flight,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
        )
        self._model = model

    def __repr__(self) -> str:
        return f"OpenAIEncoder({self.endpoint.base_url!r}, {self._model!r})"

    @cached_property
    def model(self) -> str:
        """Name of the model on the server."""
        return self._model or run(only_model(self.endpoint))

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the vectors could; it contains no API key."""
        return f"openai-encoder:{self.endpoint.name}:{self.model}"

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32.

        Raises
        ------
        ModelError
            The endpoint has no embeddings, or it failed repeatedly.
        """
        size, model = defaults.EMBEDDING_BATCH_SIZE, self.model
        starts = range(0, len(texts), size)

        async def embed(start: int) -> NDArray[np.float32]:
            batch = list(texts[start : start + size])
            body = {"model": model, "input": batch, "encoding_format": "float"}
            return await self.endpoint.post("/embeddings", body, lambda a: _vectors(a, len(batch)))

        def report(number: int, vectors: NDArray[np.float32]) -> None:
            if on_result:
                start = starts[number]
                on_result(range(start, start + len(vectors)), vectors)

        batches = run_all(starts, embed, report, max_in_flight=self.endpoint.in_flight)
        return np.concatenate(batches) if batches else np.zeros((0, 0), dtype=np.float32)


def _vectors(answer: Json, n: int) -> NDArray[np.float32]:
    rows = sorted(answer["data"], key=lambda row: int(row["index"]))
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if len(vectors) != n or not np.isfinite(vectors).all() or not lengths.all():
        raise MalformedError("other vectors than were requested")
    units: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return units
