"""What a newcomer is shown still fits the code: the picture of the floors, the worked diffs."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIFFS = re.findall(
    r"^```diff\n(.*?)^```$",
    (ROOT / "docs" / "adding.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


def test_every_module_is_on_one_floor_and_no_arrow_of_the_picture_points_up() -> None:
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    assert spec
    assert spec.loader
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    files, arrows = picture.counted()
    order = list(picture.FLOORS)
    assert set(files) == set(order)
    assert all(order.index(above) < order.index(below) for above, below in arrows)


@pytest.mark.parametrize("diff", DIFFS, ids=lambda diff: re.findall(r"\+\+\+ b/(\S+)", diff)[0])
def test_a_worked_diff_fits_the_code(diff: str) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", "-"], cwd=ROOT, input=diff, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}Mend the diff in docs/adding.md, then: make worked"


def test_all_four_are_there() -> None:
    assert len(DIFFS) == 8
