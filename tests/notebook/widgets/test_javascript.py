"""The tests of the scripts' pure functions, run by node's own runner."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

NODE = compute_driver_executable()[0]
TESTS = sorted((Path(__file__).parent / "javascript").glob("*.test.mjs"))


def test_the_javascript_tests_are_there():
    assert {file.name for file in TESTS} >= {
        "eigen.test.mjs",
        "mixture_gradients.test.mjs",
        "weight_matching.test.mjs",
        "simplex.test.mjs",
    }


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_javascript_tests_pass(file):
    env = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    command = [NODE, "--test", "--test-reporter=tap", file]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)[1]) > 0
