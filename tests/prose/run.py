"""Check the spelling and grammar of all prose: python tests/prose/run.py [FILE ...].

Prose is Markdown, the Markdown cells of notebooks, and docstrings and sentences in the package.
Harper checks it, offline. Its rules that are off, and our words, are in pyproject.toml.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "*.md",
    "docs/**/*.md",
    "notebooks/**/*.md",
    "notebooks/**/*.ipynb",
    "jupyter_mop/**/*.py",
)
SENTENCE = re.compile(r"[A-Z].* .* .*[.?!]", re.DOTALL)
CODE_WORD = re.compile(r"\b(?:\w*(?:[a-z][A-Z]|[A-Z][A-Z]|\d|_)\w*|\w)\b")  # names, acronyms
NOT_PROSE = re.compile(
    r"^\s*(?:>>>|\.\.\.).*|^\s*[-=]{3,}$|^[\w*, ]+ : .*|^.* or None$"  # doctests, rules, types
    r"|.* = .*|\$\$?[^$]+\$\$?|\((?:[A-Z]\w*, ?)*[A-Z]\w*,?\)"  # formulas and shapes
    r"|\{[\w:]+\}(?=`)|<[^>]+>|https?://\S+"  # roles, tags and links
    r"|\b(?<=\.)sav\b"  # Harper has it as a word of another English
)


def main(names: Sequence[str]) -> int:
    """Print what is wrong in the files, by default all of the repository; return how much."""
    files = [Path(name).resolve() for name in names] or repository()
    found = [line for file, problems in check(files).items() for line in problems]
    print(*found, f"{len(files)} files, {len(found)} problems", sep="\n")
    return min(len(found), 1)


def repository() -> list[Path]:
    """Return the files of the repository that have prose."""
    return sorted({file for place in PLACES for file in ROOT.glob(place)})


def check(files: Sequence[Path]) -> dict[Path, list[str]]:
    """Return the problems in each file, as "file:line: text (rule): message"."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["prose"]
    with tempfile.TemporaryDirectory() as folder:
        copies = {Path(folder) / f"{number}.md": file for number, file in enumerate(files)}
        known = set(settings["words"])
        for copy, file in copies.items():
            text = "\n".join(prose(file))
            copy.write_text(text, encoding="utf-8")
            found = CODE_WORD.findall(text)
            known |= {part for word in found for part in (word, *word.split("_"))} - {""}
        forms = [word + end for word in sorted(known) for end in ("", "'s", ".")]
        words = Path(folder) / "words.txt"
        words.write_text("\n".join(forms), encoding="utf-8")
        reports = lint(list(copies), words, settings["ignored_rules"])
    return {
        copies[copy]: [_line(copies[copy], problem) for problem in problems]
        for copy, problems in reports.items()
    }


def lint(files: Sequence[Path], words: Path, ignored: Sequence[str]) -> dict[Path, list[dict]]:
    """Run Harper; return what it reports for each file."""
    options = ["--dialect", "uk", "--format", "json", "--quiet", "--ignore", ",".join(ignored)]
    command = [sys.executable, "-m", "harper", "lint", *options, "--user-dict-path", str(words)]
    run = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    if not run.stdout:
        raise RuntimeError(run.stderr)
    folder = words.parent
    return {folder / report["file"]: report["lints"] for report in json.loads(run.stdout)}


def _line(file: Path, problem: dict) -> str:
    text, name = " ".join(problem["matched_text"].split()), problem["rule"]
    place = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    hints = "; ".join(problem["suggestions"][:1])
    return f"{place}:{problem['line']}: {text!r} ({name}): {problem['message']} {hints}".rstrip()


def prose(file: Path) -> list[str]:
    """Return the prose of a file as lines of Markdown; those of a module keep their numbers."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    lines = text.splitlines()
    if file.suffix == ".py":
        lines = [""] * len(lines)
        for line, part in sentences(ast.parse(text)):
            lines[line - 1 : line - 1 + len(part)] = part
    return [NOT_PROSE.sub("", line) for line in lines]


def sentences(tree: ast.Module) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the lines of each docstring and each constant that is a sentence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.partition("Examples\n    ---")[0].partition("Examples\n---")[0]
            if SENTENCE.match(text.strip()):
                n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
                lines = [line.strip() for line in text.splitlines()]
                yield node.lineno, lines[:n_lines] if len(lines) > 1 else [text]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
