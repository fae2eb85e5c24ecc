"""A panel's data as JSON and bytes for the browser."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

_TURN_SEPARATOR = "\n\n"


def wire_statistics(value: Any) -> Any:  # noqa: ANN401  JSON with arrays in it
    r"""Return statistics for the browser: arrays as bytes of doubles, non-finite numbers as None.

    Examples
    --------
    >>> import numpy as np
    >>> wire_statistics({"counts": np.array([1.0]), "floors": {"FID": float("nan")}})
    {'counts': b'\x00\x00\x00\x00\x00\x00\xf0?', 'floors': {'FID': None}}
    """
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype="<f8").tobytes()
    if isinstance(value, Mapping):
        return {name: wire_statistics(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [wire_statistics(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _readable(value) if isinstance(value, str) else value


def wire_points(points: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    r"""Return responses for the browser: positions, personas and clusters as bytes.

    Texts are indices into a table of distinct strings. A prompt is a list of turns, since most
    prompts share most of their turns.

    Parameters
    ----------
    points : DataFrame
        Real responses come first. Columns x, y, source, persona, cluster, response, context,
        exemplar, prompt.
    names : sequence of str
        Names of the personas.

    Examples
    --------
    >>> import pandas as pd
    >>> row = dict(x=0.0, y=1.0, persona="fan", cluster=0, response="Wow.", context="positive")
    >>> frame = pd.DataFrame([row | dict(source="simulated", exemplar=None, prompt="user: go")])
    >>> wire = wire_points(frame, ["critic", "fan"])
    >>> wire["real"], wire["persona"], json.loads(wire["texts"])["strings"]
    (0, b'\x01\x00', ['Wow.', 'positive', 'user: go'])
    """
    codes = {name: k for k, name in enumerate(names)}
    personas = [codes.get(name, -1) for name in points["persona"]]
    texts = _StringTable()
    columns = {
        column: [texts.index(text) for text in points[column]]
        for column in ("response", "context", "exemplar")
    }
    prompts = [texts.turns(prompt) for prompt in points["prompt"]]
    table = columns | {"prompt": prompts, "strings": texts.strings}
    return {
        "real": int((points["source"] == "real").sum()),
        "xy": points[["x", "y"]].to_numpy("<f4").tobytes(),
        "persona": np.array(personas, "<i2").tobytes(),
        "cluster": points["cluster"].to_numpy("<i2").tobytes(),
        "texts": json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode(),
    }


class _StringTable:
    """Distinct strings and their indices."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._indices: dict[str, int] = {}

    def index(self, text: object) -> int:
        """Return the index of a string, added if it is new; -1 for anything else."""
        if not isinstance(text, str):
            return -1
        readable = _readable(text)
        if readable not in self._indices:
            self._indices[readable] = len(self.strings)
            self.strings.append(readable)
        return self._indices[readable]

    def turns(self, prompt: object) -> list[int] | None:
        if not isinstance(prompt, str):
            return None
        return [self.index(turn) for turn in prompt.split(_TURN_SEPARATOR)]


def _readable(text: str) -> str:
    """Return `text` as valid UTF-8, with "?" for a lone surrogate."""
    return text.encode("utf-8", "replace").decode("utf-8")
