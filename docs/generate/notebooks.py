"""The notebooks as pages, with the outputs stored in them."""

from __future__ import annotations

import shutil
from pathlib import Path

_ABOUT = (
    "# Notebooks\n\nExecuted with the embedded model. The outputs shown are stored in the "
    "notebooks. To run one: `jupyter lab notebooks/01_quickstart.ipynb`."
)


def write(notebooks: Path, folder: Path) -> None:
    """Copy notebooks and their pictures to `folder`/notebooks and list them on an index page."""
    to = folder / "notebooks"
    kinds = {".ipynb", ".md", ".png", ".svg"}
    files = [file for file in sorted(notebooks.rglob("*")) if file.suffix in kinds]
    copied = [file for file in files if ".ipynb_checkpoints" not in file.parts]
    for file in copied:
        copy = to / file.relative_to(notebooks)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    pages = [f.relative_to(notebooks) for f in copied if f.suffix in {".ipynb", ".md"}]
    trees = [
        _tree(parent, [page for page in pages if page.parent == parent])
        for parent in sorted({page.parent for page in pages})
    ]
    (to / "index.md").write_text("\n\n".join([_ABOUT, *trees]) + "\n", encoding="utf-8")


def _tree(parent: Path, pages: list[Path]) -> str:
    entries = "\n".join(sorted(page.with_suffix("").as_posix() for page in pages))
    title = f"## {parent.name.capitalize()}\n\n" if parent.name else ""
    return f"{title}```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```"
