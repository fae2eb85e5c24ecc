"""The official client of one server on one event loop, on the leanest way there is."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import getproxies

from jupyter_mop.backends import constants
from jupyter_mop.backends.limits import AdaptiveLimit

if TYPE_CHECKING:
    from openai import AsyncOpenAI, RequestOptions, Timeout


class Connection(NamedTuple):
    """A client, what it is told of each call, and how many calls go on at once."""

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
    """Return a client for `loop`, which is closed at the end; an answer may take `seconds`."""
    from openai import Timeout

    patience = Timeout(seconds, connect=constants.CONNECT_SECONDS)
    client = _client(base_url, key, patience)
    atexit.register(_close, loop, client)
    return Connection(loop, client, limit, _call_options(patience))


def _call_options(patience: Timeout) -> Iterator[RequestOptions]:
    """Yield what the client is told of each call.

    It is all that the client would find out by itself, a name for the call included, but finding
    it out takes a tenth of its time.
    """
    connection = uuid.uuid4()
    same: RequestOptions = {
        "headers": {},
        "max_retries": 0,
        "security": {"bearer_auth": True},
        "timeout": patience,
    }
    for number in itertools.count():
        yield {**same, "idempotency_key": f"{connection}-{number}"}


def _client(base_url: str, key: str, patience: Timeout) -> AsyncOpenAI:
    """Return the client, on the leanest way to the server that there is here."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0, http_client=_http_client(patience)
    )


def _http_client(patience: Timeout) -> Any:  # noqa: ANN401  its class depends on the client's age
    """Return ours on aiohttp; without it, with a proxy or an older client that client's own."""
    from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

    with suppress(ImportError):
        from jupyter_mop.backends.transport import Client

        if not getproxies():
            return Client(patience)
    try:
        return DefaultAioHttpClient(timeout=patience)
    except RuntimeError:
        return DefaultAsyncHttpxClient(timeout=patience)


def _close(loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(constants.GRACE_SECONDS)
