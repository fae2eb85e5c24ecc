"""What functions of SciPy do, in the sentence that its authors wrote, with their subject."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SUBJECTS = {
    "stats": "statistics",
    "signal": "signal processing",
    "linalg": "linear algebra",
    "ndimage": "image processing",
}
MIN_WORDS = 5
_SIGNATURE = re.compile(r"^[\w.]+\(")


def load_scipy_functions() -> pd.DataFrame:
    """Return the first paragraph of the documentation of SciPy's functions and classes.

    Returns
    -------
    pandas.DataFrame
        Columns `subject` ("statistics", "signal processing", "linear algebra" or "image
        processing"), `kind` ("function" or "class") and `text`. Texts of fewer than five words and
        repeated ones are dropped. The rows depend on SciPy's version.

    Examples
    --------
    >>> functions = load_scipy_functions()
    >>> sorted(functions["subject"].unique())[:2]
    ['image processing', 'linear algebra']
    """
    import pandas as pd

    rows = [
        (subject, kind, text)
        for module, subject in SUBJECTS.items()
        for kind, text in _documented(module)
    ]
    frame = pd.DataFrame(rows, columns=["subject", "kind", "text"])
    return frame.drop_duplicates("text").reset_index(drop=True)


def _documented(module: str) -> list[tuple[str, str]]:
    """Return the kind and the first paragraph of each documented public member of a module."""
    members = vars(import_module(f"scipy.{module}")).items()
    found = [
        ("class" if inspect.isclass(member) else "function", _first_paragraph(member))
        for name, member in sorted(members)
        if not name.startswith("_") and (inspect.isclass(member) or inspect.isroutine(member))
    ]
    return [(kind, text) for kind, text in found if len(text.split()) >= MIN_WORDS]


def _first_paragraph(member: object) -> str:
    """Return the first paragraph of a docstring that is no signature, on one line."""
    paragraphs = (inspect.getdoc(member) or "").split("\n\n")
    texts = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return next((text for text in texts if text and not _SIGNATURE.match(text)), "")
