"""What the client raises, as one clear sentence each, and what of it may pass by itself."""

from __future__ import annotations

import email.utils
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.errors import ModelError, MopError, PromptTooLongError

if TYPE_CHECKING:
    from openai import APIStatusError

NO_KEY, FORBIDDEN = 401, 403
TIMED_OUT, TOO_EARLY, TOO_MANY = 408, 425, 429
SERVER_FAULT, NOT_IMPLEMENTED, BUSY = 500, 501, 503
_QUOTED = 300
_CODES = ("insufficient_quota", "content_filter", "context_length", "context_size")


class RefusedError(ModelError):
    """The server answered, and does not do what was asked; `said` is why, in its own words."""

    def __init__(self, message: str, *, hint: str = "", said: str = "") -> None:
        super().__init__(message, hint=hint)
        self.said = said


class FilteredError(RefusedError):
    """A content filter kept the prompt from the model."""


class MalformedError(Exception):
    """An answer that is no JSON or has not the shape that was promised."""


class Call(NamedTuple):
    """What was asked of whom, for the sentence: no key is in it."""

    server: str
    path: str
    has_key: bool
    timeout: float
    tries: int

    @property
    def tried(self) -> str:
        """How often it was tried, in words, where that was more than once."""
        return f" (tried {self.tries} times)" if self.tries > 1 else ""


def explained(error: Exception, call: Call) -> MopError:
    """Return what happened and what to do about it."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APIStatusError):
        return _refused(error, call)
    if isinstance(error, MalformedError):
        return ModelError(
            f"The server at {call.server} answered {call.path} with {error}{call.tried}.",
            hint="Look at the address and at the server's log: is it OpenAI-compatible?",
        )
    if isinstance(error, APITimeoutError) and not _is_cut_off(error):
        return ModelError(
            f"The server at {call.server} gave no answer within {call.timeout:g} s{call.tried}.",
            hint="Give it longer, as in OpenAIBackend(url, timeout=600), or look at its load.",
        )
    if isinstance(error, APIConnectionError):
        return ModelError(
            f"There is no server at {call.server}, or it hangs up{call.tried}.",
            hint="Start it, or look at the address; what is finished is kept.",
        )
    return ModelError(
        f"The call of {call.server} failed in the client ({type(error).__name__}).",
        hint="Look at the address and at the key: neither may hold a line break.",
    )


def _refused(error: APIStatusError, call: Call) -> MopError:
    status, (code, said) = error.status_code, _told(error)
    if status in {NO_KEY, FORBIDDEN}:
        return ModelError(
            f"The server at {call.server} {'refused the key' if call.has_key else 'wants a key'}.",
            hint=f"Set the environment variable {defaults.KEY_VARIABLE} before you start.",
        )
    if code == "content_filter":
        return FilteredError(f"A content filter at {call.server} refused the prompt.", said=said)
    if code.startswith("context"):
        return PromptTooLongError(
            f"A prompt and its response do not fit into the model's window: {said}.",
            hint="Shorten the persona, the exemplar or the response.",
        )
    if status == TOO_MANY or may_pass(error):
        return _overdone(status, code, said, call)
    return RefusedError(
        f"The server at {call.server} refused {call.path} ({status}: {said}).",
        hint="Look at the address, which mostly ends in /v1, and at the model's name.",
        said=said,
    )


def _overdone(status: int, code: str, said: str, call: Call) -> ModelError:
    if code == "insufficient_quota":
        return ModelError(
            f"The account at {call.server} has no credit left.",
            hint="Top it up and run it again: what is finished is kept.",
        )
    if status in {TOO_MANY, BUSY}:
        return ModelError(
            f"The server at {call.server} has too much to do{call.tried}.",
            hint="Run it again later: what is finished is kept.",
        )
    return ModelError(
        f"The server at {call.server} is out of order ({status}: {said}){call.tried}.",
        hint="Look at its log; run it again when it works: what is finished is kept.",
    )


def wait(error: Exception, attempt: int, attempts: int) -> float | None:
    """Return the seconds to wait before the next try, or None where there is to be none."""
    if isinstance(error, MalformedError):
        attempts = min(attempts, defaults.MALFORMED_ATTEMPTS)
    if attempt >= attempts or not may_pass(error):
        return None
    asked = retry_after(error)
    if asked is not None:
        return asked * random.uniform(1, 1.1)  # noqa: S311
    longest: float = min(defaults.LONGEST_WAIT, defaults.FIRST_WAIT * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1)  # noqa: S311


def may_pass(error: Exception) -> bool:
    """Return whether another try may go better: no connection, too much to do, out of order."""
    from openai import APIConnectionError, APIStatusError

    if not isinstance(error, APIStatusError):
        return isinstance(error, APIConnectionError | MalformedError)
    status = error.status_code
    fault = status >= SERVER_FAULT and status != NOT_IMPLEMENTED
    passing = status in {TIMED_OUT, TOO_EARLY, TOO_MANY} or fault
    return passing and _told(error)[0] != "insufficient_quota"


def may_be_charged(error: Exception) -> bool:
    """Return whether a call that failed may have cost something: it broke off half-way."""
    from openai import APIStatusError

    return not isinstance(error, APIStatusError) and not _is_cut_off(error)


def is_overload(error: Exception) -> bool:
    """Return whether the server has too much to do: it says so, or gives no answer in time."""
    from openai import APITimeoutError

    if isinstance(error, APITimeoutError):
        return not _is_cut_off(error)
    return getattr(error, "status_code", 0) in {TOO_MANY, BUSY}


def _is_cut_off(error: Exception) -> bool:
    """Return whether there was no connection; the aiohttp transport calls that a time-out."""
    return type(error.__cause__).__name__.startswith("Connect")


def retry_after(error: Exception) -> float | None:
    """Return the seconds that the server asks to wait, by a number or a date, within reason."""
    value = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - time.time()
    return min(max(0.0, seconds), defaults.LONGEST_RETRY_AFTER)


def _told(error: APIStatusError) -> tuple[str, str]:
    """Return a code that is known, or "", and the server's words, short and on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    codes = f"{body.get('code')} {body.get('type')}"
    words = str(body.get("message") or body.get("detail") or error.response.reason_phrase)
    code = next((code for code in _CODES if code in codes), "")
    return code, " ".join(words.split())[:_QUOTED].rstrip(".")
