"""Retries of failed calls: whether there is another attempt, and how long to wait for it."""

from __future__ import annotations

import email.utils
import random
import time

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.error_messages import (
    OVERLOADED,
    TOO_MANY,
    UNAVAILABLE,
    MalformedError,
    NothingError,
    ReportedError,
    failure_of,
    is_temporary,
    is_unconnected,
)


def wait(error: Exception, attempt: int, attempts: int) -> float | None:
    """Return the seconds to wait before the next attempt, or None if there is none."""
    if isinstance(error, MalformedError) and not isinstance(error, NothingError):
        attempts = min(attempts, defaults.MALFORMED_ATTEMPTS)
    if attempt >= attempts or not is_temporary(error):
        return None
    requested = retry_after(error)
    if requested is not None:
        return requested * random.uniform(1, 1.1)  # noqa: S311
    backoff: float = min(defaults.MAX_WAIT, defaults.FIRST_WAIT * 2 ** (attempt - 1))
    return backoff * random.uniform(0.5, 1)  # noqa: S311


def may_be_charged(error: Exception) -> bool:
    """Return whether a failed call may be charged because its response was cut off."""
    from openai import APIStatusError

    return not isinstance(error, APIStatusError | ReportedError) and not is_unconnected(error)


def is_overload(error: Exception) -> bool:
    """Return whether the server is overloaded: it says so, or does not respond in time."""
    from openai import APITimeoutError

    if isinstance(error, APITimeoutError):
        return not is_unconnected(error)
    failure = failure_of(error)
    return failure is not None and failure.status in {TOO_MANY, UNAVAILABLE, OVERLOADED}


def retry_after(error: Exception) -> float | None:
    """Return the seconds in the server's Retry-After header, limited, or None."""
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
    return min(max(0.0, seconds), defaults.MAX_RETRY_AFTER)
