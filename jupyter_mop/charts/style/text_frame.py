"""A data frame of texts, whose table shows dollar signs as they are."""

from __future__ import annotations

import pandas as pd

_LEFT_CELL = '<td style="text-align: left; white-space: pre-wrap">'
_LEFT_HEAD = '<th style="text-align: left">'


class TextFrame(pd.DataFrame):
    """A data frame whose table in a notebook shows "$5 for tea and $6" as text, not as a formula.

    Texts are aligned to the left, and shown whole.

    Its slices and selections are shielded from MathJax in the same way.

    Examples
    --------
    >>> frame = TextFrame({"response": ["tea for $5 and cake for $6", "rain"]})
    >>> "tex2jax_ignore" in frame.head(1)._repr_html_()
    True
    """

    @property
    def _constructor(self) -> type[TextFrame]:
        return TextFrame

    def _repr_html_(self) -> str | None:
        with pd.option_context("display.html.use_mathjax", False, "display.max_colwidth", None):
            html: str | None = super()._repr_html_()  # type: ignore[misc]
        return html and html.replace("<td>", _LEFT_CELL).replace("<th>", _LEFT_HEAD)
