r"""Semantic similarity rating: a free text as shares of the options (Maier et al. 2025).

Each option has anchor statements: texts as somebody writes who would choose it. A reply with the
vector t, and the anchors of one set with the vectors s_a, give the shares

    p(a) = (cos(s_a, t) - min_b cos(s_b, t))^(1/T) / sum over the options

(arXiv 2510.08338, equations 8 and 9, with epsilon = 0), averaged over the sets of anchors. With
two options, the nearer one has all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.engine.data.encoding import encode_distinct
from jupyter_mop.errors import DataError

Array = NDArray[np.float64]
Anchors = Mapping[str, str | Sequence[str]] | Sequence[str]
OPTION = "{option}"
TEMPLATES = (
    OPTION,
    "My answer is: {option}.",
    "I would say: {option}.",
    "If you ask me, {option}.",
)
_EXAMPLE = 'Write {"yes": "I would love to.", "no": "I would rather not."}.'


def anchor_statements(
    options: Sequence[str], anchors: Anchors | None = None
) -> dict[str, list[str]]:
    """Return the anchor statements of each option, to look at or to edit.

    Parameters
    ----------
    options : sequence of str
        All `A` options.
    anchors : mapping or sequence of str, optional
        A statement or several for each option, as many for each; or templates with `{option}`.
        Default: four templates.

    Returns
    -------
    dict of str to list of str
        The S statements of each option; the first ones are a set, the second ones, and so on.

    Raises
    ------
    DataError
        If an option has no statement or another number of them than the others, an option is
        unknown, a template lacks `{option}`, or two options of a set have the same statement.

    Examples
    --------
    >>> anchor_statements(["yes", "no"], ["I say {option}."])
    {'yes': ['I say yes.'], 'no': ['I say no.']}
    >>> anchor_statements(["yes", "no"], {"yes": "Gladly.", "no": "Never."})["no"]
    ['Never.']
    """
    if isinstance(anchors, Mapping):
        found = _given(options, anchors)
    else:
        found = _from_templates(options, TEMPLATES if anchors is None else anchors)
    for statements in zip(*found.values(), strict=True):
        repeated = next((text for text in statements if statements.count(text) > 1), None)
        if repeated is not None:
            raise DataError(
                f"Two options have the anchor statement {repeated!r}.",
                hint="Write one for each option that is its own.",
            )
    return found


def rated_shares(
    texts: Sequence[str],
    statements: Mapping[str, Sequence[str]],
    encoder: Encoder,
    *,
    temperature: float = 1.0,
) -> Array:
    """Return the share of each option in each of n texts by its similarity to the anchors, (n, A).

    Parameters
    ----------
    texts : sequence of str
    statements : mapping of str to sequence of str
        The statements of the `A` options in sets; see `anchor_statements`.
    encoder : Encoder
    temperature : float
        Below 1 the shares are sharper; at 0 the nearest option of each set has all of it.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyEncoder
    >>> encoder = ToyEncoder(["tea", "milk", "beer"])
    >>> statements = anchor_statements(["tea", "milk", "beer"], ["{option}"])
    >>> rated_shares(["Tea!", "milk tea"], statements, encoder).round(2).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """
    anchors = [text for each in statements.values() for text in each]
    vectors, rows = encode_distinct(encoder, [*anchors, *texts])
    replies, shape = vectors[rows[len(anchors) :]], (len(statements), -1, vectors.shape[1])
    cosines = np.einsum("asd,nd->nsa", vectors[rows[: len(anchors)]].reshape(shape), replies)
    above = cosines - cosines.min(axis=-1, keepdims=True)
    highest = above.max(axis=-1, keepdims=True)
    relative = np.divide(above, highest, out=np.ones_like(above), where=highest > 0)
    powers = relative ** (1 / temperature) if temperature else np.floor(relative)
    return np.asarray((powers / powers.sum(axis=-1, keepdims=True)).mean(axis=1))


def _from_templates(options: Sequence[str], templates: Sequence[str]) -> dict[str, list[str]]:
    given = [templates] if isinstance(templates, str) else list(templates)
    bad = next((text for text in given if OPTION not in text), None)
    if bad is not None or not given:
        raise DataError(
            f"A template of anchor statements needs {OPTION}, got {bad!r}.",
            hint=f'Write ["I would say {OPTION}."], or a statement for each option: {_EXAMPLE}',
        )
    return {option: [text.replace(OPTION, option) for text in given] for option in options}


def _given(
    options: Sequence[str], anchors: Mapping[str, str | Sequence[str]]
) -> dict[str, list[str]]:
    unknown = [name for name in anchors if name not in options]
    absent = [name for name in options if not anchors.get(name)]
    if unknown or absent:
        raise DataError(
            f"The anchors must have a statement for each of the options {list(options)}, got "
            f"{list(anchors)}.",
            hint=_EXAMPLE,
        )
    found = {name: _as_list(anchors[name]) for name in options}
    is_filled = all(text.strip() for each in found.values() for text in each)
    if len(set(map(len, found.values()))) > 1 or not is_filled:
        counts = ", ".join(f"{name} {len(each)}" for name, each in found.items())
        raise DataError(
            f"Each option needs as many anchor statements as the others, got {counts}.",
            hint="A set of anchors has one statement for each option, and none is empty.",
        )
    return found


def _as_list(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else [str(text) for text in given]
