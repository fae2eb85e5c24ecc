"""Draw the floors of the package, read from the imports of the code: make picture.

Writes docs/floors.png. A floor imports only from floors below it. Inside the engine each folder is
a room, and its row follows from its imports: it imports only from rooms in rows below.
"""

from __future__ import annotations

import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from jupyter_mop.charts.style.png import png
from tests.house.run import House

# From the top floor down: what each floor is for, and its rooms with what each of them holds. A
# room is a folder or a module; one that ends in "*" stands for the other modules of its folder.
FLOORS = {
    "notebook": (
        "what a user touches",
        {
            "notebook.magics": "parse the line, call one verb",
            "notebook.widgets": "panels: traits, script, styles",
            "notebook.*": "display, progress",
        },
    ),
    "teaching, experiments": (
        "users of Study",
        {
            "teaching": "toy worlds, exercises, checks",
            "experiments": "the paper's, as commands",
        },
    ),
    "study": ("state and verbs, no formula", {"study": "Study and its session, costs, run log"}),
    "charts": (
        "results to charts and tables",
        {
            "charts.*": "one module per result",
            "charts.mixture": "true shares",
            "charts.questionnaire": "surveys of several questions",
            "charts.report": "one file to hand over",
            "charts.style": "theme, PNG, HTML table",
        },
    ),
    "engine": (
        "arrays and data frames in and out",
        {
            "engine.synthesis": "personas from records",
            "engine.mixture": "the estimator",
            "engine.evaluation": "is a simulation good?",
            "engine.questionnaire": "several questions",
            "engine.weighting": "weights with no model call",
            "engine.survey": "closed questions",
            "engine.generation": "obtains responses",
            "engine.simulation": "a result and its files",
            "engine.gate": "weights per context",
            "engine.data": "records, personas, prompts",
            "engine.metrics": "arrays in, numbers out",
        },
    ),
    "backends": (
        "models, and the store of their answers",
        {
            "backends.batch": "half price",
            "backends.store": "SQLite, runs",
            "backends.cluster": "Dask",
            "backends.endpoint": "HTTP only",
            "backends.openvino": "in process",
            "backends.cost": "tokens, dollars",
            "datasets": "records",
            "backends.*": "protocols, toy",
        },
    ),
    "ground": (
        "what every floor may use",
        {
            "errors": "what to do next",
            "config": "settings",
            "options": "declared once",
            "rendering": "finds chart and table",
        },
    ),
}
WIDTH, LEFT, ROW, GAP, PAD = 1060, 250, 46, 8, 10  # pixels
INK, GREY, BLUE, PALE, WHITE = "#1b2733", "#4a5561", "#0072b2", "#e6f1f8", "#ffffff"
Imports = dict[str, set[str]]


def room_of(module: str) -> str:
    """Return the room of a module, which is named without `jupyter_mop`.

    Raises
    ------
    ValueError
        If no room in `FLOORS` is its own.
    """
    folder = module.rpartition(".")[0]
    for _, rooms in FLOORS.values():
        for room in rooms:
            if f"{module}.".startswith(f"{room}.") or room == f"{folder}.*":
                return room
    raise ValueError(f"{module} has no room: add one to FLOORS in docs/picture.py.")


def floor_of(room: str) -> str:
    """Return the floor that a room is on."""
    return next(floor for floor, (_, rooms) in FLOORS.items() if room in rooms)


def read() -> tuple[Counter[str], Imports]:
    """Return the number of modules in each room, and the rooms from which each imports."""
    house = House(ROOT)
    packages = {name for name, file in house.files.items() if file.name == "__init__.py"}

    def room(name: str) -> str:
        inside = name.removeprefix("jupyter_mop.")
        return room_of(f"{inside}.__init__" if name in packages else inside)

    sizes = Counter(room(name) for name in house.imports if name not in packages)
    imports: Imports = {room: set() for room in sizes}
    for name, imported in house.imports.items():
        if imported:
            imports[room(name)] |= {room(other) for other in imported} - {room(name)}
    return sizes, imports


def rows(floor: str, imports: Imports) -> list[list[str]]:
    """Return the rooms of a floor, row by row from the top; a row imports from those below it."""
    rooms = list(FLOORS[floor][1])
    if floor != "engine":
        return [rooms]
    level: dict[str, int] = {}
    for room in TopologicalSorter({r: imports[r] & {*rooms} for r in rooms}).static_order():
        level[room] = 1 + max((level[r] for r in imports[room] if r in level), default=0)
    by_level = {
        n: [r for r in rooms if level[r] == n] for n in sorted(level.values(), reverse=True)
    }
    return list(by_level.values())


def boxes(sizes: Counter[str], imports: Imports) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return where each floor and each room is drawn, in pixels, with its texts."""
    floors, rooms, y = [], [], 0
    for floor, (purpose, _) in FLOORS.items():
        top = y
        y += PAD
        for row in rows(floor, imports):
            width = (WIDTH - LEFT - PAD) / len(row)
            for i, room in enumerate(row):
                x = LEFT + i * width
                name = room.removeprefix(f"{floor}.").replace("*", "others")
                text = {"name": name, "holds": FLOORS[floor][1][room], "n": str(sizes[room])}
                rooms.append({"x": x, "x2": x + width - GAP, "y": y, "y2": y + ROW, **text})
            y += ROW + GAP
        y += PAD - GAP
        n = sum(sizes[room] for room in FLOORS[floor][1])
        text = {"name": floor, "holds": purpose, "n": f"{n} modules"}
        floors.append({"x": 0, "x2": WIDTH, "y": top, "y2": y, **text})
        y += GAP
    return pd.DataFrame(floors), pd.DataFrame(rooms)


def chart(sizes: Counter[str], imports: Imports) -> alt.LayerChart:
    """Return the picture: a band for each floor, a box for each of its rooms."""
    floors, rooms = boxes(sizes, imports)
    height = int(floors["y2"].max())
    scale = {"axis": None, "scale": alt.Scale(domain=[0, WIDTH], nice=False)}
    down = {"axis": None, "scale": alt.Scale(domain=[height, 0], nice=False)}
    place = alt.X("x:Q", **scale), alt.X2("x2"), alt.Y("y:Q", **down), alt.Y2("y2")
    band, box = alt.Chart(floors), alt.Chart(rooms)

    def label(base: alt.Chart, field: str, dx: int, dy: int, **style: Any) -> alt.Chart:
        edge, align = ("x", "left") if dx > 0 else ("x2", "right")
        mark = base.mark_text(align=align, baseline="top", dx=dx, dy=dy, **style)
        return mark.encode(alt.X(f"{edge}:Q", **scale), alt.Y("y:Q", **down), text=f"{field}:N")

    title = alt.TitleParams(
        "A house of floors: imports point down only",
        subtitle="A floor imports from the floors below it. "
        "In the engine, a row imports from the rows below it.",
        anchor="start",
        fontSize=18,
        subtitleFontSize=13,
        color=INK,
        subtitleColor=GREY,
        offset=12,
    )
    return (
        alt.layer(
            band.mark_rect(cornerRadius=6, color=PALE).encode(*place),
            label(band, "name", 12, 12, fontSize=16, fontWeight="bold", color=BLUE),
            label(band, "holds", 12, 33, fontSize=12, color=INK),
            label(band, "n", 12, 49, fontSize=11, color=GREY),
            box.mark_rect(cornerRadius=4, color=WHITE, stroke=BLUE).encode(*place),
            label(box, "name", 8, 7, fontSize=13, fontWeight="bold", color=INK),
            label(box, "holds", 8, 25, fontSize=11, color=GREY),
            label(box, "n", -8, 9, fontSize=11, color=GREY),
            title=title,
            width=WIDTH,
            height=height,
        )
        .configure(padding=16, background=WHITE)
        .configure_view(stroke=None)
    )


def main() -> None:
    """Write the picture."""
    file = ROOT / "docs" / "floors.png"
    file.write_bytes(png(chart(*read()), scale=1.5))
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
