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
