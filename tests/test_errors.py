from __future__ import annotations

import copy
import pickle

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mop import errors

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_one_short_red_block(kind: type[errors.MopError]) -> None:
    error = kind("The column 'x' is not there.", hint="Choose from ['y'].")
    assert isinstance(error, errors.MopError)
    assert str(error) == "The column 'x' is not there. Choose from ['y']."
    first, second = error._render_traceback_()
    assert kind.__name__ in first
    assert "The column" in first
    assert "Choose from" in second
    assert len(kind("Without a hint.")._render_traceback_()) == 1


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_a_copy_and_another_process(kind: type[errors.MopError]) -> None:
    error = kind("What is wrong.", hint="What to do.")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301  our own
        assert (type(other), str(other), other.hint) == (kind, str(error), error.hint)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.DataError, ValueError),
        (errors.PromptTooLongError, errors.DataError),
        (errors.NotFittedError, RuntimeError),
        (errors.ModelError, RuntimeError),
        (errors.StoreError, RuntimeError),
        (errors.MissingPackageError, ImportError),
    ],
)
def test_errors_are_ordinary_exceptions_too(kind: type, base: type) -> None:
    assert issubclass(kind, base)


def test_a_missing_package_names_the_command() -> None:
    error = errors.missing("openvino-genai", "local")
    assert error.hint == 'Install it with: pip install "jupyter-mop[local]"'
    assert "'openvino-genai'" in error.message


def test_a_shell_shows_the_block_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    code = "from jupyter_mop.errors import DataError\nraise DataError('Bad.', hint='Do this.')"
    result = shell.run_cell(code)
    output = capsys.readouterr()
    text = output.out + output.err
    assert isinstance(result.error_in_exec, errors.DataError)
    assert "DataError: Bad." in text
    assert "Do this." in text
    assert "Traceback" not in text
    assert "File" not in text
