"""The lines of a batch's files: requests, each with its key in the store, and their outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

CHATS: Final = "/v1/chat/completions"
MAX_LINES = 50_000
MAX_BYTES = 190_000_000  # servers take 200 MB
OK = 200


class Outcome(NamedTuple):
    """What became of one request.

    Attributes
    ----------
    key : str
        The request's key in the store.
    status : int
        HTTP status; 0 if the request was never run.
    body : object
        The answer, or what the server says of a failure.
    """

    key: str
    status: int
    body: object

    @property
    def is_answer(self) -> bool:
        """Whether the body is an answer."""
        return self.status == OK and isinstance(self.body, dict)


def write_lines(bodies: Mapping[str, Json]) -> Iterator[tuple[list[str], bytes]]:
    r"""Yield the keys and the content of each file that the requests need.

    A file has at most 50,000 lines and 190 MB.

    Examples
    --------
    >>> [(keys, content)] = write_lines({"k1": {"model": "m"}})
    >>> keys, content.count(b"\n")
    (['k1'], 1)
    """
    keys: list[str] = []
    lines: list[bytes] = []
    n_bytes = 0
    for key, body in bodies.items():
        line = _line(key, body)
        if lines and (len(lines) == MAX_LINES or n_bytes + len(line) > MAX_BYTES):
            yield keys, b"".join(lines)
            keys, lines, n_bytes = [], [], 0
        keys.append(key)
        lines.append(line)
        n_bytes += len(line)
    if lines:
        yield keys, b"".join(lines)


def read_lines(contents: Iterable[bytes]) -> dict[str, Outcome]:
    r"""Return the outcome of each request by its key, whatever the order of the lines.

    A line that is cut off or of another shape is left out: its request has no outcome. If there
    are several outcomes of a request, an answer is used.

    Examples
    --------
    >>> line = b'{"custom_id": "k1", "response": null, "error": {"code": "batch_expired"}}'
    >>> read_lines([line + b'\n{"custom_id": "k2", "resp'])["k1"].status
    0
    """
    outcomes: dict[str, Outcome] = {}
    for content in contents:
        for line in content.split(b"\n"):
            outcome = _outcome(line)
            if outcome and not (outcome.key in outcomes and outcomes[outcome.key].is_answer):
                outcomes[outcome.key] = outcome
    return outcomes


def _line(key: str, body: Json) -> bytes:
    line = {"custom_id": key, "method": "POST", "url": CHATS, "body": body}
    return json.dumps(line).encode() + b"\n"


def _outcome(line: bytes) -> Outcome | None:
    try:
        found = json.loads(line.decode("utf-8", "replace"))
        key = found["custom_id"]
        response, error = found.get("response") or {}, found.get("error")
        status, body = response.get("status_code", 0), response.get("body")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if not isinstance(key, str):
        return None
    return Outcome(key, 0 if error or type(status) is not int else status, error or body)
