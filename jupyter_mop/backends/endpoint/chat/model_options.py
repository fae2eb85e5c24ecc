"""The options of a model behind an endpoint, besides those of the connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from jupyter_mop.options import Limit, Options, at_least, option

_OURS = ("model", "messages", "n", "stream")


def json_object(text: str) -> Mapping[str, Any]:
    """Return the JSON object in a text, which may be in quotes.

    Raises
    ------
    ValueError
        The text is not a JSON object.

    Examples
    --------
    >>> json_object('{"top_k": 20}')
    {'top_k': 20}
    """
    text = text.strip()
    value = json.loads(text[1:-1] if text[:1] == text[-1:] == "'" else text)
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004  argparse makes one line of a ValueError
    return value


def _is_extra(value: object) -> bool:
    return isinstance(value, Mapping) and not set(_OURS) & set(value)


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Options of a model behind an endpoint.

    Examples
    --------
    >>> ModelOptions(reasoning_effort="low").sent
    {'reasoning_effort': 'low'}
    """

    noun: ClassVar[str] = "an endpoint"

    reasoning_tokens: int | None = option(
        None,
        kind="int",
        flags=("--reasoning-tokens",),
        parse=int,
        limit=at_least(0),
        help="Tokens that a reasoning model may spend on thinking, beside the output limit of the "
        "answer. Default: four times the most seen when the endpoint is probed, doubled where an "
        "answer stays empty.",
    )
    reasoning_effort: str | None = option(
        None,
        kind="str",
        flags=("--reasoning-effort",),
        choices=("none", "minimal", "low", "medium", "high"),
        help="How much a reasoning model thinks, in the server's words, such as low. Default: the "
        "server's own.",
    )
    extra: Mapping[str, Any] | None = option(
        None,
        kind="mapping",
        flags=("--extra",),
        parse=json_object,
        limit=Limit(f"a JSON object without {', '.join(_OURS)}", _is_extra),
        help="Further fields of each chat request as a JSON object, such as "
        '\'{"chat_template_kwargs": {"enable_thinking": false}}\'.',
    )

    hedge_after: float | None = option(
        None,
        kind="float",
        flags=("--hedge-after",),
        parse=float,
        limit=Limit("above 0", lambda value: isinstance(value, Real) and float(value) > 0),
        help="Seconds after which a call without a response is sent a second time. The first "
        "response is used, and both calls are charged. Default: never.",
    )

    @property
    def sent(self) -> dict[str, Any]:
        """The fields that each chat request has besides those of the sampling parameters."""
        effort = {"reasoning_effort": self.reasoning_effort} if self.reasoning_effort else {}
        return effort | dict(self.extra or {})
