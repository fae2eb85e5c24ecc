"""Edits of a list of personas; each returns a new, valid list."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from jupyter_mop.engine.data.personas import Persona, persona_shares, read_personas
from jupyter_mop.errors import DataError

_DECIMALS = 4


def add(personas: Sequence[Persona], name: str, description: str) -> list[Persona]:
    """Return `personas` with a new persona at the end.

    If all others have a stated weight, the new persona gets their mean weight, otherwise none.

    Examples
    --------
    >>> [p.name for p in add([Persona("fan", "You love films.")], "critic", "You judge films.")]
    ['fan', 'critic']
    """
    stated = [p.weight for p in personas if p.weight is not None]
    mean = sum(stated) / len(stated) if stated and len(stated) == len(personas) else None
    new = Persona(_free_name(personas, name), _checked_description(description), mean)
    return read_personas([*personas, new])


def rename(personas: Sequence[Persona], index: int, name: str) -> list[Persona]:
    """Return `personas` with a new name for the persona at `index`.

    Examples
    --------
    >>> rename([Persona("fan", "You love films.")], 0, "lover")[0].name
    'lover'
    """
    others = [p for i, p in enumerate(personas) if i != index]
    return _replaced(personas, index, [replace(personas[index], name=_free_name(others, name))])


def describe(personas: Sequence[Persona], index: int, description: str) -> list[Persona]:
    """Return `personas` with a new description for the persona at `index`.

    Examples
    --------
    >>> describe([Persona("fan", "You love films.")], 0, "You adore films.")[0].description
    'You adore films.'
    """
    return _replaced(
        personas, index, [replace(personas[index], description=_checked_description(description))]
    )


def split(personas: Sequence[Persona], index: int) -> list[Persona]:
    """Return `personas` with the one at `index` split into two copies of half its weight.

    Examples
    --------
    >>> [(p.name, p.weight) for p in split([Persona("fan", "You love films.", 0.4)], 0)]
    [('fan 1', 0.2), ('fan 2', 0.2)]
    """
    persona, taken = personas[index], {p.name for p in personas}
    weight = _weight(personas, index) / 2
    halves = []
    for _ in range(2):
        name = _numbered(persona.name, taken)
        taken.add(name)
        halves.append(Persona(name, persona.description, _rounded(persona, weight)))
    return _replaced(personas, index, halves)


def merge(personas: Sequence[Persona], index: int, other: int) -> list[Persona]:
    """Return `personas` with the one at `other` merged into the one at `index`.

    Examples
    --------
    >>> pair = [Persona("fan", "You love films.", 0.4), Persona("critic", "You judge.", 0.6)]
    >>> merge(pair, 0, 1)
    [Persona(name='fan and critic', description='You love films. You judge.', weight=1.0)]
    """
    if index == other:
        raise DataError("A persona cannot be merged with itself.", hint="Choose another persona.")
    first, second = personas[index], personas[other]
    rest = [p for i, p in enumerate(personas) if i not in (index, other)]
    name = f"{first.name} and {second.name}"
    if any(p.name == name for p in rest):
        name = _numbered(name, {p.name for p in rest})
    weight = _weight(personas, index) + _weight(personas, other)
    stated = all(p.weight is not None for p in (first, second))
    texts = dict.fromkeys([first.description, second.description])
    joined = Persona(name, " ".join(texts), weight if stated else round(weight, _DECIMALS))
    rest.insert(index - (other < index), joined)
    return read_personas(rest)


def delete(personas: Sequence[Persona], index: int) -> list[Persona]:
    """Return `personas` without the one at `index`; the last persona cannot be deleted.

    Examples
    --------
    >>> [p.name for p in delete([Persona("fan", "x"), Persona("critic", "y")], 0)]
    ['critic']
    """
    if len(personas) == 1:
        raise DataError("The last persona cannot be deleted.", hint="Add another persona first.")
    return _replaced(personas, index, [])


def set_weights(personas: Sequence[Persona], weights: Sequence[float]) -> list[Persona]:
    """Return `personas` with these stated weights, rounded to four decimals.

    Examples
    --------
    >>> [p.weight for p in set_weights([Persona("fan", "x"), Persona("critic", "y")], [0.25, 0.75])]
    [0.25, 0.75]
    """
    pairs = zip(personas, weights, strict=True)
    return read_personas([replace(p, weight=round(float(w), _DECIMALS)) for p, w in pairs])


def as_text(personas: Sequence[Persona]) -> str:
    r"""Return text that `read_personas` reads back: one persona per line, or YAML if needed.

    Examples
    --------
    >>> print(as_text([Persona("fan", "You love films.", 0.4), Persona("critic", "You judge.")]))
    fan [0.4]: You love films.
    critic: You judge.
    >>> print(as_text([Persona("fan: loud", "You love films.")]))
    - name: "fan: loud"
      description: "You love films."
    """
    lines = "\n".join(_line(persona) for persona in personas)
    return lines if _reads_back(lines, personas) else "\n".join(map(_item, personas))


def _replaced(personas: Sequence[Persona], index: int, new: Sequence[Persona]) -> list[Persona]:
    return read_personas([*personas[:index], *new, *personas[index + 1 :]])


def _checked_description(description: str) -> str:
    if not description.strip():
        raise DataError("A persona needs a description.", hint="Write it as: You are ...")
    return description.strip()


def _free_name(others: Sequence[Persona], name: str) -> str:
    name = name.strip()
    if not name:
        raise DataError("A persona needs a name.", hint="Enter a short name.")
    if any(persona.name == name for persona in others):
        raise DataError(f"There is already a persona {name!r}.", hint="Use a different name.")
    return name


def _numbered(name: str, taken: Collection[str]) -> str:
    number = 1
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def _weight(personas: Sequence[Persona], index: int) -> float:
    """Return the stated weight of a persona, or its share of the rest if it has none."""
    weight = personas[index].weight
    return float(persona_shares(personas)[index]) if weight is None else weight


def _rounded(persona: Persona, weight: float) -> float:
    return round(weight, _DECIMALS) if persona.weight is None else weight


def _line(persona: Persona) -> str:
    weight = "" if persona.weight is None else f" [{persona.weight!r}]"
    return f"{persona.name}{weight}: {persona.description}"


def _reads_back(text: str, personas: Sequence[Persona]) -> bool:
    try:
        return read_personas(text) == list(personas)
    except DataError:
        return False


def _item(persona: Persona) -> str:
    lines = [f"- name: {_quoted(persona.name)}"]
    if persona.weight is not None:
        lines.append(f"  weight: {persona.weight!r}")
    return "\n".join([*lines, f"  description: {_quoted(persona.description)}"])


def _quoted(text: str) -> str:
    import yaml

    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return dumped.rstrip("\n")
