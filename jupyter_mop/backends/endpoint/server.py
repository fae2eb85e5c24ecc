"""One OpenAI-compatible server: calls with retries, rate limits and clear errors."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

from jupyter_mop.backends.cost.token_counts import cached_tokens, reported_tokens, size_of_body
from jupyter_mop.backends.cost.usage import Meter, Size
from jupyter_mop.backends.endpoint import defaults, error_messages, retries
from jupyter_mop.backends.endpoint.connection import Connection, connect
from jupyter_mop.backends.endpoint.error_messages import (
    MalformedError,
    NothingError,
    ReportedError,
)
from jupyter_mop.backends.endpoint.event_loop import Sent, event_loop, hedged
from jupyter_mop.backends.endpoint.rate_limits import AdaptiveLimit
from jupyter_mop.errors import DataError, MopError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Value = TypeVar("Value")
Json = dict[str, Any]

_HIDDEN = "***"
_API_VERSION, _DEPLOYMENTS = "api-version", "/openai/deployments/"
_NO_TOKENS = Size(0, 0, 0)


class Secret:
    """An API key that is never displayed.

    Examples
    --------
    >>> Secret("sk-1")
    Secret(***)
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the key; the other process reads its own environment."""
        return (_key, ())


class Endpoint:
    """A server's address and API key, and the calls to it.

    Each call waits for the rate limits. After a temporary failure (the server is down or
    overloaded, or its response is broken) it is repeated: after the time in `Retry-After`, or else
    with exponential backoff and random jitter, so that callers do not all return at once.

    Parameters
    ----------
    base_url : str
        For example "http://localhost:8080/v1", or Azure's with deployment and api-version; without
        an API key.
    api_key : str, optional
        Default: the environment variable OPENAI_API_KEY.
    timeout : float
        Limit for one response, in seconds.
    in_flight : int
        Highest number of concurrent calls; the actual number adapts to the server.
    requests_per_minute, tokens_per_minute : float, optional
        Rate limits. Tokens are estimated from the text and the output limit, and corrected when
        the server reports its counts.
    hedge_after : float, optional
        Seconds after which a call without a response is sent a second time.

    Raises
    ------
    DataError
        The address is not valid, or a rate or time is not positive.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = defaults.TIMEOUT_SECONDS,
        in_flight: int = defaults.IN_FLIGHT,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        hedge_after: float | None = None,
    ) -> None:
        self.address = _address(base_url)
        self.base_url, self.name = self.address.base_url, self.address.name
        self.timeout = timeout
        self._key = _key(api_key, urlsplit(self.base_url).netloc)
        self.in_flight = in_flight
        no_limit = "Leave it out if the server sets no limit."
        self.requests_per_minute = _positive(requests_per_minute, "requests_per_minute", no_limit)
        self.tokens_per_minute = _positive(tokens_per_minute, "tokens_per_minute", no_limit)
        self.hedge_after = hedge_after
        self._connection: Connection | None = None
        self.meter = Meter()

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[Json], Value],
        *,
        attempts: int = defaults.ATTEMPTS,
    ) -> Value:
        """Send a request and return `read(response)`; temporary failures are repeated.

        Raises
        ------
        RefusedError
            The server refused the request.
        ModelError
            The server cannot be reached, requires an API key, or failed repeatedly.
        """
        return await self._call("post", path, read, attempts, body=dict(body))

    async def get(
        self, path: str, read: Callable[[Json], Value], *, attempts: int = defaults.PROBE_ATTEMPTS
    ) -> Value:
        """Return `read(response)` for `path`; raises the errors of `post`."""
        return await self._call("get", path, read, attempts)

    async def use(
        self,
        path: str,
        call: Callable[[AsyncOpenAI], Awaitable[Value]],
        *,
        attempts: int = defaults.ATTEMPTS,
    ) -> Value:
        """Return what `call` makes of the openai client; `path` is for errors, those of `post`.

        Nothing is metered: uploads, downloads and questions about them are free.
        """
        return await self._tried(path, lambda: call(self._connected().client), attempts)

    async def _call(
        self,
        method: str,
        path: str,
        read: Callable[[Json], Value],
        attempts: int,
        **options: Any,  # noqa: ANN401  the client's options
    ) -> Value:
        async def once() -> Value:
            return _read(read, await self._hedged(method, path, **options))

        return await self._tried(path, once, attempts)

    async def _tried(self, path: str, call: Callable[[], Awaitable[Value]], attempts: int) -> Value:
        """Return what `call` gives; a temporary failure is repeated, another one explained."""
        for attempt in range(1, attempts + 1):
            try:
                return await call()
            except MopError:
                raise
            except Exception as error:  # noqa: BLE001  anything that the client raises
                pause = retries.wait(error, attempt, attempts)
                if pause is None:
                    raise self._explained(error, path, attempt) from None
            await asyncio.sleep(pause)
        raise AssertionError

    async def _hedged(self, method: str, path: str, **options: Any) -> Json:  # noqa: ANN401
        """Send a call, and if calls are hedged a second one; return the first response."""
        if self.hedge_after is None:
            return await self._metered(method, path, **options)
        return await hedged(
            lambda sent: self._metered(method, path, sent, **options), self.hedge_after
        )

    async def _metered(
        self,
        method: str,
        path: str,
        sent: Sent | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Json:
        """Send a call within the budget and meter it; calls without a body are free."""
        if "body" not in options:
            return _parsed(await self._send(method, path, sent=sent, **options))
        size, answer, n_charged = size_of_body(options["body"]), Json(), 1
        await self.meter.enter(size)
        try:
            answer = _parsed(await self._send(method, path, size, sent, **options))
        except Exception as error:
            n_charged = int(retries.may_be_charged(error))
            raise
        finally:
            reported = _reported_tokens(answer, size)
            cached = cached_tokens(answer.get("usage")) if reported else 0
            self.meter.end(size, reported, calls=n_charged, cached=cached)
        if reported:
            self._connected().limit.settle(size.tokens_in + size.max_out, sum(reported))
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        size: Size = _NO_TOKENS,
        sent: Sent | None = None,
        **options: Any,  # noqa: ANN401
    ) -> bytes:
        connection, estimated = self._connected(), size.tokens_in + size.max_out
        call, url = getattr(connection.client, method), f"{self.base_url}{path}"
        await connection.limit.enter(estimated)
        if sent:
            sent.set_result(None)
        start, overloaded, pause = time.monotonic(), False, 0.0
        try:
            call_options = next(connection.options)
            answer: bytes = await call(url, cast_to=bytes, options=call_options, **options)
        except Exception as error:
            overloaded = retries.is_overload(error)
            pause = retries.retry_after(error) or 0 if error_messages.is_temporary(error) else 0
            raise
        finally:
            seconds = time.monotonic() - start
            connection.limit.leave(seconds=seconds, overloaded=overloaded, pause=pause)
        return answer

    def _explained(self, error: Exception, path: str, attempt: int) -> MopError:
        call = error_messages.Call(self.base_url, path, bool(self._key.text), self.timeout, attempt)
        explained = error_messages.explained(error, call)
        if self._key.text:
            for name, value in vars(explained).items():
                if isinstance(value, str):
                    setattr(explained, name, value.replace(self._key.text, _HIDDEN))
            explained.args = (explained.message,)
        return explained

    def _connected(self) -> Connection:
        """Return the connection of this process; a forked process opens its own."""
        loop = event_loop()
        if self._connection is None or self._connection.loop is not loop:
            self._connection = connect(
                loop,
                self.base_url,
                self._key.text,
                api_version=self.address.api_version,
                seconds=self.timeout,
                limit=AdaptiveLimit(
                    self.in_flight,
                    requests_per_minute=self.requests_per_minute,
                    tokens_per_minute=self.tokens_per_minute,
                ),
            )
        return self._connection


def _key(api_key: str | None = None, host: str = "") -> Secret:
    """Return the given API key, or that of the keyring for this host, or of the environment."""
    return Secret(api_key or _keyring_key(host) or os.environ.get(defaults.KEY_VARIABLE) or "")


def _keyring_key(host: str) -> str | None:
    """Return the key stored with `keyring set jupyter-mop HOST`, if keyring is installed."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    with suppress(KeyringError):
        return keyring.get_password(defaults.KEYRING_SERVICE, host)
    return None


class Address(NamedTuple):
    """Where a server is.

    Attributes
    ----------
    base_url : str
        The address without query, and without the path of a single call.
    name : str
        Host, port and path, without secrets.
    api_version : str
        Azure's API version; "" for other servers.
    """

    base_url: str
    name: str
    api_version: str

    @property
    def text(self) -> str:
        """The address as it can be given again."""
        query = f"?{_API_VERSION}={self.api_version}" if self.api_version else ""
        return f"{self.base_url}{query}"

    @property
    def deployment(self) -> str:
        """The model's name in the path of an Azure address; "" if there is none."""
        return self.base_url.partition(_DEPLOYMENTS)[2].partition("/")[0]


def _address(base_url: str) -> Address:
    """Read an address.

    Examples
    --------
    >>> _address("https://a.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21")[1:]
    ('a.openai.azure.com/openai/deployments/gpt', '2024-10-21')
    """
    text = base_url.strip()
    try:
        parts = urlsplit(text)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        query = dict(parse_qsl(parts.query))
    except ValueError:
        parts, host, query = urlsplit(""), None, {}
    if parts.scheme not in {"http", "https"} or not host:
        raise DataError(
            "The endpoint's address must begin with http:// or https:// and have a host.",
            hint='Write it as in "http://localhost:8080/v1".',
        )
    if (
        parts.username
        or parts.password
        or set(query) - {_API_VERSION}
        or (parts.query and not query)
    ):
        raise DataError(
            "The endpoint's address must not contain a user, a password or a query.",
            hint=f"Set an API key in the environment variable {defaults.KEY_VARIABLE}. Azure's "
            "api-version is the only query.",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return Address(
        f"{parts.scheme}://{parts.netloc}{path}", f"{host}{path}", query.get(_API_VERSION, "")
    )


def _positive(value: float | None, name: str, hint: str) -> float | None:
    if value is not None and not value > 0:
        raise DataError(f"`{name}` must be above 0, got {value}.", hint=hint)
    return value


def _parsed(content: bytes) -> Json:
    """Parse JSON, which is UTF-8 whatever a header says."""
    try:
        answer = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        if not content.strip():
            raise NothingError("an empty response") from None
        raise MalformedError("a response that is not JSON") from None
    if not isinstance(answer, dict):
        raise MalformedError("JSON of an unexpected shape")
    reported = reported_error(answer)
    if reported:
        raise ReportedError(reported)
    return answer


def reported_error(answer: Json) -> object:
    """Return the error in a response with the status 200, as gateways send them, or None."""
    choices = answer.get("choices")
    if not choices:
        return answer.get("error")
    first = choices[0] if isinstance(choices, list) else None
    if isinstance(first, dict) and first.get("finish_reason") == "error":
        return first.get("error") or answer.get("error") or "the answer ended with an error"
    return None


def _reported_tokens(answer: Json, size: Size) -> tuple[int, int] | None:
    """Return the input and output tokens that the server reported, or None."""
    reported = reported_tokens(answer.get("usage"))
    if reported is None or (reported[1] is None and size.max_out):
        return None
    return reported[0], reported[1] or 0


def _read(read: Callable[[Json], Value], answer: Json) -> Value:
    try:
        return read(answer)
    except (MopError, MalformedError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError):
        raise MalformedError("JSON of an unexpected shape") from None
