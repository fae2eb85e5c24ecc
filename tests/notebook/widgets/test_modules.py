from __future__ import annotations

import subprocess

import pytest
from playwright._impl._driver import compute_driver_executable

from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from jupyter_mop.notebook.widgets.modules import STATIC, module
from jupyter_mop.notebook.widgets.monitor import RunMonitor
from jupyter_mop.notebook.widgets.personas import PersonaPanel
from jupyter_mop.notebook.widgets.weights import WeightsPanel

NODE = compute_driver_executable()[0]


@pytest.fixture
def bundle(tmp_path):
    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.js").write_text(source, encoding="utf-8")
        return module("main", folder=tmp_path)

    return write


def run(script):
    command = [NODE, "--input-type=module", "--eval", script]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("name", sorted(file.stem for file in STATIC.glob("*.js")))
def test_each_script_is_one_module_without_imports(name, tmp_path):
    file = tmp_path / f"{name}.mjs"
    file.write_text(module(name), encoding="utf-8")
    subprocess.run([NODE, "--check", file], check=True, timeout=60)
    assert "\nimport " not in f"\n{module(name)}"


PANELS = {
    "alignment": AlignmentPanel,
    "monitor": RunMonitor,
    "personas": PersonaPanel,
    "weights": WeightsPanel,
}


@pytest.mark.parametrize(("name", "panel"), PANELS.items())
def test_a_panels_style_is_for_its_own_class_after_what_all_share(name, panel):
    shared, own = ((STATIC / f"{part}.css").read_text(encoding="utf-8") for part in ("panel", name))
    assert panel._css == shared.replace(".mop-panel {", f".mop-{name} {{") + own
    assert {line for line in panel._css.splitlines() if line.startswith(".")} == {f".mop-{name} {{"}


def test_the_weights_panel_gets_its_script_whole():
    assert "function rescale(" in WeightsPanel._esm
    assert WeightsPanel._esm.count("\nexport ") == WeightsPanel._esm.count("\nexport default ") == 1


def test_what_is_imported_twice_is_there_once_and_first(bundle):
    script = bundle(
        main='import { a } from "./x.js";\nimport {\n  b,\n  c,\n} from "./y.js";\n'
        "console.log(a(), b, c);\nexport default {};\n",
        x='import { b } from "./y.js";\nexport function a() {\n  return b + 1;\n}\n',
        y="const two = 2;\nexport const b = two;\nexport let c = 3;\n",
    )
    assert run(script).split() == ["3", "2", "3"]
    assert script.count("two = 2") == 1
    assert script.count("export") == 1


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ({"main": 'import { a } from "./none.js";\n'}, r"no module .*none\.js: main > none"),
        (
            {"main": 'import { a } from "./x.js";\n', "x": 'import { b } from "./main.js";\n'},
            "each other: main > x > main",
        ),
        (
            {
                "main": 'import { a } from "./x.js";\nasync function two() {}\n',
                "x": "export const a = 1;\nconst two = 2;\n",
            },
            r"main\.js declare 'two'",
        ),
        (
            {"main": 'import { a, b } from "./x.js";\n', "x": "export const a = 1;\nlet b = 2;\n"},
            r"x\.js does not export 'b'",
        ),
        (
            {"main": 'import { a as b } from "./x.js";\n', "x": "export const a = 1;\n"},
            "does not export 'a as b'",
        ),
        ({"main": 'import d3 from "d3";\n'}, r'main\.js cannot .* import d3 from "d3";'),
        (
            {
                "main": 'import { a } from "./x.js";\n',
                "x": "export const a = 1;\nexport default a;\n",
            },
            r"x\.js cannot .* export default a;",
        ),
    ],
)
def test_what_cannot_be_put_in_place_is_refused(bundle, sources, complaint):
    with pytest.raises(ImportError, match=complaint):
        bundle(**sources)
