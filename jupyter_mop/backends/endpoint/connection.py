"""The openai client of one server on one event loop, with the fastest transport available."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import getproxies

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.rate_limits import AdaptiveLimit

if TYPE_CHECKING:
    from openai import AsyncOpenAI, RequestOptions, Timeout


class Connection(NamedTuple):
    """A client, its event loop, its rate limits, and the options of each call."""

    loop: asyncio.AbstractEventLoop
    client: AsyncOpenAI
    limit: AdaptiveLimit
    options: Iterator[RequestOptions]


def connect(
    loop: asyncio.AbstractEventLoop,
    base_url: str,
    key: str,
    *,
    seconds: float,
    limit: AdaptiveLimit,
) -> Connection:
    """Return a client for `loop` that is closed at exit; a response may take `seconds`."""
    from openai import Timeout

    timeout = Timeout(seconds, connect=defaults.CONNECT_SECONDS)
    client = _client(base_url, key, timeout)
    atexit.register(_close, loop, client)
    return Connection(loop, client, limit, _call_options(timeout))


def _call_options(timeout: Timeout) -> Iterator[RequestOptions]:
    """Yield the options of each call.

    They are those the client would work out by itself, idempotency key included, which would take
    a tenth of its time.
    """
    connection = uuid.uuid4()
    shared: RequestOptions = {
        "headers": {},
        "max_retries": 0,
        "security": {"bearer_auth": True},
        "timeout": timeout,
    }
    for number in itertools.count():
        yield {**shared, "idempotency_key": f"{connection}-{number}"}


def _client(base_url: str, key: str, timeout: Timeout) -> AsyncOpenAI:
    """Return the client with the fastest transport available."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0, http_client=_http_client(timeout)
    )


def _http_client(timeout: Timeout) -> Any:  # noqa: ANN401  its class depends on the client's version
    """Return our aiohttp client; with a proxy or without aiohttp, one of the openai package."""
    from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

    with suppress(ImportError):
        from jupyter_mop.backends.endpoint.transport import Client

        if not getproxies():
            return Client(timeout)
    try:
        return DefaultAioHttpClient(timeout=timeout)
    except RuntimeError:
        return DefaultAsyncHttpxClient(timeout=timeout)


def _close(loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(defaults.GRACE_SECONDS)
