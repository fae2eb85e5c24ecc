"""Draw the floors of the package and who imports whom, read from the code: make picture.

Writes docs/floors.png. Imports are read as tests/test_layers.py reads them, inside functions too.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import altair as alt
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from jupyter_mop.charts.style.png import png
from tests.test_layers import MODULES, imports, inside, is_ours, is_under

FLOORS = {
    "notebook": ("notebook",),
    "experiments": ("experiments",),
    "teaching": ("teaching",),
    "study": (
        *("study", "spending", "inspection", "runs", "holdings", "inference"),
        *("alignment", "comparison"),
    ),
    "charts": ("charts",),
    "datasets": ("datasets",),
    "engine": ("engine",),
    "backends": ("backends",),
    "config, errors": ("config", "errors"),
}
TOLD = {
    "notebook": "magics, panels, progress",
    "experiments": "the paper's, as commands",
    "teaching": "toy worlds, checks",
    "study": "the verbs and their memory",
    "charts": "values to pictures and tables",
    "datasets": "real records",
    "engine": "the mathematics",
    "backends": "models and the store",
    "config, errors": "settings, messages",
}
CELL, BLUE, GREY = 104, "#0072b2", "#5b6470"


def floor_of(module: str) -> str | None:
    """Return the floor of a module, or None for the package itself."""
    name = inside(module)
    found = [floor for floor, rooms in FLOORS.items() if is_under(name, rooms)]
    if name and len(found) != 1:
        raise ValueError(f"{module} is on {len(found)} floors: give it one in docs/picture.py.")
    return found[0] if name else None


def counted() -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Return the number of files of each floor, and of imports from one floor to another."""
    files = Counter(floor for module in MODULES if (floor := floor_of(module)))
    arrows: Counter[tuple[str, str]] = Counter()
    for module, file in MODULES.items():
        for wanted in set(filter(is_ours, imports(file))) - {"jupyter_mop"}:
            pair = floor_of(module), floor_of(wanted)
            if all(pair) and pair[0] != pair[1]:
                arrows[pair] += 1
    return files, arrows


def chart(files: Counter[str], arrows: Counter[tuple[str, str]]) -> alt.LayerChart:
    """Return the picture: floors down the diagonal, what each imports in its row."""
    order = list(FLOORS)
    boxes = pd.DataFrame(
        [{"from": f, "to": f, "name": f, "told": TOLD[f], "files": f"{files[f]} files"}
         for f in order]
    )  # fmt: skip
    counts = pd.DataFrame([{"from": a, "to": b, "n": n} for (a, b), n in arrows.items()])
    x = alt.X("to:N", sort=order, axis=None, scale=alt.Scale(domain=order))
    y = alt.Y("from:N", sort=order, axis=None, scale=alt.Scale(domain=order))
    box = alt.Chart(boxes).mark_rect(cornerRadius=6, color="#e6f1f8", stroke=BLUE).encode(x, y)
    name = alt.Chart(boxes).mark_text(fontWeight="bold", fontSize=13, dy=-20).encode(x, y)
    told = alt.Chart(boxes).mark_text(fontSize=9, color=GREY, dy=-5, limit=98).encode(x, y)
    dot = alt.Chart(counts).mark_circle(color=BLUE, opacity=0.85).encode(
        x, y, size=alt.Size("n:Q", scale=alt.Scale(range=[250, 1700]), legend=None)
    )  # fmt: skip
    number = alt.Chart(counts).mark_text(color="white", fontSize=11, fontWeight="bold")
    wrapped = "split(replace(replace(datum.told, ' and ', '| and '), ', ', ',| '), '|')"
    layers = (
        box,
        name.encode(text="name:N"),
        told.transform_calculate(told=wrapped).encode(text="told:N"),
        told.mark_text(fontSize=10, color=BLUE, dy=24).encode(text="files:N"),
        dot,
        number.encode(x, y, text="n:Q"),
    )
    title = alt.TitleParams(
        "Each floor imports those below it",
        subtitle="In a row: how many imports of modules of the floor in that column. "
        "Left of the boxes nothing may stand.",
        anchor="start",
    )
    size = CELL * len(order)
    return (
        alt.layer(*layers, title=title, width=size, height=0.72 * size)
        .configure_view(stroke=None)
        .configure_scale(bandPaddingInner=0.06)
    )


def main() -> None:
    """Write the picture."""
    file = ROOT / "docs" / "floors.png"
    file.write_bytes(png(chart(*counted()), scale=1.5))
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
