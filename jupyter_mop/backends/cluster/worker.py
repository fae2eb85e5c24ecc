"""What a worker of a cluster does: it holds one model and one encoder, and answers shards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    Encoder,
    FirstTokens,
    GenerationRequest,
    Prompt,
    SamplingParams,
    ScoreRequest,
    ScoresFirstTokens,
    TokenScores,
)
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.errors import DataError, ModelError, MopError

Value = Completion | TokenScores | FirstTokens
Model = Backend | Encoder
OnValue = Callable[[int, Any], None]
Ask = Callable[[Backend, Sequence[Any], OnValue], object]

_SEND_SECONDS = 0.2

_held: dict[bool, tuple[tuple[str, str], Any, Any]] = {}  # is it an encoder: key, model, turn
_opening = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """How a worker opens a language model or an encoder: neither weights nor a key are in it.

    Attributes
    ----------
    fingerprint : str
        What the opened model must be.
    key : str
        Tells apart models of one fingerprint that are opened in another way.
    open : callable
        Opens it.
    is_endpoint : bool
        Whether it may be asked from several threads.
    is_encoder : bool
        Whether it is an encoder; a worker holds one of each.
    """

    fingerprint: str
    key: str
    open: Callable[[], Any]
    is_endpoint: bool = False
    is_encoder: bool = False


@dataclass(frozen=True)
class Outcome:
    """The answers to a shard by their place in it, and what went wrong before the rest came."""

    values: dict[int, Any]
    error: MopError | None = None


class CancelledShard(Exception):  # noqa: N818  not a fault
    """Nobody waits for the shard any more."""


def recipe_for(backend: Backend) -> Recipe:
    """Return how workers open the same language model.

    Raises
    ------
    DataError
        For a model of which that is not known.

    Examples
    --------
    >>> recipe_for(ToyBackend(["yes", "no"])).open().vocabulary
    ('yes', 'no')
    """
    from jupyter_mop.backends.endpoint.backend import OpenAIBackend
    from jupyter_mop.backends.openvino.backend import LocalBackend

    if isinstance(backend, ToyBackend):
        return Recipe(backend.fingerprint, type(backend).__name__, partial(_itself, backend))
    if isinstance(backend, LocalBackend):
        local = (backend.path, backend.cache_blocks)
        return Recipe(backend.fingerprint, repr(local), partial(_open_local, *local))
    if isinstance(backend, OpenAIBackend):
        server = backend.endpoint
        how = (server.base_url, backend.model, backend.chat_template, server.timeout)
        remote = (*how, server.in_flight)
        opened = partial(_open_endpoint, *remote)
        return Recipe(backend.fingerprint, repr(remote), opened, is_endpoint=True)
    raise DataError(
        f"A cluster cannot open a {type(backend).__name__} on its workers.",
        hint="Use the embedded model, a model file or an endpoint.",
    )


def recipe_for_encoder(encoder: Encoder) -> Recipe:
    """Return how workers open the same encoder.

    Raises
    ------
    DataError
        For an encoder of which that is not known.

    Examples
    --------
    >>> recipe_for_encoder(ToyEncoder(["yes", "no"])).open().encode(["yes"]).shape
    (1, 2)
    """
    from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder
    from jupyter_mop.backends.openvino.encoder import CallableEncoder, MiniLMEncoder

    if isinstance(encoder, ToyEncoder | CallableEncoder):
        itself = partial(_itself, encoder)
        return Recipe(encoder.fingerprint, type(encoder).__name__, itself, is_encoder=True)
    if isinstance(encoder, MiniLMEncoder):
        local = partial(_open_minilm, encoder.path)
        return Recipe(encoder.fingerprint, repr(encoder.path), local, is_encoder=True)
    if isinstance(encoder, OpenAIEncoder):
        server = encoder.endpoint
        how = (server.base_url, encoder.model, server.timeout, server.in_flight)
        remote = partial(_open_embeddings, *how)
        return Recipe(encoder.fingerprint, repr(how), remote, is_endpoint=True, is_encoder=True)
    raise DataError(
        f"A cluster cannot open a {type(encoder).__name__} on its workers.",
        hint="Use the embedded encoder, one of an endpoint, or a CallableEncoder.",
    )


def generate(
    params: SamplingParams,
    backend: Backend,
    requests: Sequence[GenerationRequest],
    on_result: OnValue,
) -> object:
    """Draw responses."""
    return backend.generate(requests, params, on_result=on_result)


def score(backend: Backend, requests: Sequence[ScoreRequest], on_result: OnValue) -> object:
    """Score responses."""
    return backend.score(requests, on_result=on_result)


def first_tokens(backend: Backend, prompts: Sequence[Prompt], on_result: OnValue) -> object:
    """Tell first tokens."""
    assert isinstance(backend, ScoresFirstTokens)  # noqa: S101  the caller has asked
    return backend.first_tokens(prompts, on_result=on_result)


def answer(  # noqa: PLR0917  a task of Dask
    recipe: Recipe, ask: Ask, requests: Sequence[Any], topic: str, run: str, number: int
) -> Outcome:
    """Answer a shard on a worker; what is finished is told on `topic` meanwhile.

    Each message is (run, number of the shard, [(place in it, fields of the value), ...]).
    """
    report = _Report(topic, run, number)
    try:
        with _opened(recipe) as backend:
            ask(backend, requests, report)
    except MopError as error:
        return Outcome(report.values, error)
    return Outcome(report.values)


def encode(recipe: Recipe, texts: Sequence[str], _topic: str, _run: str, _number: int) -> Outcome:
    """Encode a shard on a worker; its vectors come together at its end."""
    try:
        with _opened(recipe) as encoder:
            return Outcome(dict(enumerate(encoder.encode(texts))))
    except MopError as error:
        return Outcome({}, error)


class _Report:
    """Collects the answers to a shard and tells of them a few times a second."""

    def __init__(self, topic: str, run: str, number: int) -> None:
        from distributed import get_worker

        self.values: dict[int, Value] = {}
        self._worker = get_worker()
        self._task = self._worker.get_current_task()
        self._topic, self._run, self._number = topic, run, number
        self._unsent: list[int] = []
        self._sent = 0.0

    def __call__(self, place: int, value: Value) -> None:
        self.values[place] = value
        self._unsent.append(place)
        if time.monotonic() - self._sent >= _SEND_SECONDS:
            self._send()
            self._check_wanted()

    def _send(self) -> None:
        rows = [(place, astuple(self.values[place])) for place in self._unsent]
        self._worker.log_event(self._topic, (self._run, self._number, rows))
        self._unsent, self._sent = [], time.monotonic()

    def _check_wanted(self) -> None:
        task = self._worker.state.tasks.get(self._task)
        if task is None or task.state != "executing":
            raise CancelledShard


@contextmanager
def _opened(recipe: Recipe) -> Iterator[Any]:
    """Give the worker's one model, opened before or now; only an endpoint is shared by threads."""
    key = (recipe.fingerprint, recipe.key)
    with _opening:
        if _held.get(recipe.is_encoder, (None,))[0] != key:
            _held.pop(recipe.is_encoder, None)
            _held[recipe.is_encoder] = key, _open(recipe), _turn(recipe)
        _, model, turn = _held[recipe.is_encoder]
    with turn:
        yield model


def _turn(recipe: Recipe) -> Any:  # noqa: ANN401  a context manager
    return nullcontext() if recipe.is_endpoint else threading.Lock()


def _open(recipe: Recipe) -> Model:
    try:
        model: Model = recipe.open()
    except MopError as error:
        error.message = f"A worker of the cluster cannot open the model: {error.message}"
        raise
    if model.fingerprint != recipe.fingerprint:
        raise ModelError(
            f"A worker of the cluster opened another model: {model.fingerprint}, not "
            f"{recipe.fingerprint}.",
            hint="Give every worker the same model file and the same version of openvino-genai.",
        )
    return model


def _itself(model: Model) -> Model:
    return model


def _open_minilm(path: Path | None) -> Encoder:
    from jupyter_mop.backends.openvino.encoder import MiniLMEncoder

    return MiniLMEncoder(path)


def _open_embeddings(base_url: str, model: str, timeout: float, in_flight: int) -> Encoder:
    from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder

    return OpenAIEncoder(base_url, model, timeout=timeout, in_flight=in_flight)


def _open_local(path: Path | None, cache_blocks: int) -> Backend:
    from jupyter_mop.backends.openvino.backend import LocalBackend

    return LocalBackend(path, cache_blocks=cache_blocks)


def _open_endpoint(
    base_url: str, model: str, template: ChatTemplate, timeout: float, in_flight: int
) -> Backend:
    from jupyter_mop.backends.endpoint.backend import OpenAIBackend

    return OpenAIBackend(
        base_url, model, chat_template=template, timeout=timeout, in_flight=in_flight
    )
