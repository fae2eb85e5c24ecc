"""The script and the style sheet of each widget, each as one text that a page can load."""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


def script(widget: str, *, folder: Path = STATIC) -> str:
    """Return the script of a widget with the modules that it imports in front of it.

    A page loads it from one address, so no import can stay. Each module comes once, before those
    that need it, without its exports; the widget's own script keeps its own.

    Parameters
    ----------
    widget : str
        Name of the folder and of the script in it.
    folder : Path
        The folder of all widgets.

    Examples
    --------
    >>> text = script("weights")
    >>> "import {" in text, text.count("function rescale("), "export default" in text
    (False, 1, True)
    """
    sources: dict[Path, str] = {}

    def read(file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        for path in _IMPORT.findall(text):
            module = (file.parent / path).resolve()
            if module not in sources:
                read(module)
        sources[file] = _IMPORT.sub("", text)

    read((folder / widget / f"{widget}.js").resolve())
    *modules, own = sources.values()
    return "\n".join([*(_EXPORT.sub("", text) for text in modules), own])


def style(widget: str) -> str:
    """Return the style sheet of a widget, after the rules that all widgets share.

    Examples
    --------
    >>> style("weights").count(".mop-weights {"), ".mop-panel" in style("weights")
    (2, False)
    """
    shared, own = (
        (STATIC / path).read_text(encoding="utf-8")
        for path in ("shared/panel.css", f"{widget}/{widget}.css")
    )
    return shared.replace(".mop-panel", f".mop-{widget}") + own
