"""An endpoint's batch API: upload a file, start a batch, look after it, download its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_mop.backends.batch.lines import CHATS, Outcome, read_lines
from jupyter_mop.backends.endpoint.error_messages import RefusedError
from jupyter_mop.backends.endpoint.event_loop import run
from jupyter_mop.backends.endpoint.server import Endpoint
from jupyter_mop.errors import ModelError

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

_FILES, _BATCHES = "/files", "/batches"
_TOKEN = "jupyter_mop"  # noqa: S105  the name of a batch's own entry
_OVER = ("completed", "expired", "cancelled", "failed")
_PAGE = 100


class Status(NamedTuple):
    """The state of a batch on the server.

    Attributes
    ----------
    batch_id : str
    state : str
        The server's word, such as "in_progress" or "completed".
    n_requests, n_answered : int
        Requests in the batch, and those that have been answered.
    files : tuple of str
        Files of answers and of failures.
    words : str
        Why the server refused the whole batch; "" if it did not.
    """

    batch_id: str
    state: str
    n_requests: int
    n_answered: int
    files: tuple[str, ...]
    words: str

    @property
    def is_over(self) -> bool:
        """Whether there will be no more answers."""
        return self.state in _OVER


class BatchService:
    """The batch API of one endpoint, by the openai client; every call is free of charge.

    Parameters
    ----------
    endpoint : Endpoint

    Raises
    ------
    ModelError
        By every method: the server cannot be reached, or it refuses, with its own words.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def upload(self, content: bytes, token: str) -> str:
        """Upload a file of requests; return its ID. An unused file costs nothing."""
        file = (f"jupyter-mop-{token}.jsonl", content)

        async def call(client: AsyncOpenAI) -> str:
            return (await client.files.create(file=file, purpose="batch")).id

        try:
            return run(self._endpoint.use(_FILES, call))
        except RefusedError as error:
            raise _no_batches(error) from None

    def create(self, file_id: str, token: str) -> str:
        """Start the batch of an uploaded file; return its ID.

        It is tried once: whether an attempt without a reply has started it is found by `find`.
        """

        async def call(client: AsyncOpenAI) -> str:
            batch = await client.batches.create(
                completion_window="24h",
                endpoint=CHATS,
                input_file_id=file_id,
                metadata={_TOKEN: token},
            )
            return batch.id

        return run(self._endpoint.use(_BATCHES, call, attempts=1))

    def find(self, token: str) -> str | None:
        """Return the ID of the batch that was started with this token, or None."""

        async def call(client: AsyncOpenAI) -> str | None:
            async for batch in client.batches.list(limit=_PAGE):
                if (batch.metadata or {}).get(_TOKEN) == token:
                    return batch.id
            return None

        return run(self._endpoint.use(_BATCHES, call))

    def status(self, batch_id: str) -> Status:
        """Return the state of a batch."""

        async def call(client: AsyncOpenAI) -> Status:
            return _status(await client.batches.retrieve(batch_id))

        return run(self._endpoint.use(f"{_BATCHES}/{batch_id}", call))

    def outcomes(self, status: Status) -> dict[str, Outcome]:
        """Download the files of a batch that is over; return the outcome of each request."""
        return read_lines(self._content(file_id) for file_id in status.files)

    def _content(self, file_id: str) -> bytes:
        async def call(client: AsyncOpenAI) -> bytes:
            return (await client.files.content(file_id)).content

        return run(self._endpoint.use(f"{_FILES}/{file_id}/content", call))


def _status(batch: Batch) -> Status:
    counts = batch.request_counts
    errors = (batch.errors.data if batch.errors else None) or []
    files = (batch.output_file_id, batch.error_file_id)
    words: list[Any] = list(dict.fromkeys(error.message for error in errors if error.message))
    return Status(
        batch.id,
        batch.status,
        counts.total if counts else 0,
        counts.completed if counts else 0,
        tuple(file for file in files if file),
        "; ".join(words[:3]),
    )


def _no_batches(error: RefusedError) -> ModelError:
    return ModelError(
        error.message, hint="Leave out --batch: this server may not have OpenAI's batch API."
    )
