"""Which cell made which result: a result of another cell is overwritten only with --replace."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_mop.errors import DataError


class Origins:
    """The cell that made each named result, where the front end tells the cells apart.

    Running a cell again, changed or not, overwrites its own result. In a terminal there are no
    cells, and nothing is refused.

    Examples
    --------
    >>> origins, args = Origins(), argparse.Namespace(replace=False)
    >>> origins.cell = "first cell"
    >>> with origins.overwriting("learned", [], args):
    ...     pass
    >>> origins.cell = "second cell"
    >>> try:
    ...     with origins.overwriting("learned", ["learned"], args):
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
        self, name: str, known: Collection[str], args: argparse.Namespace
    ) -> Iterator[None]:
        """Check that a result of this name may be made, and remember its cell after the block.

        Parameters
        ----------
        name : str
            Name of the result.
        known : collection of str
            Names of the results that there are.
        args : argparse.Namespace
            The parsed line: replace, and dry_run if the magic has it.

        Raises
        ------
        DataError
            If another cell made the result of this name, and there is no --replace.
        """
        if getattr(args, "dry_run", False):
            yield
            return
        before = self._cells.get(name)
        if name in known and before and self.cell and before != self.cell and not args.replace:
            raise DataError(
                f"{name!r} is a result of another cell.",
                hint="Give this one another name, or overwrite it with --replace.",
            )
        yield
        self._cells[name] = self.cell
