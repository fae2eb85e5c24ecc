"""Take the pictures of the panels: python docs/pictures.py, with the extra `test` and a Chromium.

They show a real JupyterLab, offline, on the toy cafe: one picture for each magic that opens a
panel, docs/pictures/NAME.png, at most 60 kB. They are stored with the sources, so that building the
pages needs no browser.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent
CONFTEST = HERE.parent / "tests" / "e2e" / "conftest.py"
SETUP = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from generate.shell import WORDS, guests
from IPython import get_ipython
from jupyter_mop import Study, ToyBackend, ToyEncoder
%load_ext jupyter_mop
study = Study(ToyBackend(WORDS), ToyEncoder(WORDS))
get_ipython().magics_manager.registry["MopMagics"].study = study
guests = guests()
%mop_population guests --context hour --response said;
"""
PERSONAS = """%%mop_personas
early [0.5]: You come early. You say warm and fresh.
student: You come with friends. You say cheap and loud.
critic: You are hard to please. You say slow and dear.
"""
FIT = "%mop_fit --exemplars 24 --records 240 --components 24;"
PANELS = {
    "mop_weights": ("%mop_weights", ".mop-weights"),
    "mop_personas": ("%mop_personas --edit", ".mop-personas"),
}
MAX_BYTES = 60_000


def browser_fixtures() -> Any:
    """Return the module that has the fixtures of the browser tests."""
    spec = importlib.util.spec_from_file_location("browser_fixtures", CONFTEST)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(CONFTEST)
    fixtures = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = fixtures
    spec.loader.exec_module(fixtures)
    return fixtures


_FIXTURES = browser_fixtures()
lab, chromium, page = (
    _FIXTURES.lab,
    _FIXTURES.chromium,
    _FIXTURES.page,
)  # pytest looks for fixtures here


@pytest.mark.parametrize("name", PANELS)
def test_take(name: str, lab: Any, page: Any) -> None:
    """Open a panel in JupyterLab and save a picture of it."""
    code, root = PANELS[name]
    page.set_viewport_size({"width": 1000, "height": 1000})
    notebook = lab.open(page, [SETUP, PERSONAS, FIT, code])
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    panel = page.locator(root).last
    panel.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(panel.screenshot())).convert("RGB").quantize(64)
    file = HERE / "pictures" / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    picture.save(file, optimize=True)
    assert file.stat().st_size < MAX_BYTES


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q"]))
