"""One OpenAI-compatible server: calls with retries, and one clear sentence for each failure."""

from __future__ import annotations

import asyncio
import atexit
import email.utils
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from jupyter_mop.backends import constants
from jupyter_mop.backends.calls import FixedLimit, Limiter, event_loop
from jupyter_mop.errors import DataError, ModelError, MopError, PromptTooLongError

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

Value = TypeVar("Value")
Json = dict[str, Any]

_TOO_EARLY, _TIMED_OUT, _TOO_MANY, _SERVER_FAULT = 425, 408, 429, 500
_NO_KEY, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_HIDDEN = "***"
_QUOTED = 300


class RefusedError(ModelError):
    """The server answered, and does not do what was asked; `said` is why, in its own words."""

    def __init__(self, message: str, *, hint: str = "", said: str = "") -> None:
        super().__init__(message, hint=hint)
        self.said = said


class FilteredError(RefusedError):
    """A content filter kept the prompt from the model."""


class MalformedError(Exception):
    """An answer that is no JSON or has not the shape that was promised."""


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


class _Connection(NamedTuple):
    loop: asyncio.AbstractEventLoop
    client: AsyncOpenAI
    limit: Limiter


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
        The most calls that are under way at once.

    Raises
    ------
    DataError
        Where the address is none.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = constants.TIMEOUT_SECONDS,
        in_flight: int = constants.IN_FLIGHT,
    ) -> None:
        self.base_url, self.name = _address(base_url)
        self.timeout = timeout
        self._key = _key(api_key)
        self.in_flight = in_flight
        self._connection: _Connection | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[Json], Value],
        *,
        attempts: int = constants.ATTEMPTS,
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
        self, path: str, read: Callable[[Json], Value], *, attempts: int = constants.PROBE_ATTEMPTS
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
                return _read(read, await self._send(method, path, **options))
            except MopError:
                raise
            except Exception as error:  # noqa: BLE001  all that the client raises
                wait = _wait(error, attempt, attempts)
                if wait is None:
                    raise self._explained(error, path, attempt) from None
            await asyncio.sleep(wait)
        raise AssertionError

    async def _send(self, method: str, path: str, **options: Any) -> str:  # noqa: ANN401
        connection = self._connected()
        await connection.limit.enter()
        began, overloaded = time.monotonic(), False
        try:
            text: str = await getattr(connection.client, method)(path, cast_to=str, **options)
        except Exception as error:
            overloaded = _status(error) in {_TOO_MANY, 503}
            raise
        finally:
            connection.limit.leave(seconds=time.monotonic() - began, overloaded=overloaded)
        return text

    def _connected(self) -> _Connection:
        """Return the client of the running loop, which a fork leaves behind."""
        loop = event_loop()
        if self._connection is None or self._connection.loop is not loop:
            client = _client(self.base_url, self._key.text, self.timeout)
            self._connection = _Connection(loop, client, FixedLimit(self.in_flight))
            atexit.register(_close, loop, client)
        return self._connection

    def _explained(self, error: Exception, path: str, attempt: int) -> ModelError | DataError:
        """Return one sentence and a hint for what the client raised; no key is in them."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        tried = f" (tried {attempt} times)" if attempt > 1 else ""
        if isinstance(error, APIStatusError):
            return self._status_explained(error, path, tried)
        if isinstance(error, APITimeoutError) and not _is_cut_off(error):
            return ModelError(
                f"The server at {self.name} gave no answer within {self.timeout:g} s{tried}.",
                hint="Give it longer, as in OpenAIBackend(url, timeout=600), or look at its load.",
            )
        if isinstance(error, APIConnectionError):
            return ModelError(
                f"There is no server at {self.base_url}, or it hangs up{tried}.",
                hint="Start it, or look at the address; what is finished is kept.",
            )
        if isinstance(error, MalformedError):
            return ModelError(
                f"The server at {self.name} answered {path} with {error}{tried}.",
                hint="Look at the address and at the server's log: is it OpenAI-compatible?",
            )
        return ModelError(
            f"The call of {self.name} failed: {self._without_key(str(error))}.",
            hint="Look at the address, or give another backend.",
        )

    def _status_explained(
        self, error: APIStatusError, path: str, tried: str
    ) -> ModelError | DataError:
        status = error.status_code
        if status in {_NO_KEY, _FORBIDDEN}:
            how = "refused the key" if self._key.text else "asks for a key"
            return ModelError(
                f"The server at {self.name} {how}.",
                hint=f"Set the environment variable {constants.KEY_VARIABLE} before you start.",
            )
        code, said = _said(error)
        said = self._without_key(said)
        if code == "content_filter":
            return FilteredError(f"A content filter at {self.name} refused the prompt.", said=said)
        if "context_length" in code or "context_size" in code:
            return PromptTooLongError(
                f"A prompt and its response do not fit into the model's window: {said}.",
                hint="Shorten the persona, the exemplar or the response.",
            )
        if code == "insufficient_quota":
            return ModelError(
                f"The account at {self.name} has no credit left.", hint="Top it up, or wait."
            )
        if status in {_TOO_MANY, 503}:
            return ModelError(
                f"The server at {self.name} has too much to do{tried}.",
                hint="Run it again later: what is finished is kept.",
            )
        if status >= _SERVER_FAULT and status != 501:  # noqa: PLR2004  not implemented
            return ModelError(
                f"The server at {self.name} is out of order ({status}: {said}){tried}.",
                hint="Look at its log; run it again when it works: what is finished is kept.",
            )
        return RefusedError(
            f"The server at {self.name} refused {path} ({status}: {said}).",
            hint="Look at the address, which mostly ends in /v1, and at the model's name.",
            said=said,
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key.text, _HIDDEN) if self._key.text else text


def _client(base_url: str, key: str, timeout: float) -> AsyncOpenAI:
    """Return the client: on aiohttp where it is there, since that carries many calls at once."""
    from openai import AsyncOpenAI, DefaultAioHttpClient, DefaultAsyncHttpxClient, Timeout

    patience = Timeout(timeout, connect=constants.CONNECT_SECONDS)
    try:
        transport = DefaultAioHttpClient(timeout=patience)
    except RuntimeError:
        transport = DefaultAsyncHttpxClient(timeout=patience)
    return AsyncOpenAI(
        api_key=key or "none", base_url=base_url, max_retries=0, http_client=transport
    )


def _close(loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(constants.GRACE_SECONDS)


def _key(api_key: str | None = None) -> Secret:
    return Secret(api_key or os.environ.get(constants.KEY_VARIABLE) or "")


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
            hint=f"Leave it out; a key belongs in the environment: {constants.KEY_VARIABLE}.",
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", f"{host}{path}"


def _read(read: Callable[[Json], Value], text: str) -> Value:
    try:
        answer = json.loads(text)
    except ValueError:
        raise MalformedError("what is no JSON") from None
    if not isinstance(answer, dict):
        raise MalformedError("JSON of another shape")
    try:
        return read(answer)
    except (MopError, MalformedError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError):
        raise MalformedError("JSON of another shape") from None


def _wait(error: Exception, attempt: int, attempts: int) -> float | None:
    """Return the seconds to wait before the next try, or None where there is none."""
    if attempt >= attempts or not _may_pass(error, attempt):
        return None
    asked = _retry_after(error)
    if asked is not None:
        return min(asked, constants.LONGEST_RETRY_AFTER) * random.uniform(1, 1.1)  # noqa: S311
    longest: float = min(constants.LONGEST_WAIT, constants.FIRST_WAIT * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1)  # noqa: S311


def _may_pass(error: Exception, attempt: int) -> bool:
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, MalformedError):
        return attempt < constants.MALFORMED_ATTEMPTS
    if isinstance(error, APIStatusError):
        passing = {_TIMED_OUT, _TOO_EARLY, _TOO_MANY}
        fault = error.status_code >= _SERVER_FAULT and error.status_code != 501  # noqa: PLR2004
        return (error.status_code in passing or fault) and _said(error)[0] != "insufficient_quota"
    return isinstance(error, APIConnectionError)


def _is_cut_off(error: Exception) -> bool:
    """Return whether there was no connection; the aiohttp transport calls that a time-out."""
    return type(error.__cause__).__name__.startswith("Connect")


def _status(error: Exception) -> int:
    return int(getattr(error, "status_code", 0) or 0)


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that the server asks to wait: a number or a date."""
    value = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _said(error: APIStatusError) -> tuple[str, str]:
    """Return the code and the words of a server's refusal, short and on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    code = f"{body.get('code') or ''} {body.get('type') or ''}".strip()
    words = str(body.get("message") or body.get("detail") or error.response.reason_phrase)
    code = next((c for c in ("insufficient_quota", "content_filter") if c in code), code)
    return code, " ".join(words.split())[:_QUOTED].rstrip(".")
