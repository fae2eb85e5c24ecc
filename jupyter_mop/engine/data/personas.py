"""Personas: descriptions of subgroups, read from text, a data frame, a mapping or a file."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import pandas_frame, text_columns, value_text
from jupyter_mop.engine.data.persona_sources.files import read_file
from jupyter_mop.engine.data.persona_sources.formats import (
    has_personas,
    mapping_items,
    persona_rows,
)
from jupyter_mop.engine.data.persona_sources.lines import EXAMPLE, read_text
from jupyter_mop.engine.metrics.vectors import MAX_WEIGHT
from jupyter_mop.errors import DataError


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
                hint=EXAMPLE,
            )
        if not self.description.strip():
            raise DataError(f"The persona {self.name!r} has no description.", hint=EXAMPLE)
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
        Text with one `name: description` or `name [0.4]: description` per line, or YAML; a data
        frame with the columns name, description and optionally weight; a mapping from name to
        description; or the path of a .txt, .yaml, .json, .jsonl, .csv or .tsv file. Rows of
        PersonaHub and Nemotron-Personas, and agents of EDSL and TinyTroupe, are read too.

    Returns
    -------
    list of Persona

    Raises
    ------
    DataError
        If there are no personas, a description is missing, a name occurs twice, a weight is
        invalid or a file cannot be read.

    Warns
    -----
    UserWarning
        Where there are columns or keys that are not used.

    Examples
    --------
    >>> [p.weight for p in read_personas("fan [0.4]: You love films.\ncritic: You judge films.")]
    [0.4, None]
    """
    personas = [_persona(item) for item in _items(source)]
    if not personas:
        raise DataError("There are no personas.", hint=EXAMPLE)
    names = Counter(unicodedata.normalize("NFC", persona.name) for persona in personas)
    twice = [name for name, count in names.items() if count > 1]
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
        If a weight is negative, not finite or too large to add up, or all weights are zero.
    """
    values = np.asarray(list(weights), dtype=np.float64)
    for name, value in zip(names, values, strict=True):
        if not (np.isfinite(value) and value >= 0):
            raise DataError(
                f"The weight of persona {name!r} must be zero or more, got {value:g}.",
                hint="Use a share such as 0.4.",
            )
        if value > MAX_WEIGHT:
            raise DataError(
                f"The weight of persona {name!r} is too large to add up: {value:g}.",
                hint="Use a share such as 0.4.",
            )
    if values.sum() <= 0:
        raise DataError(
            "The persona weights sum to zero.",
            hint="Give at least one persona a weight above zero.",
        )
    return np.asarray(values / values.sum())


def _items(source: object) -> list[Any]:
    source = pandas_frame(source)
    if isinstance(source, Path):
        source = read_file(source)
    elif isinstance(source, str):
        source = read_text(source)
    if isinstance(source, pd.DataFrame):
        return persona_rows(_from_frame(source))
    if isinstance(source, Mapping):
        return persona_rows(mapping_items(source))
    if isinstance(source, Iterable) and not isinstance(source, str):
        return persona_rows(source)
    raise DataError(
        f"Cannot read personas from {source!r:.80}, which is a {type(source).__name__}.",
        hint="Pass text, a DataFrame, a mapping, a path or a list of Persona.",
    )


def _persona(item: Any) -> Persona:  # noqa: ANN401  the type is checked here
    if isinstance(item, Persona):
        return item
    if not isinstance(item, Mapping) or "name" not in item:
        raise DataError(
            f"A persona needs a name and a description, got {item!r:.200}.", hint=EXAMPLE
        )
    name, text, weight = _text(item["name"]), item.get("description"), item.get("weight")
    if isinstance(text, list | Mapping):
        raise DataError(
            f"The description of persona {name!r} must be a text, got {text!r:.80}.", hint=EXAMPLE
        )
    return Persona(name, _text(text), _number(name, weight) if _text(weight) else None)


def _text(value: object) -> str:
    """Return `value` as text; a missing value is empty."""
    return "" if pd.isna(value) is True else value_text(value).strip()  # type: ignore[call-overload]


def _number(name: str, weight: object) -> float:
    try:
        return float(str(weight))
    except ValueError:
        raise DataError(
            f"The weight of persona {name!r} must be a number, got {weight!r}.",
            hint="Write it as in: critic [0.4]: You review films.",
        ) from None


def _from_frame(frame: pd.DataFrame) -> list[Any]:
    frame = text_columns(frame)
    if not has_personas(frame.columns):
        raise DataError(
            f"A data frame of personas needs the columns name and description, got {list(frame)}.",
            hint="Rename its columns with df.rename(columns={...}).",
        )
    return frame.to_dict("records")
