"""The notebooks as pages, with the outputs that are stored in them."""

from __future__ import annotations

import shutil
from pathlib import Path


def write(notebooks: Path, folder: Path) -> None:
    """Copy notebooks and their pictures to `folder`/notebooks and list them on a page."""
    to = folder / "notebooks"
    kinds = {".ipynb", ".md", ".png", ".svg"}
    files = [file for file in sorted(notebooks.rglob("*")) if file.suffix in kinds]
    kept = [file for file in files if ".ipynb_checkpoints" not in file.parts]
    for file in kept:
        copy = to / file.relative_to(notebooks)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    pages = [f.relative_to(notebooks) for f in kept if f.suffix in {".ipynb", ".md"}]
    pages.sort(key=lambda page: (len(page.parts), page))
    entries = "\n".join(page.with_suffix("").as_posix() for page in pages)
    (to / "index.md").write_text(
        "# Notebooks\n\nExecuted with the embedded model; the outputs are those that are stored in "
        "the files. To run one: `jupyter lab notebooks/01_quickstart.ipynb`.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n",
        encoding="utf-8",
    )
