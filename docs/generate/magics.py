"""A page for each magic: its options, read from its parser, and the output of an example."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from generate.examples import Example, run_examples
from jupyter_mop import Study
from jupyter_mop.notebook.magics.overview import GROUPS
from jupyter_mop.notebook.magics.register import MopMagics

_ABOUT = (
    "`%load_ext jupyter_mop` adds these magics. Each has `?` help and tab completion and returns "
    "its value (`sims = %mop_simulate ...`). Long work shows its progress and can be interrupted: "
    "finished answers stay cached, and the next run continues there. A semicolon at the end of the "
    "line hides the output."
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#$|])")
_CODE = re.compile(r"(%%?mop_\w+|--[a-z][\w-]+|OPENAI_API_KEY|https?://|`[^`]+`|\{column\})")
_USED = re.compile(r"%%?(mop_\w+)")


def magics() -> dict[str, Any]:
    """Return each magic by its name without the percent signs."""
    return {
        name: getattr(MopMagics, attribute)
        for name, attribute in sorted((MopMagics.magics["line"] | MopMagics.magics["cell"]).items())
    }


def write(folder: Path, notebooks: Path, pictures: Path) -> None:
    """Write the pages of all magics into `folder`/magics; run their examples."""
    to = folder / "magics"
    to.mkdir(parents=True, exist_ok=True)
    used, examples = _used_in(notebooks), run_examples(to)
    for name, magic in magics().items():
        picture = f"{name}.png" if (pictures / f"{name}.png").is_file() else None
        page = _page(name, magic, examples.get(name, []), used.get(name, []), picture)
        (to / f"{name}.md").write_text(page, encoding="utf-8")
    (to / "index.md").write_text(_index(), encoding="utf-8")


def percent(name: str) -> str:
    """Return a magic's name with one percent sign, or two if it needs a cell."""
    return f"%%{name}" if _needs_cell(name) else f"%{name}"


def _needs_cell(name: str) -> bool:
    return name in MopMagics.magics["cell"] and name in {
        "mop_personas",
        "mop_fit",
        "mop_ask",
        "mop_predict",
    }


def text(plain: str) -> str:
    """Return plain text as Markdown that renders the same, with options and magics as code."""
    parts = _CODE.split(plain)
    marked = [
        f"`{p.strip('`')}`" if i % 2 else _MARKDOWN.sub(r"\\\1", p) for i, p in enumerate(parts)
    ]
    return "".join(marked)


def _page(
    name: str, magic: Any, examples: list[Example], notebooks: list[str], picture: str | None
) -> str:
    first, *more = magic.parser.description.strip().split("\n\n")
    parts = [f"# {percent(name)}", text(first), *map(_paragraph, more), _forms(name)]
    if picture:
        alt = f"What %{name} opens in JupyterLab"
        parts.append(f"![{alt}](../pictures/{picture})")
    parts += ["## Options", f"```{{program}} {name}\n```", *_options(magic.parser)]
    if examples:
        parts += [
            "## Example",
            "On the [toy cafe](../howto/toy.md), whose language model knows six words.",
            *(example.markdown() for example in examples),
        ]
    links = [f"[{n}](../notebooks/{n}.ipynb)" for n in notebooks]
    see = [
        f"In a script: {_method(name)}.",
        f"In notebooks: {', '.join(links)}." if links else "",
    ]
    return "\n\n".join([*parts, "## See also", " ".join(see).strip()]) + "\n"


def _paragraph(plain: str) -> str:
    return text(" ".join(plain.split()))


def _forms(name: str) -> str:
    line, cell = name in MopMagics.magics["line"], name in MopMagics.magics["cell"]
    if line and cell:
        return f"A line magic, `%{name}`, or a cell magic, `%%{name}`."
    return f"A cell magic, `%%{name}`." if cell else f"A line magic, `%{name}`."


def _method(name: str) -> str:
    if name == "mop":
        return "{py:class}`jupyter_mop.Study` has a method for each of them"
    verb = name.removeprefix("mop_")
    method = f"use_{verb}" if hasattr(Study, f"use_{verb}") else verb
    return f"{{py:meth}}`jupyter_mop.Study.{method}`"


def _options(parser: argparse.ArgumentParser) -> list[str]:
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]  # noqa: SLF001
    return [_option(parser, action) for action in actions] or ["None."]


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(parser.prog)
    shown = text(formatter._expand_help(action))  # noqa: SLF001
    kind = " ".join(filter(None, [_value(action), "required" if action.required else ""]))
    facts = [f"One of {', '.join(f'`{c}`' for c in action.choices)}." if action.choices else ""]
    names = ", ".join(f"{name} {kind}".strip() for name in action.option_strings)
    head = names or action.dest
    body = " ".join(filter(None, [shown if shown.endswith(".") else f"{shown}.", *facts]))
    return f"````{{option}} {head}\n{body}\n````"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0 or not action.option_strings:
        return ""
    kind = getattr(action.type, "__name__", "")
    return {"int": "N", "float": "X", "seed": "N", "number_or_auto": "N|auto"}.get(
        kind, action.dest.upper()
    )


def _used_in(notebooks: Path) -> dict[str, list[str]]:
    used: dict[str, list[str]] = {}
    for file in sorted(notebooks.glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        for name in sorted(set(_USED.findall(code))):
            used.setdefault(name, []).append(file.stem)
    return used


def _index() -> str:
    parts = ["# Magics", _ABOUT, "[`%mop`](mop.md) shows this list in a notebook."]
    known = magics()
    for title, verbs in GROUPS.items():
        rows = [
            f"| [`{percent(f'mop_{verb}')}`](mop_{verb}.md) | "
            f"{text(known[f'mop_{verb}'].parser.description.strip().splitlines()[0])} |"
            for verb in verbs
        ]
        parts.append(
            "\n".join([f"## {title}\n", "| magic | what it does |", "| --- | --- |", *rows])
        )
    entries = "\n".join(["mop", *(f"mop_{verb}" for vs in GROUPS.values() for verb in vs)])
    parts.append(f"```{{toctree}}\n:hidden:\n\n{entries}\n```")
    return "\n\n".join(parts) + "\n"
