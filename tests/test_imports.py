from __future__ import annotations

import subprocess
import sys

IMPORT = """
import time
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""
LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "jupyter_mop")
print(time.perf_counter() - began)
"""


def seconds(code: str) -> float:
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return float(told.stdout.split()[-1])


def test_importing_the_package_is_light() -> None:
    pairs = [
        (seconds(IMPORT.format(module="jupyter_mop")), seconds(IMPORT.format(module="numpy")))
        for _ in range(5)
    ]
    ours, numpy = (min(times) for times in zip(*pairs, strict=True))
    assert ours < 1.5 * numpy


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys, jupyter_mop; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"numpy", "pandas", "sklearn", "altair", "IPython"} & set(told.stdout.split())


def test_loading_the_extension_takes_less_than_a_second() -> None:
    seconds(LOAD)
    best = min(seconds(LOAD) for _ in range(3))
    assert best < 1.0
