"""Read the outcome of one request of a batch: an answer, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from jupyter_mop.backends.batch.lines import CHATS, OK, Outcome
from jupyter_mop.backends.endpoint.error_messages import (
    Call,
    EmptyError,
    FilteredError,
    MalformedError,
    NoRoomError,
    RefusedError,
    ReportedError,
    explained,
    explained_body,
)
from jupyter_mop.backends.endpoint.server import reported_error
from jupyter_mop.errors import ModelError, MopError, PromptTooLongError

Value = TypeVar("Value")

EMPTY = "an answer without text"


class Failure(NamedTuple):
    """Why a request has no answer.

    Attributes
    ----------
    words : str
        What happened, with the server's words.
    error : MopError or None
        The error to raise if sending it again cannot help.
    """

    words: str
    error: MopError | None = None


def read_outcome(
    outcome: Outcome | None, read: Callable[[dict[str, Any]], Value], server: str
) -> Value | Failure:
    """Return the answer in an outcome, or the failure.

    Parameters
    ----------
    outcome : Outcome or None
        None for a request that no line of the results is about.
    read : callable
        Reads an answer's body.
    server : str
        Address of the server, for errors.

    Raises
    ------
    FilteredError
        A content filter refused the prompt.

    Examples
    --------
    >>> read_outcome(Outcome("k", 0, {"code": "batch_expired"}), str, "here")
    Failure(words='batch_expired', error=None)
    >>> read_outcome(None, str, "here").words
    'no result'
    """
    if outcome is None:
        return Failure("no result")
    if not outcome.status:
        body = outcome.body if isinstance(outcome.body, dict) else {}
        return Failure(str(body.get("message") or body.get("code") or "no reason given"))
    call = Call(server, CHATS, has_key=True, timeout=0, attempts=1)
    if outcome.status != OK:
        return _failed(explained_body(outcome.status, outcome.body, call))
    reported = reported_error(outcome.body) if isinstance(outcome.body, dict) else None
    if reported:
        return _failed(explained(ReportedError(reported), call))
    return _read(outcome.body, read)


def _read(body: object, read: Callable[[dict[str, Any]], Value]) -> Value | Failure:
    try:
        return read(cast("dict[str, Any]", body))
    except EmptyError:
        return Failure(EMPTY)
    except (NoRoomError, MalformedError) as error:
        return Failure(str(error))
    except ModelError as error:
        return Failure(error.message, error)
    except (LookupError, TypeError, ValueError, AttributeError):
        return Failure("an answer of an unexpected shape")


def _failed(error: MopError) -> Failure:
    if isinstance(error, FilteredError):
        raise error
    is_final = isinstance(error, RefusedError | PromptTooLongError)
    return Failure(error.message, error if is_final else None)
