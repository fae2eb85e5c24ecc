"""Personas: short texts that each describe a subgroup, read from text, YAML, a frame or a file."""

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
_EXAMPLE = 'Write one persona a line, for example "critic [0.4]: You review films for a living."'


@dataclass(frozen=True, slots=True)
class Persona:
    """A subgroup of a population, in words.

    Parameters
    ----------
    name : str
        Short and unique; used in tables, plots and `--weights NAME=0.4`.
    description : str
        The text that the model is given as its system turn, best in the second person.
    weight : float, optional
        Share of the population; personas without one share what is left.

    Examples
    --------
    >>> Persona("critic", "You review films for a living.").name
    'critic'
    """

    name: str
    description: str
    weight: float | None = None

    def __post_init__(self) -> None:
        """Refuse a persona that has no name, no text or an impossible weight."""
        if not self.name.strip():
            raise DataError(
                f"A persona needs a name; one with the text {self.description!r} has none.",
                hint=_EXAMPLE,
            )
        if not self.description.strip():
            raise DataError(f"The persona {self.name!r} has no text.", hint=_EXAMPLE)
        if self.weight is not None and not 0 <= _number(self.name, self.weight) < math.inf:
            raise DataError(
                f"The weight of persona {self.name!r} must be zero or more, not {self.weight}.",
                hint="Give a share such as [0.4], or leave it out.",
            )


def read_personas(source: object) -> list[Persona]:
    r"""Read personas from text, YAML, a frame, a mapping, a file or a list of them.

    Parameters
    ----------
    source : str, pathlib.Path, pandas.DataFrame, mapping or iterable
        Text with one `name: description` or `name [0.4]: description` a line, or YAML; a path
        to such a file or to a CSV; a frame with the columns name, description and, if wanted,
        weight; a mapping from name to description.

    Returns
    -------
    list of Persona

    Raises
    ------
    DataError
        For no personas, a persona with no text, duplicate names or impossible weights.

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
            f"Persona names must be unique; {twice[0]!r} is there more than once.",
            hint="Rename one of them.",
        )
    persona_shares(personas)
    return personas


def persona_shares(personas: Sequence[Persona]) -> NDArray[np.float64]:
    r"""Return the weights that the analyst stated, filled up and normalised, shape (K,).

    Personas without a weight share equally what the others leave of 1.

    Examples
    --------
    >>> persona_shares(read_personas("a [0.4]: x\nb: y\nc: z")).tolist()
    [0.4, 0.3, 0.3]
    """
    stated = np.array([np.nan if p.weight is None else p.weight for p in personas])
    open_ = np.isnan(stated)
    total = float(np.nansum(stated))
    if open_.any() and total > 1:
        raise DataError(
            f"The stated persona weights sum to {total:g}, which leaves nothing for the others.",
            hint="State weights that sum to less than 1, or one for every persona.",
        )
    shares = np.where(open_, (1 - total) / max(open_.sum(), 1), stated)
    return normalised(shares, [p.name for p in personas])


def persona_index(personas: Sequence[Persona], name: str) -> int:
    """Return which of `personas` has this name, or say which name is near."""
    names = [persona.name for persona in personas]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, 1, cutoff=0)
    raise DataError(f"There is no persona {name!r}.", hint=f"Did you mean {near[0]!r}?")


def normalised(weights: Iterable[float], names: Sequence[str]) -> NDArray[np.float64]:
    """Return `weights` scaled to sum to 1, or say which of `names` has an impossible one."""
    values = np.asarray(list(weights), dtype=np.float64)
    for name, value in zip(names, values, strict=True):
        if not (np.isfinite(value) and value >= 0):
            raise DataError(
                f"The weight of persona {name!r} must be zero or more, not {value:g}.",
                hint="Weights are shares, such as 0.4.",
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
        f"Personas cannot be read from a {type(source).__name__}.",
        hint="Give text, a DataFrame, a mapping, a path or a list of Persona.",
    )


def _persona(item: Any) -> Persona:  # noqa: ANN401  one of many shapes, checked here
    if isinstance(item, Persona):
        return item
    if not isinstance(item, Mapping) or "name" not in item:
        raise DataError(f"A persona needs a name and a description, not {item!r}.", hint=_EXAMPLE)
    name, text, weight = _text(item["name"]), _text(item.get("description")), item.get("weight")
    return Persona(name, text, _number(name, weight) if _text(weight) else None)


def _text(value: object) -> str:
    """Return `value` as text, empty where a frame or a file has nothing."""
    return "" if pd.isna(value) is True else str(value).strip()  # type: ignore[call-overload]


def _named(name: object, value: object) -> Mapping[str, object]:
    return {"name": name, **(value if isinstance(value, Mapping) else {"description": value})}


def _number(name: str, weight: object) -> float:
    try:
        return float(str(weight))
    except ValueError:
        raise DataError(
            f"The weight of persona {name!r} must be a number, not {weight!r}.",
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
            f"The personas file {str(path)!r} cannot be read: {str(error).strip()}.",
            hint="Save it as UTF-8 text, YAML or CSV.",
        ) from error


def _from_frame(frame: pd.DataFrame) -> Iterable[Any]:
    absent = {"name", "description"} - set(frame.columns)
    if absent:
        raise DataError(
            f"A frame of personas needs the columns name and description; it has {list(frame)}.",
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
        raise DataError("These personas are neither one a line nor YAML.", hint=_EXAMPLE) from error
    if isinstance(loaded, str | int | float):
        raise DataError(
            f"A persona needs a name, a colon and a text, not {loaded!r}.", hint=_EXAMPLE
        )
    return _items(loaded if loaded is not None else [])
