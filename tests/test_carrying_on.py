"""What a newcomer is shown fits the code: the picture of the floors, and the worked examples."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DIFFS = re.findall(
    r"^```diff\n(.*?)^```$",
    (ROOT / "docs" / "adding.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_module_has_a_room_and_no_room_is_empty(picture: ModuleType) -> None:
    sizes, _ = picture.read()
    assert set(sizes) == {room for _, rooms in picture.FLOORS.values() for room in rooms}


def test_no_import_in_the_picture_points_up(picture: ModuleType) -> None:
    _, imports = picture.read()
    order = list(picture.FLOORS)
    for room, imported in imports.items():
        floor = order.index(picture.floor_of(room))
        assert all(floor <= order.index(picture.floor_of(below)) for below in imported), room


def test_the_rooms_of_the_engine_are_its_folders_and_a_row_imports_from_rows_below(
    picture: ModuleType,
) -> None:
    _, imports = picture.read()
    rows = picture.rows("engine", imports)
    folders = (ROOT / "jupyter_mop" / "engine").glob("*/__init__.py")
    rooms = [room for row in rows for room in row]
    assert sorted(rooms) == sorted(f"engine.{file.parent.name}" for file in folders)
    for i, row in enumerate(rows):
        below = {room for lower in rows[i + 1 :] for room in lower}
        assert all(imports[room] & set(rooms) <= below for room in row)


def test_a_module_without_a_room_is_reported(picture: ModuleType) -> None:
    with pytest.raises(ValueError, match="cellar has no room"):
        picture.room_of("cellar")


@pytest.mark.parametrize("diff", DIFFS, ids=lambda diff: re.findall(r"\+\+\+ b/(\S+)", diff)[0])
def test_a_worked_diff_fits_the_code(diff: str) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", "-"], cwd=ROOT, input=diff, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}Correct docs/adding.md, then run: make worked"


def test_all_five_examples_are_there() -> None:
    assert len(DIFFS) == 10
