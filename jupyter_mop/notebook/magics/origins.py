"""Which cell made which result: a result of another cell is overwritten only with --replace."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jupyter_mop.errors import DataError


class Origins:
    """The cell that made each named result, where the front end tells the cells apart.

    Running a cell again, changed or not, overwrites its own result. In a terminal there are no
    cells, and nothing is refused.

    Examples
    --------
    >>> origins, args, results = Origins(), argparse.Namespace(replace=False), {}
    >>> origins.cell = "first cell"
    >>> with origins.overwriting(["learned"], results, args):
    ...     results["learned"] = "a simulation"
    >>> origins.cell = "second cell"
    >>> try:
    ...     with origins.overwriting(["learned"], results, args):
    ...         pass
    ... except DataError as error:
    ...     print(error.message)
    'learned' is a result of another cell.
    """

    def __init__(self) -> None:
        self.cell: str | None = None
        self._cells: dict[str, str | None] = {}

    def begin_cell(self, info: Any) -> None:  # noqa: ANN401  IPython's ExecutionInfo
        """Remember which cell runs; IPython calls this before each."""
        self.cell = info.cell_id

    @contextmanager
    def overwriting(
        self, names: Sequence[str], results: Mapping[str, object], args: argparse.Namespace
    ) -> Iterator[None]:
        """Check that results of these names may be made, and remember the cell of those made.

        Parameters
        ----------
        names : sequence of str
            Names of the results.
        results : mapping
            The results that there are, by name; those that the block makes appear in it.
        args : argparse.Namespace
            The parsed line: replace, and dry_run if the magic has it.

        Raises
        ------
        DataError
            If another cell made a result of one of the names, and there is no --replace.
        """
        if getattr(args, "dry_run", False):
            yield
            return
        before = {name: results.get(name) for name in names}
        for name in names:
            made_by = self._cells.get(name)
            is_others = bool(made_by and self.cell and made_by != self.cell)
            if name in results and is_others and not args.replace:
                raise DataError(
                    f"{name!r} is a result of another cell.",
                    hint="Give this one another name, or overwrite it with --replace.",
                )
        try:
            yield
        finally:
            made = [name for name in names if results.get(name) is not before[name]]
            self._cells.update(dict.fromkeys(made, self.cell))
