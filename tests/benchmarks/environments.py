"""Python environments of programs to compare with, made once and kept in the cache."""

from __future__ import annotations

import subprocess
import sys
import venv

from jupyter_mop import config


def python_with(name, *installs):
    """Return the Python of the environment `name`; None where it cannot be installed.

    Each of `installs` is a list of arguments of pip.
    """
    folder = config.cache_dir() / "benchmarks" / name
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-qqq", "--retries", "1"]
        for what in installs:
            if subprocess.run([*pip, *what], check=False).returncode:
                return None
        (folder / "ready").touch()
    return str(python)
