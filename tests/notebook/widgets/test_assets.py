from __future__ import annotations

import subprocess

import pytest
from playwright._impl._driver import compute_driver_executable

from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from jupyter_mop.notebook.widgets.assets import STATIC, script
from jupyter_mop.notebook.widgets.monitor import RunMonitor
from jupyter_mop.notebook.widgets.personas import PersonaPanel
from jupyter_mop.notebook.widgets.weights import WeightsPanel

NODE = compute_driver_executable()[0]


def run(script):
    command = [NODE, "--input-type=module", "--eval", script]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("name", ["alignment", "monitor", "personas", "weights"])
def test_each_widgets_script_is_one_module_without_imports(name, tmp_path):
    file = tmp_path / f"{name}.mjs"
    file.write_text(script(name), encoding="utf-8")
    subprocess.run([NODE, "--check", file], check=True, timeout=60)
    assert "\nimport " not in f"\n{script(name)}"


@pytest.mark.parametrize("file", sorted(STATIC.rglob("*.js")), ids=lambda file: file.stem)
def test_each_script_finds_what_it_imports(file):
    if file.name != "page.js":  # it runs in a page at once
        run(f"await import({file.as_uri()!r});")


@pytest.mark.parametrize("file", sorted(STATIC.rglob("*.js")), ids=lambda file: file.stem)
def test_scripts_write_no_markup_and_their_listeners_take_the_signal(file):
    text = file.read_text(encoding="utf-8")
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    listeners = text.count("addEventListener(") - text.count('signal.addEventListener("abort"')
    assert listeners == text.count("{ signal });")


PANELS = {
    "alignment": AlignmentPanel,
    "monitor": RunMonitor,
    "personas": PersonaPanel,
    "weights": WeightsPanel,
}


@pytest.mark.parametrize(("name", "panel"), PANELS.items())
def test_a_panels_style_has_one_root_class_and_the_shared_rules(name, panel):
    sliders = ["shared/sliders.css"] if name in ("alignment", "weights") else []
    paths = ["shared/panel.css", *sliders, f"{name}/{name}.css"]
    text = "".join((STATIC / path).read_text(encoding="utf-8") for path in paths)
    assert panel._css == text.replace(".mop-panel", f".mop-{name}")
    assert {line for line in panel._css.splitlines() if line.startswith(".")} == {f".mop-{name} {{"}


def test_the_weights_panel_has_its_whole_script():
    assert "function rescale(" in WeightsPanel._esm
    assert WeightsPanel._esm.count("\nexport ") == WeightsPanel._esm.count("\nexport default ") == 1


def test_a_module_is_bundled_once_before_its_importers(tmp_path):
    sources = {
        "main/main": 'import { a } from "../x.js";\nimport {\n  b,\n  c,\n} from "../y.js";\n'
        "console.log(a(), b, c);\nexport default {};\n",
        "x": '// First.\nimport { b } from "./y.js";\n/** One\n * more. */\n'
        "export function a() {\n  // Add.\n  return b + 1;\n}\n",
        "y": "const two = 2;\nexport const b = two;\nexport let c = 3;\n",
    }
    for name, source in sources.items():
        file = tmp_path / f"{name}.js"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, encoding="utf-8")
    text = script("main", folder=tmp_path)
    assert run(text).split() == ["3", "2", "3"]
    assert text.count("two = 2") == 1
    assert text.count("export") == 1
    assert not {"//", "/*", "*/"} & set(text.split())
