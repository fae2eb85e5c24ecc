"""One OpenAI-compatible server: calls with retries, and one clear sentence for each failure."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jupyter_mop.backends.cost.token_counts import size_of_body
from jupyter_mop.backends.cost.usage import Meter, Size
from jupyter_mop.backends.endpoint import defaults, failures
from jupyter_mop.backends.endpoint.connection import Connection, connect
from jupyter_mop.backends.endpoint.event_loop import event_loop
from jupyter_mop.backends.endpoint.failures import MalformedError
from jupyter_mop.backends.endpoint.hedging import Begun, hedged
from jupyter_mop.backends.endpoint.rate_limits import AdaptiveLimit
from jupyter_mop.errors import DataError, MopError

Value = TypeVar("Value")
Json = dict[str, Any]

_HIDDEN = "***"
_NOTHING = Size(0, 0, 0)


class Secret:
    """A key that is never shown.

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
        """Leave the key behind when pickled; the other side reads its own environment."""
        return (_key, ())


class Endpoint:
    """A server's address and key, and how it is called.

    Every call waits for its turn, is tried again after what may pass by itself (a server that is
    down or has too much to do, a broken answer), as late as `Retry-After` asks and else after
    waits that double and are drawn at random, so that many callers do not come back at once.

    Parameters
    ----------
    base_url : str
        As in "http://localhost:8080/v1"; no key belongs in it.
    api_key : str, optional
        Default: the environment variable OPENAI_API_KEY.
    timeout : float
        Seconds that one answer may take.
    in_flight : int
        The most calls that are under way at once; how many are is learned from how they go.
    requests_per_minute, tokens_per_minute : float, optional
        The most that is begun in a minute. Tokens are guessed from the text and the longest
        answer, and put right when the answer says how many it used.

    Raises
    ------
    DataError
        Where the address is none, or a rate is no positive number.
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
        self.base_url, self.name = _address(base_url)
        self.timeout = timeout
        self._key = _key(api_key, urlsplit(self.base_url).netloc)
        self.in_flight = in_flight
        free = "Leave it out where the server sets no limit."
        self.requests_per_minute = _positive(requests_per_minute, "requests_per_minute", free)
        self.tokens_per_minute = _positive(tokens_per_minute, "tokens_per_minute", free)
        self.hedge_after = _positive(hedge_after, "hedge_after", "Leave it out to wait.")
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
        """Return what `read` finds in the answer; try again what may pass by itself.

        Raises
        ------
        RefusedError
            The server says that it cannot do this.
        ModelError
            There is no server, it wants a key, or it stays out of order.
        """
        return await self._call("post", path, read, attempts, body=dict(body))

    async def get(
        self, path: str, read: Callable[[Json], Value], *, attempts: int = defaults.PROBE_ATTEMPTS
    ) -> Value:
        """Return what `read` finds at `path`; fails as `post` does."""
        return await self._call("get", path, read, attempts)

    async def _call(
        self,
        method: str,
        path: str,
        read: Callable[[Json], Value],
        attempts: int,
        **options: Any,  # noqa: ANN401  the client's own
    ) -> Value:
        for attempt in range(1, attempts + 1):
            try:
                return _read(read, await self._first(method, path, **options))
            except MopError:
                raise
            except Exception as error:  # noqa: BLE001  all that the client raises
                pause = failures.wait(error, attempt, attempts)
                if pause is None:
                    raise self._explained(error, path, attempt) from None
            await asyncio.sleep(pause)
        raise AssertionError

    async def _first(self, method: str, path: str, **options: Any) -> Json:  # noqa: ANN401
        """Return the answer to a call; to that or to a second one, where calls are hedged."""
        if self.hedge_after is None:
            return await self._counted(method, path, **options)
        return await hedged(
            lambda begun: self._counted(method, path, begun, **options), self.hedge_after
        )

    async def _counted(
        self,
        method: str,
        path: str,
        begun: Begun | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Json:
        """Make a call that the meter counts, and that keeps to its budget; looking up is free."""
        if "body" not in options:
            return _parsed(await self._send(method, path, begun=begun, **options))
        size, answer, calls = size_of_body(options["body"]), Json(), 1
        await self.meter.enter(size)
        try:
            answer = _parsed(await self._send(method, path, size, begun, **options))
        except Exception as error:
            calls = int(failures.may_be_charged(error))
            raise
        finally:
            told = _told(answer, size)
            self.meter.end(size, told, calls=calls)
        if told:
            self._connected().limit.settle(size.tokens_in + size.most_out, sum(told))
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        size: Size = _NOTHING,
        begun: Begun | None = None,
        **options: Any,  # noqa: ANN401
    ) -> bytes:
        connection, guessed = self._connected(), size.tokens_in + size.most_out
        call, url = getattr(connection.client, method), f"{self.base_url}{path}"
        await connection.limit.enter(guessed)
        if begun:
            begun.set_result(None)
        began, overloaded, pause = time.monotonic(), False, 0.0
        try:
            told = next(connection.options)
            answer: bytes = await call(url, cast_to=bytes, options=told, **options)
        except Exception as error:
            overloaded = failures.is_overload(error)
            pause = failures.retry_after(error) or 0 if failures.may_pass(error) else 0
            raise
        finally:
            seconds = time.monotonic() - began
            connection.limit.leave(seconds=seconds, overloaded=overloaded, pause=pause)
        return answer

    def _explained(self, error: Exception, path: str, attempt: int) -> MopError:
        call = failures.Call(self.base_url, path, bool(self._key.text), self.timeout, attempt)
        told = failures.explained(error, call)
        if self._key.text:
            for name, value in vars(told).items():
                setattr(told, name, str(value).replace(self._key.text, _HIDDEN))
            told.args = (told.message,)
        return told

    def _connected(self) -> Connection:
        """Return the client of the running loop, which a fork leaves behind."""
        loop = event_loop()
        if self._connection is None or self._connection.loop is not loop:
            self._connection = connect(
                loop,
                self.base_url,
                self._key.text,
                seconds=self.timeout,
                limit=AdaptiveLimit(
                    self.in_flight,
                    requests_per_minute=self.requests_per_minute,
                    tokens_per_minute=self.tokens_per_minute,
                ),
            )
        return self._connection


def _key(api_key: str | None = None, host: str = "") -> Secret:
    """Return the key that is given, that the keyring has for this host, or of the environment."""
    return Secret(api_key or _of_keyring(host) or os.environ.get(defaults.KEY_VARIABLE) or "")


def _of_keyring(host: str) -> str | None:
    """Return what `keyring set jupyter-mop HOST` has kept, where there is a keyring."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    with suppress(KeyringError):
        return keyring.get_password(defaults.KEYRING_SERVICE, host)
    return None


def _address(base_url: str) -> tuple[str, str]:
    """Return the address and what it is called: host, port and path, nothing secret."""
    try:
        parts = urlsplit(base_url.strip())
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host:
        raise DataError(
            "The address of the endpoint is no http:// or https:// address.",
            hint='Write it as in "http://localhost:8080/v1".',
        )
    if parts.username or parts.password or parts.query:
        raise DataError(
            "The address of the endpoint holds a user, a password or a query.",
            hint=f"Leave it out; a key belongs in the environment: {defaults.KEY_VARIABLE}.",
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", f"{host}{path}"


def _positive(value: float | None, name: str, hint: str) -> float | None:
    if value is not None and not value > 0:
        raise DataError(f"{name} is {value}, and must be a number above 0.", hint=hint)
    return value


def _parsed(content: bytes) -> Json:
    """Read JSON, which is UTF-8 whatever a header says."""
    try:
        answer = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        raise MalformedError("what is no JSON") from None
    if not isinstance(answer, dict):
        raise MalformedError("JSON of another shape")
    return answer


def _told(answer: Json, size: Size) -> tuple[int, int] | None:
    """Return the tokens in and out that the server told of a call, or None."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    tokens = (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens", None if size.most_out else 0),
    )
    sound = all(type(number) is int and number >= 0 for number in tokens)
    return (tokens[0], tokens[1]) if sound else None  # type: ignore[return-value]


def _read(read: Callable[[Json], Value], answer: Json) -> Value:
    try:
        return read(answer)
    except (MopError, MalformedError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError):
        raise MalformedError("JSON of another shape") from None
