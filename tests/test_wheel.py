from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import jupyter_mop

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def test_every_module_script_and_style_sheet_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    files = (ROOT / "jupyter_mop").rglob("*")
    kinds = {".py", ".js", ".css", ".typed"}
    wanted = {
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.suffix in kinds or file.name == "py.typed"
    }
    assert "jupyter_mop/py.typed" in wanted
    assert {Path(name).suffix for name in wanted} >= {".py", ".js", ".css"}
    assert wanted <= set(wheel.namelist())


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"jupyter_mop", f"jupyter_mop-{jupyter_mop.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if "test" in name or "__pycache__" in name]
    assert sum(item.file_size for item in wheel.infolist()) < 2_500_000


def test_the_wheel_states_its_licence_version_and_pythons(wheel: zipfile.ZipFile) -> None:
    folder = f"jupyter_mop-{jupyter_mop.__version__}.dist-info"
    meta = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert meta["License-Expression"] == "BSD-3-Clause"
    assert meta["Requires-Python"] == "<3.15,>=3.11"
    assert b"jupyter-mop developers" in wheel.read(f"{folder}/licenses/LICENSE")
