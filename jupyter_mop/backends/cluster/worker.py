"""Tasks of a cluster worker, which keeps one model and one encoder open."""

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
from jupyter_mop.backends.endpoint.chat.model_options import ModelOptions
from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    Encoder,
    FirstTokens,
    GenerationRequest,
    Prompt,
    SamplingParams,
    ScoreRequest,
    Scores,
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

_open_models: dict[bool, tuple[tuple[str, str], Any, Any]] = {}  # by is_encoder: key, model, lock
_opening = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """How a worker opens a language model or an encoder, without weights or API keys.

    Attributes
    ----------
    fingerprint : str
        Fingerprint that the opened model must have.
    key : str
        Distinguishes models of one fingerprint that are opened with other settings.
    open : callable
        Opens the model.
    is_endpoint : bool
        Whether several threads may use it.
    is_encoder : bool
        Whether it is an encoder; a worker keeps one of each.
    """

    fingerprint: str
    key: str
    open: Callable[[], Any]
    is_endpoint: bool = False
    is_encoder: bool = False


@dataclass(frozen=True)
class Outcome:
    """The answers to a shard by position, and the error that ended it, if any."""

    values: dict[int, Any]
    error: MopError | None = None


class CancelledShard(Exception):  # noqa: N818  not a fault
    """The shard was cancelled."""


def recipe_for(backend: Backend) -> Recipe:
    """Return the recipe by which workers open the same language model.

    Raises
    ------
    DataError
        Workers cannot open this kind of model.

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
        settings = (server.address.text, backend.model, backend.chat_template, server.timeout)
        remote = (*settings, server.in_flight, backend.options)
        open_remote = partial(_open_endpoint, *remote)
        return Recipe(backend.fingerprint, repr(remote), open_remote, is_endpoint=True)
    raise DataError(
        f"The workers of a cluster cannot open a {type(backend).__name__}.",
        hint="Use the embedded model, a model file or an endpoint.",
    )


def recipe_for_encoder(encoder: Encoder) -> Recipe:
    """Return the recipe by which workers open the same encoder.

    Raises
    ------
    DataError
        Workers cannot open this kind of encoder.

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
        settings = (server.address.text, encoder.model, server.timeout, server.in_flight)
        remote = partial(_open_embeddings, *settings)
        return Recipe(
            encoder.fingerprint, repr(settings), remote, is_endpoint=True, is_encoder=True
        )
    raise DataError(
        f"The workers of a cluster cannot open a {type(encoder).__name__}.",
        hint="Use the embedded encoder, an endpoint's encoder, or a CallableEncoder.",
    )


def generate(
    params: SamplingParams,
    backend: Backend,
    requests: Sequence[GenerationRequest],
    on_result: OnValue,
) -> object:
    """Generate responses."""
    return backend.generate(requests, params, on_result=on_result)


def score(backend: Backend, requests: Sequence[ScoreRequest], on_result: OnValue) -> object:
    """Score responses."""
    assert isinstance(backend, Scores)  # noqa: S101  see can_score
    return backend.score(requests, on_result=on_result)


def first_tokens(backend: Backend, prompts: Sequence[Prompt], on_result: OnValue) -> object:
    """Return the most likely first tokens."""
    assert isinstance(backend, ScoresFirstTokens)  # noqa: S101  see can_score_first_tokens
    return backend.first_tokens(prompts, on_result=on_result)


def answer(  # noqa: PLR0917  a Dask task
    recipe: Recipe, ask: Ask, requests: Sequence[Any], topic: str, run: str, number: int
) -> Outcome:
    """Answer a shard on a worker; finished answers are sent on `topic` in the meantime.

    Each message is (run, number of the shard, [(position, fields of the value), ...]).
    """
    report = _Report(topic, run, number)
    try:
        with _opened(recipe) as backend:
            ask(backend, requests, report)
    except MopError as error:
        return Outcome(report.values, error)
    return Outcome(report.values)


def encode(recipe: Recipe, texts: Sequence[str], _topic: str, _run: str, _number: int) -> Outcome:
    """Encode a shard on a worker; its vectors are returned together."""
    try:
        with _opened(recipe) as encoder:
            return Outcome(dict(enumerate(encoder.encode(texts))))
    except MopError as error:
        return Outcome({}, error)


class _Report:
    """Collect the answers to a shard and send them a few times per second."""

    def __init__(self, topic: str, run: str, number: int) -> None:
        from distributed import get_worker

        self.values: dict[int, Value] = {}
        self._worker = get_worker()
        self._task = self._worker.get_current_task()
        self._topic, self._run, self._number = topic, run, number
        self._unsent: list[int] = []
        self._sent = 0.0

    def __call__(self, position: int, value: Value) -> None:
        self.values[position] = value
        self._unsent.append(position)
        if time.monotonic() - self._sent >= _SEND_SECONDS:
            self._send()
            self._check_cancelled()

    def _send(self) -> None:
        rows = [(position, astuple(self.values[position])) for position in self._unsent]
        self._worker.log_event(self._topic, (self._run, self._number, rows))
        self._unsent, self._sent = [], time.monotonic()

    def _check_cancelled(self) -> None:
        task = self._worker.state.tasks.get(self._task)
        if task is None or task.state != "executing":
            raise CancelledShard


@contextmanager
def _opened(recipe: Recipe) -> Iterator[Any]:
    """Yield the worker's model, opened if needed; threads take turns unless it is an endpoint."""
    key = (recipe.fingerprint, recipe.key)
    with _opening:
        if _open_models.get(recipe.is_encoder, (None,))[0] != key:
            _open_models.pop(recipe.is_encoder, None)
            _open_models[recipe.is_encoder] = key, _open(recipe), _lock(recipe)
        _, model, lock = _open_models[recipe.is_encoder]
    with lock:
        yield model


def _lock(recipe: Recipe) -> Any:  # noqa: ANN401  a context manager
    return nullcontext() if recipe.is_endpoint else threading.Lock()


def _open(recipe: Recipe) -> Model:
    try:
        model: Model = recipe.open()
    except MopError as error:
        error.message = f"A worker of the cluster cannot open the model: {error.message}"
        raise
    if model.fingerprint != recipe.fingerprint:
        raise ModelError(
            f"A worker of the cluster opened another model: {model.fingerprint} instead of "
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


def _open_endpoint(  # noqa: PLR0917  positional in the recipe
    base_url: str,
    model: str,
    template: ChatTemplate,
    timeout: float,
    in_flight: int,
    options: ModelOptions,
) -> Backend:
    from jupyter_mop.backends.endpoint.backend import OpenAIBackend

    return OpenAIBackend(
        base_url,
        model,
        chat_template=template,
        timeout=timeout,
        in_flight=in_flight,
        **options.facts(),
    )
