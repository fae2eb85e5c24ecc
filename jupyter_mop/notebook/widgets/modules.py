"""Scripts and style sheets of the widgets, each as the one text that a page can load."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_NAME = re.compile(
    r"^(export )?(?:async )?(?:function\*?|class|const|let|var) ([\w$]+)", re.MULTILINE
)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


def module(name: str, *, folder: Path = STATIC) -> str:
    """Return the script `name` with the modules that it imports in place of its imports.

    The modules that are put in place lose their exports; the script keeps its own. Imports must
    have the form ``import { a, b } from "./x.js";``.

    Parameters
    ----------
    name : str
        File name in `folder` without its ending.
    folder : Path
        Where the modules lie.

    Raises
    ------
    ImportError
        If a module is missing, imports itself in a circle, or imports what another one does not
        export, if two declare the same name, or if an import or export has another form.

    Examples
    --------
    >>> script = module("weights")
    >>> "import {" in script, script.count("function rescale("), "export default" in script
    (False, 1, True)
    """
    sources = _in_order(name, folder, ())
    counts = Counter(found for text in sources.values() for _, found in _NAME.findall(text))
    twice = sorted(found for found, count in counts.items() if count > 1)
    if twice:
        raise ImportError(f"Two modules of {name}.js declare {twice[0]!r}.")
    return "\n".join(_in_place(key, text, last=key == name) for key, text in sources.items())


def style(name: str) -> str:
    """Return the style sheet of the panel `name`, after what all panels begin with.

    Examples
    --------
    >>> style("weights").count(".mop-weights {"), ".mop-panel" in style("weights")
    (2, False)
    """
    shared, own = ((STATIC / f"{part}.css").read_text(encoding="utf-8") for part in ("panel", name))
    return shared.replace(".mop-panel", f".mop-{name}") + own


def _in_order(name: str, folder: Path, path: tuple[str, ...]) -> dict[str, str]:
    file = folder / f"{name}.js"
    if name in path:
        raise ImportError(f"Modules import each other: {' > '.join([*path, name])}.")
    if not file.is_file():
        raise ImportError(f"There is no module {file}: {' > '.join([*path, name])}.")
    source = file.read_text(encoding="utf-8")
    sources: dict[str, str] = {}
    for names, dependency in _IMPORT.findall(source):
        sources |= _in_order(dependency, folder, (*path, name))
        _check_exported(names, dependency, sources[dependency])
    return sources | {name: source}


def _check_exported(names: str, dependency: str, source: str) -> None:
    exported = {found for export, found in _NAME.findall(source) if export}
    for wanted in filter(None, map(str.strip, names.split(","))):
        if wanted not in exported:
            raise ImportError(f"{dependency}.js does not export {wanted!r}.")


def _in_place(name: str, source: str, *, last: bool) -> str:
    plain = _IMPORT.sub("", source)
    plain = plain if last else _EXPORT.sub("", plain)
    left = re.search(r"^import\b.*" if last else r"^(?:import|export)\b.*", plain, re.MULTILINE)
    if left:
        raise ImportError(f"{name}.js cannot be put in place: {left.group()}")
    return plain
