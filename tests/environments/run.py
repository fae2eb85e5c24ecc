"""Try the built wheel in each environment that people use, freshly installed: make environments.

Prints a line for each environment, and writes those that pass into the table of
docs/environments.md. With names of rows on the command line, only these are tried.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "environments.md"
HEAD = "| where | what works | how it is known |\n| --- | --- | --- |\n"
BEGIN, END = "<!-- tried -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Row:
    """An environment: what is installed with the wheel, and the command that tries it."""

    name: str
    installs: tuple[str, ...]
    command: tuple[str, ...]
    works: str


E2E = ("{here}", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{ROOT}/tests/e2e")
ROWS = {
    "script": Row(
        "a script",
        (),
        ("{python}", f"{HERE}/session.py"),
        "`Study`, without importing IPython; tables as text, charts saved as files",
    ),
    "ipython": Row(
        "`ipython` in a terminal",
        (),
        ("{python}", f"{HERE}/terminal.py"),
        "all magics, progress as a line, tables as text; panels and charts as one line of text",
    ),
    "lab": Row(
        "JupyterLab",
        ("jupyterlab",),
        (*E2E[:-1], *(f"{E2E[-1]}/test_{name}_in_lab.py" for name in ("weights", "alignment")),
         "-k", "not notebook_7 and not this_interpreter"),
        "magics and panels; live charts and the run monitor are tested from the source",
    ),
    "notebook": Row(
        "Notebook 7",
        ("notebook>=7",),
        (*E2E[:-1], f"{E2E[-1]}/test_alignment_in_lab.py", "-k", "notebook_7"),
        "magics and panels",
    ),
    "marimo": Row(
        "marimo",
        ("marimo",),
        ("{here}", f"{HERE}/marimo_check.py", "{python}"),
        "`Study`, panels as anywidgets, tables; no magics, since marimo has none",
    ),
}  # fmt: skip


def build(folder):
    """Return the path of the wheel, built from the working tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def installed(folder, wheel, packages):
    """Return the Python of a new environment with the wheel and `packages` installed."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "-qqq", str(wheel), *packages]
    subprocess.run(pip, check=True)
    return python


def versions(python, packages):
    """Return the versions of `packages` in an environment, as text for the table."""
    names = [name.partition(">")[0] for name in packages] or ["ipython"]
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run(
        [str(python), "-c", code, *names], check=True, capture_output=True, text=True
    )
    return ", ".join(f"{n} {v}" for n, v in zip(names, done.stdout.split(), strict=True))


def tried(row, python, folder):
    """Run the row's command in an empty folder with its own store; return a failure's output."""
    other = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env = other | {
        "JUPYTER_MOP_STORE": str(folder / "store.sqlite"),
        "JUPYTER_MOP_LAB_PYTHON": str(python),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    names = {"{python}": str(python), "{here}": sys.executable}
    command = [names.get(part, part) for part in row.command]
    if command[0] == sys.executable:
        env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, check=False, cwd=folder, env=env, capture_output=True, text=True)
    return "" if not done.returncode else f"{done.stdout}\n{done.stderr}"


def line(key, row, wheel, folder):
    """Try a row; return its line of the table, or None if it failed."""
    began = time.monotonic()
    python = installed(folder / "env", wheel, row.installs)
    installed_at = time.monotonic()
    failure = tried(row, python, folder)
    print(f"{key:10}{'FAIL' if failure else 'pass'}  ", end="")
    print(f"installed in {installed_at - began:.0f} s, ", end="")
    print(f"tried in {time.monotonic() - installed_at:.0f} s\n{failure}", flush=True)
    if failure:
        return None
    return f"| {row.name} | {row.works} | tried: {versions(python, row.installs)} |\n"


def write(row, text):
    """Write a row's line into the table of the page, in place of an older one."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    mark = f"| {row.name} |"
    lines = [line for line in table.splitlines(True)[2:] if not line.startswith(mark)]
    order = [f"| {other.name} |" for other in ROWS.values()]
    lines = sorted([*lines, text], key=lambda line: order.index(line[: line.index("|", 1) + 1]))
    PAGE.write_text(f"{before}{BEGIN}{HEAD}{''.join(lines)}{END}{after}", encoding="utf-8")


def main(names):
    """Try the named rows, or all; write those that pass into the page."""
    n_failed = 0
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        for key in names or ROWS:
            own = Path(folder) / key
            own.mkdir()
            text = line(key, ROWS[key], wheel, own)
            n_failed += text is None
            if text:
                write(ROWS[key], text)
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
