"""Meet every personality of the scripted server with every verb; write the matrix: make endpoints.

Prints a line for each personality, and writes the table into docs/howto/which-endpoint.md. With
names of personalities on the command line, only these are met and nothing is written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "servers")]

from endpoint_matrix import RIGHT, SENTENCE, cells, short_waits, table  # noqa: E402  found above
from personalities import PERSONALITIES  # noqa: E402  as above

PAGE = ROOT / "docs" / "howto" / "which-endpoint.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end -->\n"


def main() -> int:
    """Fill the matrix; the exit code is 1 if a cell is wrong."""
    os.environ.pop("OPENAI_API_KEY", None)
    matrix = {}
    with short_waits():
        for name in sys.argv[1:] or PERSONALITIES:
            matrix[name] = cells(name)
            wrong = {v: o for v, o in matrix[name].items() if o not in {RIGHT, SENTENCE}}
            print(f"{'FAIL' if wrong else 'pass'}  {name}", *wrong.items(), flush=True)
    outcomes = [outcome for row in matrix.values() for outcome in row.values()]
    n_right = sum(outcome in {RIGHT, SENTENCE} for outcome in outcomes)
    print(f"{n_right} of {len(outcomes)} cells are a right answer or the right sentence.")
    if not sys.argv[1:]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        page = f"{before}{BEGIN}{table(matrix)}{END}{rest.partition(END)[2]}"
        PAGE.write_text(page, encoding="utf-8")
    return int(n_right < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
