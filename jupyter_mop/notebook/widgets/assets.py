"""Bundle the script and the style sheet of a widget into one text each."""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*[\s\S]*?\*/)\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


def script(widget: str, *, folder: Path = STATIC) -> str:
    """Return a widget's script, preceded by the modules that it imports.

    A notebook loads a widget's script from one address, so it cannot import other files. Each
    module is included once, before its importers, without its exports and comments. Top-level
    names must therefore be unique among the modules of one widget.

    Parameters
    ----------
    widget : str
        Name of the widget's folder and of its script.
    folder : Path
        Folder of all widgets.

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
        sources[file] = _COMMENT.sub("", _IMPORT.sub("", text))

    read((folder / widget / f"{widget}.js").resolve())
    *modules, main = sources.values()
    return "\n".join([*(_EXPORT.sub("", text) for text in modules), main])


def style(widget: str, *shared: str) -> str:
    """Return a widget's style sheet, preceded by the rules that all widgets share.

    Parameters
    ----------
    widget : str
        Name of the widget's folder and of its style sheet.
    *shared : str
        Names of style sheets that it shares with some other widgets.

    Examples
    --------
    >>> text = style("weights", "sliders")
    >>> text.count(".mop-weights {"), ".mop-panel" in text
    (5, False)
    """
    paths = [*(f"shared/{name}.css" for name in ("panel", *shared)), f"{widget}/{widget}.css"]
    text = "".join((STATIC / path).read_text(encoding="utf-8") for path in paths)
    return text.replace(".mop-panel", f".mop-{widget}")
