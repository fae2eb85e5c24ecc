"""What a magic's line may name: variables of the notebook, files, persona weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
from IPython.core.magic_arguments import argument

from jupyter_mop.engine.data.dataframes import pandas_frame
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.data.personas import Persona, persona_shares
from jupyter_mop.engine.survey.question import SEPARATOR, Question
from jupyter_mop.engine.survey.real_answers import split_names
from jupyter_mop.errors import DataError
from jupyter_mop.options import Option, Options, declared_options

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Magic = TypeVar("Magic", bound=Callable[..., Any])


def option_arguments(kind: type[Options]) -> Callable[[Magic], Magic]:
    """Give a magic an argument for each option of a set that has a flag."""

    def add(magic: Magic) -> Magic:
        for name, default, declared in reversed(list(declared_options(kind))):
            if declared.flags:
                magic = _argument(name, default, declared)(magic)
        return magic

    return add


def option_values(
    shell: InteractiveShell, kind: type[Options], args: dict[str, Any]
) -> dict[str, Any]:
    """Take the options of a set out of a magic's arguments, weights read from their text."""
    names = [name for name, _, declared in declared_options(kind) if declared.flags]
    taken = {name: args.pop(name) for name in names}
    return taken | {"weights": weights(shell, taken["weights"])}


def _argument(name: str, default: object, declared: Option) -> Callable[[Magic], Magic]:
    text = declared.help.replace("%", "%%")
    if declared.parse is None:
        action = "store_false" if default else "store_true"
        made = argument(*declared.flags, dest=name, action=action, help=text)
    else:
        shown = "" if default is None else f" Default: {default}."
        made = argument(
            *declared.flags, dest=name, type=declared.parse, default=default, help=text + shown
        )
    decorate: Callable[[Magic], Magic] = made
    return decorate


def of_variable(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`, or None."""
    return shell.user_ns.get(name)


def variable_or_text(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`, or else the text itself."""
    value = of_variable(shell, name)
    return unquoted(name) if value is None else value


def frame(shell: InteractiveShell, name: str) -> pd.DataFrame:
    """Return the frame in the notebook's variable `name`, of whatever library, as a pandas one."""
    value = pandas_frame(of_variable(shell, name))
    if not isinstance(value, pd.DataFrame):
        came = "there is no such variable" if value is None else f"it is a {type(value).__name__}"
        raise DataError(f"Expected a DataFrame in the variable {name!r}, but {came}.",
                        hint="Make one first, such as df = pd.read_csv(...).")  # fmt: skip
    return value


def variable_or_path(shell: InteractiveShell, name: str | None) -> object:
    """Return the variable `name`, or else the path of that name."""
    if name is None:
        raise DataError("There are no personas: neither a cell nor a variable nor a file.",
                        hint="Use %%mop_personas with one `name: description` a line.")  # fmt: skip
    value = of_variable(shell, name)
    return path(name) if value is None else value


def path(text: str) -> Path:
    """Return the path that `text` names."""
    return Path(unquoted(text)).expanduser()


def context(shell: InteractiveShell, text: str) -> str | Mapping[str, object]:
    """Return the context in the variable `text`, or else `text` itself."""
    value = of_variable(shell, text)
    return value if isinstance(value, str | Mapping) else text


def weights(shell: InteractiveShell, text: str | None) -> str | Mapping[str, float] | None:
    """Return the weights that `--weights` names: a word, NAME=SHARE pairs or a variable."""
    text = text and unquoted(text)
    if text is None or text in WEIGHT_WORDS:
        return text
    if "=" not in text:
        value = of_variable(shell, text)
        if isinstance(value, Mapping):
            return value
        raise DataError(f"There are no weights {text!r}.",
                        hint=f"Use {', '.join(WEIGHT_WORDS)}, NAME=0.4,NAME=0.6, or a dict.")  # fmt: skip
    pairs = (pair.rpartition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): _share(name, share) for name, _, share in pairs}


def shares(shell: InteractiveShell, text: str | None) -> Mapping[str, float] | None:
    """Return the weights that `text` names: NAME=SHARE pairs or a variable, no word."""
    named = weights(shell, text)
    if isinstance(named, str):
        raise DataError(f"{named!r} names no shares.",
                        hint="Use NAME=0.4,NAME=0.6, or a variable with a dict.")  # fmt: skip
    return named


def variable(shell: InteractiveShell, name: str, what: str) -> Any:  # noqa: ANN401  the user's own
    """Return the notebook's variable `name`, or say that there is none and `what` it should be."""
    value = of_variable(shell, unquoted(name))
    if value is None:
        raise DataError(f"There is no variable {name!r}.", hint=f"Make one first: {what}.")
    return value


def client(shell: InteractiveShell, name: str | None) -> Any:  # noqa: ANN401  a cluster's
    """Return the client of a cluster in the variable `name`; None where none is named."""
    made = "client = Client(LocalCluster(n_workers=2, threads_per_worker=1))"
    return None if name is None else variable(shell, name, made)


def outcome(shell: InteractiveShell, name: str) -> Any:  # noqa: ANN401  a column's name or a function
    """Return the function in the variable `name`, or else the column of that name."""
    value = of_variable(shell, unquoted(name))
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
            raise DataError("A scale, a multiple choice and --last, --exclusive and --separator "
                            "need --options.",
                            hint='List them: --options "never|sometimes|always".')  # fmt: skip
        return text
    if scale and multiple:
        raise DataError("A question is a scale or a multiple choice, not both.",
                        hint="Leave --scale or --multiple out.")  # fmt: skip
    return Question(
        text,
        unquoted(options).split(SEPARATOR),
        "scale" if scale else "multiple" if multiple else "single",
        last=split_names(last),
        exclusive=exclusive and unquoted(exclusive),
        separator=unquoted(separator or SEPARATOR),
    )


def seed(text: str) -> int:
    """Return the seed that `text` names; argparse turns the ValueError into one line."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def number_or_auto(text: str) -> int | str:
    """Return the number of personas that `text` names, or "auto"."""
    return text if text == "auto" else int(text)


def numbers(text: str) -> tuple[int, ...]:
    """Return the whole numbers in `text`, between commas."""
    return tuple(int(part) for part in text.split(",") if part.strip())


def unquoted(text: str) -> str:
    """Return `text` without the quotes around it, which IPython leaves on."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def personas_frame(personas: Sequence[Persona]) -> pd.DataFrame:
    """Return the personas as a table: name, description and stated share."""
    return pd.DataFrame(
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
        raise DataError(f"The weight of {name.strip()!r} must be a number, not {text!r}.",
                        hint="Write it as in --weights critic=0.4,fan=0.6") from None  # fmt: skip
