"""The code of the how-to pages: each page is one notebook on the toy cafe, and all of it runs.

A fence of ```ipython is a cell. One of ```python with prompts is a doctest, whose outputs are
checked. Both share their variables. Code that needs another machine is in a `{code-block} ipython`,
whose magics are only parsed. Other fences are not checked.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic_arguments import parse_argstring

from generate.shell import private_shell, run

_FENCE = re.compile(
    r"^( *)```(ipython|python|\{code-block\} ipython)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE
)
_MAGIC = re.compile(r"^(?:\w+ = )?%%?(mop_\w+)(.*)$", re.MULTILINE)
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def snippets(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each code block of a page."""
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        yield found[2], dedent(found[3])


def check(page: Path) -> int:
    """Run a page from the top; return the number of code blocks; raise the first error."""
    with private_shell() as shell:
        blocks = list(snippets(page))
        for kind, code in blocks:
            if kind == "ipython":
                run(shell, code)
            elif ">>>" in code:
                _doctest(shell, code, page.name)
            else:
                _parse(shell, code)
    return len(blocks)


def _doctest(shell: InteractiveShell, code: str, name: str) -> None:
    names = {**shell.user_ns}
    test = doctest.DocTestParser().get_doctest(code, names, name, name, 0)
    doctest.DebugRunner(optionflags=_OPTIONS).run(test, clear_globs=False)
    shell.user_ns.update({key: value for key, value in test.globs.items() if key != "__builtins__"})


def _parse(shell: InteractiveShell, code: str) -> None:
    registered = shell.magics_manager.registry["MopMagics"]
    for name, line in _MAGIC.findall(code):
        parse_argstring(getattr(registered, name), line)
