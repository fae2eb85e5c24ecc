"""Tables of stored experiment results, inserted where a page asks for one."""

from __future__ import annotations

import re
from pathlib import Path

from jupyter_mop.experiments.report import read_result

_PLACE = re.compile(r"^<!-- results (\w+) -->$", re.MULTILINE)


def fill(page: Path, results: Path) -> None:
    """Replace each `<!-- results NAME -->` of a page by a table."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_PLACE.sub(lambda found: _table(results / f"{found[1]}.json"), text), "utf-8")


def _table(file: Path) -> str:
    result = read_result(file)
    table, made = result.table(), result.provenance
    rows = [["", *table.columns], ["---"] * (1 + len(table.columns))]
    rows += [
        [str(name), *map(str, row)] for name, row in zip(table.index, table.values, strict=True)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    source = f"`{made['command']}`, {made['hardware']}, {made['date'][:10]}; 95 % intervals."
    return "\n".join([*lines, "", source])
