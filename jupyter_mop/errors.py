"""One hierarchy of errors: what was expected, what came, and what to do about it."""

from __future__ import annotations


class MopError(Exception):
    """An error with a hint; a notebook shows it as one short red block.

    Parameters
    ----------
    message : str
        One sentence: what was expected and what came.
    hint : str
        What to do: a command or an argument.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def _render_traceback_(self) -> list[str]:
        """Lines that IPython shows in place of a traceback."""
        lines = [f"\x1b[31m{type(self).__name__}: {self.message}\x1b[0m"]
        return [*lines, f"\x1b[31m  {self.hint}\x1b[0m"] if self.hint else lines


class DataError(MopError, ValueError):
    """Personas, records, weights or templates that cannot be used as they are."""


class PromptTooLongError(DataError):
    """A prompt and its response do not fit into the model's window."""


class NotFittedError(MopError, RuntimeError):
    """A result was asked for before the step that makes it."""


class ModelError(MopError, RuntimeError):
    """A model that cannot be fetched, verified, loaded or run."""


class StoreError(MopError, RuntimeError):
    """A store file that cannot be opened or read."""


class MissingPackageError(MopError, ImportError):
    """An optional package is not installed."""


def missing(package: str, extra: str) -> MissingPackageError:
    """Return the error for an optional `package` that the `extra` brings."""
    return MissingPackageError(
        f"The package {package!r} is needed here and is not installed.",
        hint=f'Install it with: pip install "jupyter-mop[{extra}]"',
    )


class BudgetError(MopError):
    """A run that ended before it could pass its budget; what was finished is in the store."""


class Interrupted(MopError):  # noqa: N818  not a fault
    """A run that the user stopped; what was finished is in the store."""
