"""The openai client of one server on one event loop, with the fastest transport available."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.rate_limits import AdaptiveLimit
from jupyter_mop.errors import missing

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
    api_version: str,
    seconds: float,
    limit: AdaptiveLimit,
) -> Connection:
    """Return a client for `loop` that is closed at exit; a response may take `seconds`."""
    from openai import Timeout

    timeout = Timeout(seconds, connect=defaults.CONNECT_SECONDS)
    client = _client(base_url, key, api_version, timeout)
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


def _client(base_url: str, key: str, api_version: str, timeout: Timeout) -> AsyncOpenAI:
    """Return the client with the fastest transport available, or Azure's."""
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    if api_version:  # its client keeps the key from other hosts that it is redirected to
        return AsyncAzureOpenAI(
            api_key=key or "none",
            base_url=base_url,
            api_version=api_version,
            max_retries=0,
            http_client=_openai_http_client(timeout, proxy_for(base_url)),
        )
    client = _http_client(timeout, proxy_for(base_url))
    return AsyncOpenAI(api_key=key or "none", base_url=base_url, max_retries=0, http_client=client)


def proxy_for(url: str) -> str:
    """Return the proxy that the environment sets for an address, without a password, or ""."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    scheme, _, rest = proxy.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}" if scheme else proxy


def _http_client(timeout: Timeout, proxy: str) -> Any:  # noqa: ANN401  its class depends on the client's version
    """Return our aiohttp client; with a proxy or without aiohttp, one of the openai package."""
    with suppress(ImportError):
        from jupyter_mop.backends.endpoint.transport import Client

        if not proxy:
            return Client(timeout)
    return _openai_http_client(timeout, proxy)


def _openai_http_client(timeout: Timeout, proxy: str) -> Any:  # noqa: ANN401  as above
    from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

    if proxy.startswith("socks"):  # aiohttp would speak HTTP to it
        if not find_spec("socksio"):
            raise missing("socksio", "socks")
        return DefaultAsyncHttpxClient(timeout=timeout)
    try:
        return DefaultAioHttpClient(timeout=timeout)
    except RuntimeError:
        return DefaultAsyncHttpxClient(timeout=timeout)


def _close(loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(defaults.GRACE_SECONDS)
