"""Read what a magic's line names: variables of the notebook, files, weights and questions."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop.charts.style.text_frame import TextFrame
from jupyter_mop.engine.data.dataframes import is_frame, pandas_frame, value_text
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.data.personas import Persona, persona_shares
from jupyter_mop.engine.survey.question import SEPARATOR, Question
from jupyter_mop.engine.survey.real_answers import split_names
from jupyter_mop.errors import DataError, did_you_mean
from jupyter_mop.options import Options, declared_options

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ANCHORS_EXAMPLE = 'my_anchors = {"yes": "I would love to.", "no": "I would rather not."}'
_COLUMN = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]*?))\s*(?:,|$)""")


def option_values(
    shell: InteractiveShell, kind: type[Options], args: argparse.Namespace
) -> dict[str, Any]:
    """Return the values of a set of options from a magic's parsed line, as far as it has them."""
    declared = declared_options(kind)
    names = [name for name, _, option in declared if option.flags and hasattr(args, name)]
    values = {name: getattr(args, name) for name in names}
    values = {k: unquoted(v) if isinstance(v, str) else v for k, v in values.items()}
    if values.get("anchors"):
        values["anchors"] = variable(shell, values["anchors"], ANCHORS_EXAMPLE)
    return values | ({"weights": weights(shell, args.weights)} if "weights" in names else {})


def variable_or_none(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`, or None."""
    return shell.user_ns.get(name)


def variable_or_text(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`, or the text itself."""
    value = variable_or_none(shell, name)
    return unquoted(name) if value is None else value


def frame(shell: InteractiveShell, name: str) -> pd.DataFrame:
    """Return the DataFrame in the notebook's variable `name`, of any library, as a pandas one."""
    value = pandas_frame(variable_or_none(shell, name))
    if isinstance(value, pd.DataFrame):
        return value
    found = "there is no such variable" if value is None else f"it is a {type(value).__name__}"
    frames = [k for k, v in shell.user_ns.items() if not k.startswith("_") and is_frame(v)]
    raise DataError(
        f"The variable {name!r} must be a DataFrame, but {found}.",
        hint=f"{did_you_mean(name, frames)} Create it first: df = pd.read_csv(...).".strip(),
    )


def columns(df: pd.DataFrame, text: str) -> list[str]:
    r"""Return the columns that `text` names: one, or several separated by commas.

    A name with a comma is in quotes if there are several.

    Examples
    --------
    >>> df = pd.DataFrame(columns=["Age, in years", "Q1.1", 2024])
    >>> columns(df, '"Age, in years"'), columns(df, "\"'Age, in years', 2024\"")
    (['Age, in years'], ['Age, in years', '2024'])
    """
    text = unquoted(text)
    if text in map(value_text, df.columns):
        return [text]
    return ["".join(names) for names in _COLUMN.findall(text) if any(names)] or [text]


def variable_or_path(shell: InteractiveShell, name: str | None) -> object:
    """Return the variable `name`, or the path of that name."""
    if name is None:
        raise DataError(
            "There are no personas: the magic has no cell, no variable and no file.",
            hint="Write `name: description` lines below %%mop_personas.",
        )
    value = variable_or_none(shell, name)
    return path(name) if value is None else value


def path(text: str) -> Path:
    """Return the path that `text` names, with ~ for the home folder."""
    return Path(unquoted(text)).expanduser()


def context(shell: InteractiveShell, text: str) -> str | Mapping[str, object]:
    """Return the context in the variable `text`, or `text` itself."""
    value = variable_or_none(shell, text)
    return value if isinstance(value, str | Mapping) else text


def weights(shell: InteractiveShell, text: str | None) -> str | Mapping[str, float] | None:
    """Return the weights that `--weights` gives: a word, NAME=SHARE pairs or a variable."""
    text = text and unquoted(text)
    if text is None or text in WEIGHT_WORDS:
        return text
    if "=" not in text:
        value = variable_or_none(shell, text)
        if isinstance(value, Mapping):
            return value
        use = f"Use {', '.join(WEIGHT_WORDS)}, NAME=0.4,NAME=0.6, or a variable with a dict."
        near = did_you_mean(text, WEIGHT_WORDS)
        raise DataError(f"Unknown weights {text!r}.", hint=f"{near} {use}".strip())
    pairs = (pair.rpartition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): _share(name, share) for name, _, share in pairs}


def column_or_values(shell: InteractiveShell, text: str) -> object:
    """Return the values in the variable `text`, such as a Series, or the name of a column."""
    value = variable_or_none(shell, unquoted(text))
    is_values = hasattr(value, "__len__") and not isinstance(value, str | Mapping | pd.DataFrame)
    return value if is_values else unquoted(text)


def pairs(shell: InteractiveShell, text: str | None) -> Mapping[str, str] | None:
    """Return the pairs that `text` gives as NAME=NAME, or a variable with a dict."""
    text = text and unquoted(text)
    if not text:
        return None
    value = variable_or_none(shell, text)
    if isinstance(value, Mapping):
        return value
    split = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(sign for _, sign, _ in split):
        raise DataError(
            f"`--match` must be pairs of group and persona, got {text!r}.",
            hint='Use --match "GROUP=PERSONA,GROUP=PERSONA", or a variable with a dict.',
        )
    return {unquoted(first.strip()): unquoted(second.strip()) for first, _, second in split}


def shares(shell: InteractiveShell, text: str | None) -> Mapping[str, float] | None:
    """Return the weights that `text` gives as NAME=SHARE pairs or a variable, but no word."""
    given = weights(shell, text)
    if isinstance(given, str):
        raise DataError(
            f"Shares by persona are needed, got {given!r}.",
            hint="Use NAME=0.4,NAME=0.6, or a variable with a dict.",
        )
    return given


def variable(shell: InteractiveShell, name: str, example: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`; the error for a missing one shows the `example`."""
    value = variable_or_none(shell, unquoted(name))
    if value is None:
        known = [variable for variable in shell.user_ns if not variable.startswith("_")]
        raise DataError(
            f"There is no variable {name!r}.",
            hint=f"{did_you_mean(unquoted(name), known)} Create it first: {example}.".strip(),
        )
    return value


def client(shell: InteractiveShell, name: str | None) -> Any:  # noqa: ANN401  a Dask client
    """Return the Dask client in the variable `name`, or None without a name."""
    example = "client = Client(LocalCluster(n_workers=2, threads_per_worker=1))"
    return None if name is None else variable(shell, name, example)


def outcome(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  a column's name or a function
    """Return the function in the variable `name`, or the column of that name."""
    value = variable_or_none(shell, unquoted(name))
    return value if callable(value) else unquoted(name)


def question(
    text: str,
    *,
    options: str | None,
    scale: bool = False,
    multiple: bool = False,
    last: str | None = None,
    exclusive: str | None = None,
    separator: str | None = None,
) -> Question | str:
    """Return the question with the options that `--options` lists, or its text alone."""
    if options is None:
        if scale or multiple or last or exclusive or separator:
            raise DataError(
                "--scale, --multiple, --last, --exclusive and --separator need options.",
                hint='List them: --options "never|sometimes|always".',
            )
        return text
    if scale and multiple:
        raise DataError(
            "A question is a scale or a multiple choice, not both.",
            hint="Leave out --scale or --multiple.",
        )
    return Question(
        text,
        unquoted(options).split(SEPARATOR),
        "scale" if scale else "multiple" if multiple else "single",
        last=split_names(last),
        exclusive=exclusive and unquoted(exclusive),
        separator=unquoted(separator or SEPARATOR),
    )


def seed(text: str) -> int:
    """Return the seed that `text` gives; argparse turns the ValueError into one line."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def number_or_auto(text: str) -> int | str:
    """Return the number of personas that `text` gives, or "auto"."""
    return text if text == "auto" else int(text)


def unquoted(text: str) -> str:
    """Return `text` without surrounding quotes, which IPython does not remove."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def personas_frame(personas: Sequence[Persona]) -> pd.DataFrame:
    """Return the personas as a table of name, description and weight."""
    return TextFrame(
        {
            "name": [persona.name for persona in personas],
            "description": [persona.description for persona in personas],
            "weight": persona_shares(personas).round(3),
        }
    )


def _share(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"The weight of {name.strip()!r} must be a number, got {text!r}.",
            hint="Write it as in --weights critic=0.4,fan=0.6.",
        ) from None
