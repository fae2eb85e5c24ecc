"""The package's errors: what is wrong, and a hint what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MopError(Exception):
    """An error with a hint; a notebook shows it as one short red block.

    Parameters
    ----------
    message : str
        One sentence: what is wrong, with the value.
    hint : str
        What to do, such as a command or an argument.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython displays instead of a traceback."""
        lines = [f"\x1b[31m{type(self).__name__}: {self.message}\x1b[0m"]
        return [*lines, f"\x1b[31m  {self.hint}\x1b[0m"] if self.hint else lines


class DataError(MopError, ValueError):
    """An input that cannot be used: personas, records, weights, templates or options."""


class PromptTooLongError(DataError):
    """A prompt and its response exceed the model's context length."""


class NotFittedError(MopError, RuntimeError):
    """A result is needed that an earlier step has not computed yet."""


class ModelError(MopError, RuntimeError):
    """A model that cannot be downloaded, verified, loaded or run."""


class StoreError(MopError, RuntimeError):
    """A store file that cannot be opened or read."""


class MissingPackageError(MopError, ImportError):
    """An optional package is not installed."""


def missing(package: str, extra: str) -> MissingPackageError:
    """Return the error for an optional `package`, which the `extra` installs."""
    return MissingPackageError(
        f"The package {package!r} is required here but not installed.",
        hint=f'Install it with: pip install "jupyter-mop[{extra}]"',
    )


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Return the question whether the most similar name is meant; "" if none is similar.

    Examples
    --------
    >>> did_you_mean("satisfation", ["age", "satisfaction"]), did_you_mean("x", ["age"])
    ("Did you mean 'satisfaction'?", '')
    """
    import difflib  # only a user's mistake needs it

    near = difflib.get_close_matches(str(name), list(map(str, known)), 1)
    return f"Did you mean {near[0]!r}?" if near else ""


class BudgetError(MopError):
    """A run that ended before it exceeded its budget; finished answers are in the store."""


class BatchPending(MopError):  # noqa: N818  not an error of the program
    """A run whose requests are in a batch that is not done yet; resuming the run collects it."""


class Interrupted(MopError):  # noqa: N818  not an error of the program
    """A run that the user stopped; finished answers are in the store."""
