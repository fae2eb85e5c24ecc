"""Errors of the client: one clear sentence for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.errors import ModelError, MopError, PromptTooLongError

if TYPE_CHECKING:
    from openai import APIStatusError

NO_KEY, FORBIDDEN = 401, 403
TIMED_OUT, TOO_EARLY, TOO_MANY = 408, 425, 429
SERVER_ERROR, NOT_IMPLEMENTED, UNAVAILABLE = 500, 501, 503
_MAX_QUOTED = 300
_CODES = ("insufficient_quota", "content_filter", "context_length", "context_size")


class RefusedError(ModelError):
    """The server refused the request; `reason` is the server's own message."""

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class FilteredError(RefusedError):
    """A content filter refused the prompt."""


class MalformedError(Exception):
    """A response that is not JSON, or not of the expected shape."""


class Call(NamedTuple):
    """The facts of a failed call that an error message needs; the API key is not among them."""

    server: str
    path: str
    has_key: bool
    timeout: float
    attempts: int

    @property
    def tried(self) -> str:
        """The number of attempts in words, if more than one."""
        return f" (tried {self.attempts} times)" if self.attempts > 1 else ""


def explained(error: Exception, call: Call) -> MopError:
    """Return an error that says what happened and what to do."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APIStatusError):
        return _status_error(error, call)
    if isinstance(error, MalformedError):
        return ModelError(
            f"The server at {call.server} answered {call.path} with {error}{call.tried}.",
            hint="Check the address and the server's log: is the server OpenAI-compatible?",
        )
    if isinstance(error, APITimeoutError) and not is_unconnected(error):
        return ModelError(
            f"The server at {call.server} did not respond within {call.timeout:g} s{call.tried}.",
            hint="Increase the limit, as in OpenAIBackend(url, timeout=600), or check its load.",
        )
    if isinstance(error, APIConnectionError):
        return ModelError(
            f"Cannot reach a server at {call.server}, or it closed the connection{call.tried}.",
            hint="Start the server, or check the address; finished answers are cached.",
        )
    return ModelError(
        f"The call to {call.server} failed in the client ({type(error).__name__}).",
        hint="Check the address and the API key: neither may contain a line break.",
    )


def _status_error(error: APIStatusError, call: Call) -> MopError:
    status, (code, reason) = error.status_code, _code_and_reason(error)
    if status in {NO_KEY, FORBIDDEN}:
        problem = "rejected the API key" if call.has_key else "requires an API key"
        return ModelError(
            f"The server at {call.server} {problem}.",
            hint=f"Set the environment variable {defaults.KEY_VARIABLE} before you start.",
        )
    if code == "content_filter":
        return FilteredError(
            f"A content filter at {call.server} refused the prompt.", reason=reason
        )
    if code.startswith("context"):
        return PromptTooLongError(
            f"A prompt and its response exceed the model's context length: {reason}.",
            hint="Shorten the persona, the exemplar or the response.",
        )
    if status == TOO_MANY or is_temporary(error):
        return _repeated_error(status, code, reason, call)
    return RefusedError(
        f"The server at {call.server} refused {call.path} ({status}: {reason}).",
        hint="Check the address, which usually ends in /v1, and the model's name.",
        reason=reason,
    )


def _repeated_error(status: int, code: str, reason: str, call: Call) -> ModelError:
    """Return the error for a temporary failure that stayed after all attempts."""
    if code == "insufficient_quota":
        return ModelError(
            f"The account at {call.server} has no credit left.",
            hint="Top it up and run it again: finished answers are cached.",
        )
    if status in {TOO_MANY, UNAVAILABLE}:
        return ModelError(
            f"The server at {call.server} is overloaded (HTTP {status}){call.tried}.",
            hint="Run it again later: finished answers are cached.",
        )
    return ModelError(
        f"The server at {call.server} failed ({status}: {reason}){call.tried}.",
        hint="Check its log, and run it again when it works: finished answers are cached.",
    )


def is_temporary(error: Exception) -> bool:
    """Return whether another attempt may succeed: no connection, overload or server error."""
    from openai import APIConnectionError, APIStatusError

    if not isinstance(error, APIStatusError):
        return isinstance(error, APIConnectionError | MalformedError)
    status = error.status_code
    is_server_error = status >= SERVER_ERROR and status != NOT_IMPLEMENTED
    is_passing = status in {TIMED_OUT, TOO_EARLY, TOO_MANY} or is_server_error
    return is_passing and _code_and_reason(error)[0] != "insufficient_quota"


def is_unconnected(error: Exception) -> bool:
    """Return whether no connection was made; the aiohttp transport reports a time-out for it."""
    return type(error.__cause__).__name__.startswith("Connect")


def _code_and_reason(error: APIStatusError) -> tuple[str, str]:
    """Return a known error code or "", and the server's message on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    codes = f"{body.get('code')} {body.get('type')}"
    reason = str(body.get("message") or body.get("detail") or error.response.reason_phrase)
    code = next((code for code in _CODES if code in codes), "")
    return code, " ".join(reason.split())[:_MAX_QUOTED].rstrip(".")
