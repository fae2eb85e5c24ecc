from __future__ import annotations

import subprocess
import sys

LOAD = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "jupyter_mop")
print(*sys.modules)
"""
SLOW = {
    "altair",
    "mauve",
    "openai",
    "openvino",
    "openvino_genai",
    "PIL",
    "scipy",
    "sklearn",
    "statsmodels",
    "tokenizers",
}


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return set(done.stdout.split())


def test_importing_the_package_loads_no_library() -> None:
    loaded = modules_after("import sys, jupyter_mop; print(*sys.modules)")
    assert "jupyter_mop" in loaded
    assert not ({"numpy", "pandas", "IPython"} | SLOW) & loaded


def test_loading_the_extension_loads_no_slow_library() -> None:
    loaded = modules_after(LOAD)
    assert "jupyter_mop.notebook.magics.register" in loaded
    assert not SLOW & loaded


def test_the_charts_and_a_table_load_no_chart_library() -> None:
    code = """
import sys
import pandas as pd
from jupyter_mop import Population, charts
rows = pd.DataFrame({"topic": ["sky", "sea"], "text": ["sun", "fog"]})
assert "<table>" in Population.from_frame(rows, context="topic", response="text")._repr_html_()
print(*sys.modules)
"""
    loaded = modules_after(code)
    assert "jupyter_mop.charts.registry" in loaded
    assert not {"altair", "vl_convert", "PIL", "IPython"} & loaded


def test_a_chart_of_a_frame_loads_no_engine() -> None:
    loaded = modules_after(
        "import sys; from jupyter_mop.charts import weights_chart; print(*sys.modules)"
    )
    assert "jupyter_mop.charts.persona_weights" in loaded
    assert not [name for name in loaded if name.startswith("jupyter_mop.engine")]
    assert not {"altair", "scipy", "sklearn"} & loaded
