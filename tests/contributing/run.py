"""Do the worked examples of docs/adding.md, as written, in a fresh clone: make worked.

Each chapter has two diffs. The first adds tests, which must fail; the second adds the code, with
which they must pass, together with lint, types and the rules of layers and docstrings.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding.md"
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^\+\+\+ b/(.*)$", re.MULTILINE)
RULES = ["tests/test_layers.py", "tests/test_docstrings.py", "tests/house"]


def chapters(text):
    """Yield the title of each chapter with its two diffs."""
    for chapter in text.split("\n## ")[1:]:
        tests, code = DIFF.findall(chapter)
        yield chapter.splitlines()[0], tests, code


class Clone:
    """A clone of the last commit, in which one chapter is done."""

    def __init__(self, folder):
        self.folder = folder
        subprocess.run(["git", "clone", "-q", f"file://{ROOT}", folder], check=True)

    def run(self, *command, text=None):
        """Run a command in the clone; return whether it succeeded, and its output."""
        env = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=env, input=text, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.returncode == 0, done.stdout

    def apply(self, diff):
        """Apply a diff; exit if it does not fit."""
        is_applied, output = self.run("git", "apply", "--whitespace=error", "-", text=diff)
        if not is_applied:
            sys.exit(f"A diff of docs/adding.md no longer fits the code:\n{output}")

    def tests(self, files):
        """Run test files; return whether they passed, and the output."""
        return self.run(sys.executable, "-m", "pytest", "-qx", "-m", "not model", *files)


def do(tests, code):
    """Do one chapter; return the output of the steps that failed, empty if none did."""
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
        return "\n".join(output for succeeded, output in steps if not succeeded)


def main():
    """Do every chapter, or those whose title contains a word of the command line."""
    n_failed = 0
    for title, tests, code in chapters(PAGE.read_text(encoding="utf-8")):
        if sys.argv[1:] and not any(word in title for word in sys.argv[1:]):
            continue
        failure = do(tests, code)
        n_failed += bool(failure)
        print(f"{title}: {'FAIL' if failure else 'tests fail without the code, pass with it'}")
        print(failure, flush=True)
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
