"""Do what docs/adding.md says, as it says it, in a fresh clone: make worked.

Of each chapter: the first diff, tests that must fail; then the second, with which they must pass,
together with lint, types and the rules of floors and docstrings.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^\+\+\+ b/(.*)$", re.MULTILINE)
RULES = ["tests/test_layers.py", "tests/test_docstrings.py"]


def chapters(text):
    """Yield the name of each chapter with its two diffs."""
    for chapter in text.split("\n## ")[1:]:
        tests, code = DIFF.findall(chapter)
        yield chapter.splitlines()[0], tests, code


class Clone:
    """A clone of what is committed, in which a chapter is done."""

    def __init__(self, folder):
        self.folder = folder
        subprocess.run(["git", "clone", "-q", f"file://{ROOT}", folder], check=True)

    def run(self, *command, text=None):
        """Run a command in the clone; return whether it went well, and what it said."""
        env = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=env, input=text, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.returncode == 0, done.stdout

    def apply(self, diff):
        """Apply a diff; stop where it does not fit."""
        is_applied, told = self.run("git", "apply", "--whitespace=error", "-", text=diff)
        if not is_applied:
            sys.exit(f"The diff does not fit any more:\n{told}")

    def tests(self, files):
        return self.run(sys.executable, "-m", "pytest", "-qx", "-m", "not model", *files)


def do(tests, code):
    """Do one chapter; return what went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder))
        clone.apply(tests)
        files = FILE.findall(tests)
        if clone.tests(files)[0]:
            return "The tests pass without the code."
        clone.apply(code)
        types = ("mypy", "--cache-dir", str(ROOT / ".mypy_cache"))
        checks = ("ruff", "check", "."), ("ruff", "format", "--check", "."), types
        steps = [clone.tests([*files, *RULES])]
        steps += [clone.run(sys.executable, "-m", *check) for check in checks]
        return "\n".join(told for is_well, told in steps if not is_well)


def main():
    """Do every chapter, or those whose names have a word of the command line."""
    faults = 0
    for name, tests, code in chapters((ROOT / "docs" / "adding.md").read_text(encoding="utf-8")):
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        fault = do(tests, code)
        faults += bool(fault)
        print(f"{name}: {'FAIL' if fault else 'tests fail without, pass with the code'}")
        print(fault, flush=True)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
