"""Build the documentation: python docs/build.py, or `make docs`.

Copies the written pages to build/docs-source and generates the pages of magics, reference and
notebooks beside them. Sphinx builds them into build/docs, with warnings as errors. Then the links
of the built pages are checked.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from generate import links, magics, notebooks, reference, results
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def main(to: Path = ROOT / "build" / "docs") -> int:
    """Build into `to`; return 1 and print the problems if there are any."""
    began, source = time.monotonic(), to.with_name(f"{to.name}-source")
    stage(source)
    shutil.rmtree(to, ignore_errors=True)
    doctrees = str(to.with_name(f"{to.name}-doctrees"))
    options = ["--fail-on-warning", "--fresh-env", "--quiet", "--jobs", "2", "-d", doctrees]
    failed = sphinx(["-b", "html", *options, str(source), str(to)])
    if failed:
        return failed
    images = to / "notebooks" / "images"  # Sphinx leaves out those of <img> in a notebook
    shutil.copytree(ROOT / "notebooks" / "images", images, dirs_exist_ok=True)
    found = links.faults(to)
    if found:
        print(*found, f"{len(found)} broken links or outside resources.", sep="\n")
        return 1
    print(f"Built {to / 'index.html'} in {time.monotonic() - began:.0f} s.")
    return 0


def stage(source: Path) -> None:
    """Write everything that Sphinx reads into `source`."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__", "build.py"))
    shutil.copy(ROOT / "SECURITY.md", source)
    notebooks.write(ROOT / "notebooks", source)
    reference.write(source)
    magics.write(source, ROOT / "notebooks", HERE / "pictures")
    for page in source.glob("*.md"):
        results.fill(page, ROOT / "notebooks" / "results")
    if not (source / "environments.md").is_file():
        index = source / "index.md"
        lines = index.read_text(encoding="utf-8").splitlines(keepends=True)
        index.write_text("".join(x for x in lines if "environments" not in x), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
