"""Errors of the client: one clear sentence for each, with the server's own words."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.connection import proxy_for
from jupyter_mop.errors import ModelError, MopError, PromptTooLongError

NO_KEY, NO_BALANCE, FORBIDDEN = 401, 402, 403
TIMED_OUT, TOO_EARLY, TOO_MANY = 408, 425, 429
BAD_REQUEST, SERVER_ERROR, NOT_IMPLEMENTED, UNAVAILABLE, OVERLOADED = 400, 500, 501, 503, 529
_MAX_QUOTED = 300
_FILTER, _CONTEXT, _BILLING, _MESSAGES = "content_filter", "context", "billing", "messages"
_CODES = {  # parts of a code or type
    _FILTER: ("content_filter", "content_policy", "data_inspection"),
    _CONTEXT: ("context_length", "context_size"),
    _BILLING: ("insufficient_quota", "billing", "insufficient_balance", "credits_exhausted"),
}
_WORDS = {  # what servers without such a code write
    _CONTEXT: re.compile(
        r"context (?:length|window|size)|prompt is too long|input token count .* exceeds|"
        r"too many tokens in the prompt",
        re.IGNORECASE,
    ),
    _BILLING: re.compile(
        r"credit balance|insufficient (?:balance|credit|funds)|out of credits|no credits? left|"
        r"billing (?:hard )?limit|billing is not active|exceeded your current quota, please check",
        re.IGNORECASE,
    ),
}
_REFUSED_MESSAGES = re.compile(r"system role|roles must alternate", re.IGNORECASE)
_RETRY_DETAIL = "RetryInfo"  # Google's per-minute limits have the words of an empty account
_IS_PAGE = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


class RefusedError(ModelError):
    """The server refused the request.

    Attributes
    ----------
    reason : str
        The server's own message.
    status : int
        The HTTP status; 0 if unknown.
    parameter : str
        The field of the request that the server names; "" if none.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: str = "",
        status: int = 0,
        parameter: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason, self.status, self.parameter = reason, status, parameter


class FilteredError(RefusedError):
    """A content filter refused the prompt."""


class EmptyAnswerError(ModelError):
    """Each attempt gave an answer without text."""


class NoRoomError(ModelError):
    """An answer that is empty because thinking used up the output limit.

    Parameters
    ----------
    n_tokens : int
        Output tokens that were used; 0 if unknown.
    thought : bool
        Whether they were thinking rather than white space.
    """

    def __init__(self, n_tokens: int, *, thought: bool = True) -> None:
        spent = f"all {n_tokens:,} output tokens" if n_tokens else "all output tokens"
        super().__init__(
            f"The model used {spent} {'for thinking' if thought else 'for white space'} and gave "
            "no answer.",
            hint="Leave more room with --reasoning-tokens 8000, or let it think less with "
            "--reasoning-effort low."
            if thought
            else "Increase --max-tokens, or change the question.",
        )
        self.thought = thought


class MalformedError(Exception):
    """A response that is not JSON, or not of the expected shape."""


class NothingError(MalformedError):
    """A response with nothing in it, as a gateway sends when the server behind it is gone."""


class EmptyError(MalformedError):
    """A response whose answer has no text."""


class ReportedError(Exception):
    """An error that the server reports in a response with the status 200.

    Parameters
    ----------
    body : object
        What the server reports.
    """

    def __init__(self, body: object) -> None:
        super().__init__("an error")
        self.body = body


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


class Failure(NamedTuple):
    """What a server says of a failure: HTTP status, kind of error, its words, the field named."""

    status: int
    kind: str
    reason: str
    parameter: str

    @property
    def said(self) -> str:
        """The status and the server's words."""
        return f"{self.status}: {self.reason}" if self.reason else str(self.status)


def explained(error: Exception, call: Call) -> MopError:
    """Return an error that says what happened and what to do."""
    from openai import APIConnectionError, APITimeoutError

    failure = failure_of(error)
    if failure is not None:
        return _status_error(failure, call)
    if isinstance(error, MalformedError):
        return _malformed_error(error, call)
    if isinstance(error, APITimeoutError) and not is_unconnected(error):
        return ModelError(
            f"The server at {call.server} did not respond within {call.timeout:g} s{call.tried}.",
            hint="Increase the limit, as in OpenAIBackend(url, timeout=600), or check its load.",
        )
    if isinstance(error, APIConnectionError):
        known = _network_error(error, call)
        if known is not None:
            return known
        return ModelError(
            f"Cannot reach a server at {call.server}, or it closed the connection{call.tried}.",
            hint="Start the server, or check the address; finished answers are cached.",
        )
    return ModelError(
        f"The call to {call.server} failed in the client ({type(error).__name__}).",
        hint="Check the address and the API key: neither may contain a line break.",
    )


def explained_body(status: int, body: object, call: Call) -> MopError:
    """Return the error for a failure with this HTTP status and body, as a batch reports it."""
    return _status_error(_failure(status, body, "an error without words"), call)


def failure_of(error: Exception) -> Failure | None:
    """Return what the server says of a failure; None if no server said anything."""
    from openai import APIStatusError

    if isinstance(error, ReportedError):
        return _failure(_code_of(error.body) or SERVER_ERROR, error.body, "an error in a response")
    if isinstance(error, APIStatusError):
        return _failure(error.status_code, error.body, error.response.reason_phrase)
    return None


def is_temporary(error: Exception) -> bool:
    """Return whether another attempt may succeed: no connection, overload or server error."""
    from openai import APIConnectionError

    failure = failure_of(error)
    if failure is None:
        is_passing = isinstance(error, APIConnectionError | MalformedError)
        return is_passing and _tls_error(error) is None
    return _is_passing(failure.status) and not failure.kind


def is_unconnected(error: Exception) -> bool:
    """Return whether no connection was made; the aiohttp transport reports a time-out for it."""
    return type(error.__cause__).__name__.startswith("Connect")


def _malformed_error(error: MalformedError, call: Call) -> ModelError:
    if isinstance(error, EmptyError):
        return EmptyAnswerError(
            f"The model at {call.server} gave {error}{call.tried}.",
            hint="Change the question, or check the server's log and its chat template; a model "
            "that thinks may need --reasoning-effort none.",
        )
    return ModelError(
        f"The server at {call.server} answered {call.path} with {error}{call.tried}.",
        hint="Check the address and the server's log: is the server OpenAI-compatible?",
    )


def _network_error(error: Exception, call: Call) -> ModelError | None:
    """Return the error for a certificate, for a server without TLS, or for a proxy."""
    tls, proxy = _tls_error(error), proxy_for(call.server)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return ModelError(
            f"The certificate of {call.server} is not trusted: {tls.verify_message}.",
            hint="If you trust the server, set SSL_CERT_FILE to the file of its certificate, or of "
            "the authority that signed it, before you start.",
        )
    if tls is not None:
        return ModelError(
            f"The server at {call.server} does not answer with TLS ({tls.reason}).",
            hint="Write its address with http:// if it has no certificate.",
        )
    if proxy:
        return ModelError(
            f"Cannot reach {call.server} through the proxy {proxy}{call.tried}.",
            hint="Start the proxy, unset it (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY), or name the "
            "server in NO_PROXY.",
        )
    return None


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the fault of TLS that caused an error, or None."""
    causes = []
    while error is not None:
        causes.append(error)
        error = error.__cause__ or error.__context__
    faults = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    return next((fault for fault in reversed(faults) if type(fault).__module__ == "ssl"), None)


def _is_passing(status: int) -> bool:
    """Return whether waiting may help after this HTTP status."""
    is_server_error = status >= SERVER_ERROR and status != NOT_IMPLEMENTED
    return status in {TIMED_OUT, TOO_EARLY, TOO_MANY} or is_server_error


def _status_error(failure: Failure, call: Call) -> MopError:
    known = _known_error(failure, call) or _account_error(failure, call)
    if known is not None:
        return known
    if _is_passing(failure.status) and not failure.kind:
        return _repeated_error(failure, call)
    is_bad = failure.status == BAD_REQUEST
    return RefusedError(
        f"The server at {call.server} refused {call.path} ({failure.said}).",
        hint="The words are the server's own. Check the model's name, --reasoning-effort and "
        "--extra."
        if is_bad
        else "Check the address, which usually ends in /v1, and the model's name.",
        reason=failure.reason,
        status=failure.status,
        parameter=failure.parameter,
    )


def _known_error(failure: Failure, call: Call) -> MopError | None:
    """Return the error for a prompt that a filter refuses or that is too long."""
    if failure.kind == _FILTER:
        return FilteredError(
            f"A content filter at {call.server} refused the prompt.",
            reason=failure.reason,
            status=failure.status,
        )
    if failure.kind == _CONTEXT:
        return PromptTooLongError(
            f"A prompt and its response exceed the model's context length: {failure.reason}.",
            hint="Shorten the persona, the exemplar or the response.",
        )
    return None


def _account_error(failure: Failure, call: Call) -> MopError | None:
    """Return the error for a key or an account that may not call the model."""
    if failure.kind == _BILLING or failure.status == NO_BALANCE:
        return ModelError(
            f"The account at {call.server} has no credit left ({failure.said}).",
            hint="Top it up and run it again: finished answers are cached.",
        )
    if failure.status == NO_KEY:
        problem = "rejected the API key" if call.has_key else "requires an API key"
        return ModelError(
            f"The server at {call.server} {problem} ({failure.said}).",
            hint=f"Set the environment variable {defaults.KEY_VARIABLE} before you start.",
        )
    if failure.status == FORBIDDEN:
        return RefusedError(
            f"The server at {call.server} denies access ({failure.said}).",
            hint="Check in the account which models, regions and projects the key may use, and "
            "whether the organisation must be verified.",
            reason=failure.reason,
            status=failure.status,
        )
    return None


def _repeated_error(failure: Failure, call: Call) -> ModelError:
    """Return the error for a temporary failure that stayed after all attempts."""
    status, _, reason, _ = failure
    if status in {TOO_MANY, UNAVAILABLE, OVERLOADED}:
        return ModelError(
            f"The server at {call.server} is overloaded (HTTP {status}: {reason}){call.tried}.",
            hint="Run it again later: finished answers are cached.",
        )
    return ModelError(
        f"The server at {call.server} failed ({status}: {reason}){call.tried}.",
        hint="Check its log, and run it again when it works: finished answers are cached.",
    )


def _failure(status: int, body: object, default: str) -> Failure:
    """Return what a body says, which may be a mapping, a list, a string or a page."""
    words = " ".join((_words(body) or default).split())[:_MAX_QUOTED].rstrip(".")
    fields = _error_of(body)
    code = f"{fields.get('code')} {fields.get('type')} {fields.get('status')}"
    kind = next((k for k, parts in _CODES.items() if any(part in code for part in parts)), "")
    if not kind and (status < SERVER_ERROR or status == NOT_IMPLEMENTED):
        kind = next((k for k, found in _WORDS.items() if found.search(words)), "")
    if status >= SERVER_ERROR and _REFUSED_MESSAGES.search(words):
        kind = _MESSAGES  # an error in the chat template, which comes again with each attempt
    if kind == _BILLING and _RETRY_DETAIL in json.dumps(fields.get("details", "")):
        kind = ""
    return Failure(status, kind, words, str(fields.get("param") or ""))


def _error_of(body: object) -> Mapping[str, Any]:
    """Return the mapping that describes an error, wherever a server puts it."""
    if isinstance(body, list):
        return _error_of(body[0]) if body else {}
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _words(body: object) -> str:
    """Return the message in a body: OpenAI's, a list, FastAPI's `detail`, or plain text."""
    if isinstance(body, str):
        return "" if _IS_PAGE.match(body) else body
    if isinstance(body, list):
        return "; ".join(filter(None, map(_words, body)))
    if not isinstance(body, Mapping):
        return ""
    place = ".".join(str(part) for part in body["loc"]) if isinstance(body.get("loc"), list) else ""
    names = ("message", "error", "detail", "msg", "errors")
    words = next((found for name in names if (found := _words(body.get(name)))), "")
    raw = _raw_words(body.get("metadata"))
    return ": ".join(filter(None, [place, words, raw]))


def _raw_words(metadata: object) -> str:
    """Return the upstream provider's words, which OpenRouter puts beside its own."""
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            return str(raw)
    return _words(raw)


def _code_of(body: object) -> int | None:
    """Return the HTTP status that an error in a response carries, if any."""
    code = _error_of(body).get("code")
    is_status = isinstance(code, int | str) and str(code).isdecimal() and len(str(code)) == 3  # noqa: PLR2004
    return int(code) if is_status else None  # type: ignore[arg-type]
