"""Personas: descriptions of subgroups, read from text, YAML, a data frame or a file."""

from __future__ import annotations

import difflib
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import pandas_frame
from jupyter_mop.errors import DataError

_LINE = re.compile(
    r"(?P<name>[^\s:\[\]{}\-#][^:\[\]{}]*?)\s*(\[(?P<weight>[^\]]*)\])?\s*:(?P<text>.*)"
)
_EXAMPLE = 'Write one persona per line, for example "critic [0.4]: You review films for a living."'


@dataclass(frozen=True, slots=True)
class Persona:
    """A subgroup of a population, described in words.

    Parameters
    ----------
    name : str
        Short, unique name; shown in tables and charts and used in `--weights NAME=0.4`.
    description : str
        Text of the system message, preferably in the second person.
    weight : float, optional
        Share of the population. Personas without a weight share the rest equally.

    Examples
    --------
    >>> Persona("critic", "You review films for a living.").name
    'critic'
    """

    name: str
    description: str
    weight: float | None = None

    def __post_init__(self) -> None:
        """Raise a DataError for a missing name or description, or an invalid weight."""
        if not self.name.strip():
            raise DataError(
                f"A persona needs a name, got none for {self.description!r}.",
                hint=_EXAMPLE,
            )
        if not self.description.strip():
            raise DataError(f"The persona {self.name!r} has no description.", hint=_EXAMPLE)
        if self.weight is not None and not 0 <= _number(self.name, self.weight) < math.inf:
            raise DataError(
                f"The weight of persona {self.name!r} must be zero or more, got {self.weight}.",
                hint="Write a share such as [0.4], or leave it out.",
            )


def read_personas(source: object) -> list[Persona]:
    r"""Read personas from text, YAML, a data frame, a mapping, a file or a list.

    Parameters
    ----------
    source : str, pathlib.Path, pandas.DataFrame, mapping or iterable
        Text with one `name: description` or `name [0.4]: description` per line, or YAML; the path
        of such a file or of a CSV file; a data frame with the columns name, description and
        optionally weight; or a mapping from name to description.

    Returns
    -------
    list of Persona

    Raises
    ------
    DataError
        If there are no personas, a description is missing, a name occurs twice or a weight is
        invalid.

    Examples
    --------
    >>> [p.weight for p in read_personas("fan [0.4]: You love films.\ncritic: You judge films.")]
    [0.4, None]
    """
    personas = [_persona(item) for item in _items(source)]
    if not personas:
        raise DataError("There are no personas.", hint=_EXAMPLE)
    twice = [name for name, count in Counter(p.name for p in personas).items() if count > 1]
    if twice:
        raise DataError(
            f"Persona names must be unique; {twice[0]!r} occurs more than once.",
            hint="Rename one of them.",
        )
    persona_shares(personas)
    return personas


def persona_shares(personas: Sequence[Persona]) -> NDArray[np.float64]:
    r"""Return the stated persona weights, normalised to sum to 1, shape (K,).

    Personas without a weight share the rest equally.

    Examples
    --------
    >>> persona_shares(read_personas("a [0.4]: x\nb: y\nc: z")).tolist()
    [0.4, 0.3, 0.3]
    """
    stated = np.array([np.nan if p.weight is None else p.weight for p in personas])
    missing = np.isnan(stated)
    total = float(np.nansum(stated))
    if missing.any() and total > 1:
        raise DataError(
            f"The stated persona weights sum to {total:g}, which leaves nothing for the others.",
            hint="Use weights that sum to less than 1, or give every persona a weight.",
        )
    shares = np.where(missing, (1 - total) / max(missing.sum(), 1), stated)
    return normalised(shares, [p.name for p in personas])


def persona_index(personas: Sequence[Persona], name: str) -> int:
    """Return the index of the persona with this name.

    Raises
    ------
    DataError
        If there is none; the hint suggests the most similar name.
    """
    names = [persona.name for persona in personas]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, 1, cutoff=0)
    raise DataError(f"There is no persona {name!r}.", hint=f"Did you mean {near[0]!r}?")


def normalised(weights: Iterable[float], names: Sequence[str]) -> NDArray[np.float64]:
    """Return `weights` scaled to sum to 1, shape (K,).

    Raises
    ------
    DataError
        If a weight is negative or not finite, or all weights are zero.
    """
    values = np.asarray(list(weights), dtype=np.float64)
    for name, value in zip(names, values, strict=True):
        if not (np.isfinite(value) and value >= 0):
            raise DataError(
                f"The weight of persona {name!r} must be zero or more, got {value:g}.",
                hint="Use a share such as 0.4.",
            )
    if values.sum() <= 0:
        raise DataError(
            "The persona weights sum to zero.",
            hint="Give at least one persona a weight above zero.",
        )
    return np.asarray(values / values.sum())


def _items(source: object) -> Iterable[Any]:
    source = pandas_frame(source)
    if isinstance(source, Path):
        return _from_file(source)
    if isinstance(source, str):
        return _from_text(source)
    if isinstance(source, pd.DataFrame):
        return _from_frame(source)
    if isinstance(source, Mapping):
        return [_named(name, value) for name, value in source.items()]
    if isinstance(source, Iterable):
        return list(source)
    raise DataError(
        f"Cannot read personas from {type(source).__name__!r}.",
        hint="Pass text, a DataFrame, a mapping, a path or a list of Persona.",
    )


def _persona(item: Any) -> Persona:  # noqa: ANN401  the type is checked here
    if isinstance(item, Persona):
        return item
    if not isinstance(item, Mapping) or "name" not in item:
        raise DataError(f"A persona needs a name and a description, got {item!r}.", hint=_EXAMPLE)
    name, text, weight = _text(item["name"]), _text(item.get("description")), item.get("weight")
    return Persona(name, text, _number(name, weight) if _text(weight) else None)


def _text(value: object) -> str:
    """Return `value` as text; a missing value is empty."""
    return "" if pd.isna(value) is True else str(value).strip()  # type: ignore[call-overload]


def _named(name: object, value: object) -> Mapping[str, object]:
    return {"name": name, **(value if isinstance(value, Mapping) else {"description": value})}


def _number(name: str, weight: object) -> float:
    try:
        return float(str(weight))
    except ValueError:
        raise DataError(
            f"The weight of persona {name!r} must be a number, got {weight!r}.",
            hint="Write it as in: critic [0.4]: You review films.",
        ) from None


def _from_file(path: Path) -> Iterable[Any]:
    if not path.is_file():
        raise DataError(f"There is no personas file {str(path)!r}.", hint="Check the path.")
    try:
        if path.suffix == ".csv":
            return _from_frame(pd.read_csv(path))
        return _from_text(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise DataError(
            f"Cannot read the personas file {str(path)!r}: {str(error).strip()}.",
            hint="Save it as UTF-8 text, YAML or CSV.",
        ) from error


def _from_frame(frame: pd.DataFrame) -> Iterable[Any]:
    if not {"name", "description"} <= set(frame.columns):
        raise DataError(
            f"A data frame of personas needs the columns name and description, got {list(frame)}.",
            hint="Rename its columns with df.rename(columns={...}).",
        )
    return frame.to_dict("records")


def _from_text(text: str) -> Iterable[Any]:
    text = textwrap.dedent(text)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matches = [_LINE.fullmatch(line) for line in lines]
    if not all(matches):
        return _from_yaml(text)
    return [
        {"name": m["name"], "weight": m["weight"], "description": m["text"]} for m in matches if m
    ]


def _from_yaml(text: str) -> Iterable[Any]:
    import yaml

    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(
            "The personas are neither one per line nor valid YAML.", hint=_EXAMPLE
        ) from error
    if isinstance(loaded, str | int | float):
        raise DataError(
            f"A persona needs a name, a colon and a description, got {loaded!r}.", hint=_EXAMPLE
        )
    return _items(loaded if loaded is not None else [])
