"""Tab completion of the magics: options and their values, columns, variables and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from IPython.core.completer import SimpleCompletion, context_matcher

from jupyter_mop.backends.chat_templates import TEMPLATES
from jupyter_mop.engine.data.dataframes import is_frame, pandas_frame, value_text
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.data.prompt_template import placeholder
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.survey.elicitation_options import COMPARE, METHOD_NAMES, ElicitationOptions
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.notebook.magics.overview import in_order
from jupyter_mop.options import Options, declared_options

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.notebook.magics.register import MopMagics

_IDENTIFIER, _PRIORITY = "mop_magics", 200.0  # before all of IPython's own
_CELL = re.compile(r"%%(mop_\w+)\b")
_NAME = re.compile(r"^\s*(?:[\w ,]+=\s*)?(%%?mop_?\w*)$")
_CALL = re.compile(r"^\s*(?:[\w ,]+=\s*)?%%?(mop_\w+)\s+(.*)$", re.DOTALL)
_SPACE = re.compile(r"""\s+(?=(?:[^"']|"[^"]*"|'[^']*')*(?:"[^"]*|'[^']*)?$)""")
_OPEN_BRACE = re.compile(r"\{[^{}]*$")
_TEMPLATE_CELLS = ("mop_fit", "mop_simulate", "mop_ask", "mop_synthesize")
_LISTS = ("--weights", "--context", "--by", "--match", "--start")
_FILES = {"mop_export": 1, "mop_report": 1, "mop_personas": 0}
_WITH_SIMULATION = (
    "mop_align",
    "mop_match",
    "mop_simulate",
    "mop_calibrate",
    "mop_estimate",
    "mop_report",
    "mop_diagnose",
    "mop_export",
)
_OPTIONS: dict[str, type[Options]] = {
    "mop_simulate": SimulationOptions,
    "mop_ask": ElicitationOptions,
    "mop_survey": ElicitationOptions,
    "mop_synthesize": SynthesisOptions,
}
_MATCHED_METRICS = ("FID", "MAUVE", "'KL cosine'", "'joint FID'", "fidelity", "length")
_COLUMN_OPTIONS = ("--context", "--response", "--weight", "--group", "--questions", "--id")
_SURVEYED = ("mop_shares", "mop_impute")


def register(shell: InteractiveShell, magics: MopMagics) -> None:
    """Complete our magics by names, options and values of our own, in order, and nothing else."""

    @context_matcher(priority=_PRIORITY, identifier=_IDENTIFIER)
    def match(context: CompletionContext) -> SimpleMatcherResult:
        typed, words = completions(magics, context)
        return {
            "completions": [SimpleCompletion(word) for word in words],
            "matched_fragment": typed,
            "suppress": True,
            "ordered": True,
        }

    shell.Completer.custom_matchers.append(match)


def completions(magics: MopMagics, context: CompletionContext) -> tuple[str, list[str]]:
    """Return what is typed of a word of our magics, and the words that complete it.

    A word that nothing of ours completes is its own completion, so that no names of Python are
    offered in its place. Outside our magics there is nothing.
    """
    line, first = context.text_until_cursor, context.full_text.split("\n", 1)[0]
    if context.cursor_line > 0 and (cell := _CELL.match(first)):
        typed, found = _placeholders(magics, cell[1], line)
    elif name := _NAME.search(line):
        typed, found = name[1], _magic_names(magics, name[1])
    elif call := _CALL.match(line):
        typed, found = _Completer(magics, call[1]).complete(call[2])
    else:
        return "", []
    chosen = [word for word in found if word.startswith(typed)]
    return typed, list(dict.fromkeys(chosen)) or [typed] * bool(typed)


def _magic_names(magics: MopMagics, typed: str) -> list[str]:
    """Return the magics in the order of use, as line magics or as cell magics."""
    kind, signs = ("cell", "%%") if typed.startswith("%%") else ("line", "%")
    return [f"{signs}{name}" for name in in_order(magics.magics[kind])]


def _placeholders(magics: MopMagics, name: str, line: str) -> tuple[str, list[str]]:
    """Return what is typed of a placeholder in a template, and the placeholders of the columns."""
    opened = _OPEN_BRACE.search(line)
    population = magics.study.population
    if opened is None or population is None or name not in _TEMPLATE_CELLS:
        return re.split(r"\s", line)[-1], []
    return opened[0], [placeholder(column) for column in population.context]


class _Completer:
    """Completes the line of one magic."""

    def __init__(self, magics: MopMagics, name: str) -> None:
        self.magics = magics
        self.name = name

    def complete(self, line: str) -> tuple[str, list[str]]:
        """Return the word before the cursor, and what could stand there."""
        *words, typed = _SPACE.split(line)
        values = self._values(words)
        if values is None:
            is_option = typed.startswith("-")
            names = [] if is_option else [*self._names(), *self._files(words, typed)]
            return typed, [*names, *self._options()]
        before, comma, _ = typed.rpartition(",")
        is_list = words[-1] in _LISTS and not typed.startswith(('"', "'"))
        start = f"{before}{comma}" if is_list else ""
        return typed, [f"{start}{value}" for value in values]

    def _values(self, words: list[str]) -> list[str] | None:
        """Return the values of the option before the cursor; None if there is none."""
        values = self._option_values(words)
        if words and words[-1] in self._options() and words[-1] in values:
            return values[words[-1]]()
        return None

    def _files(self, words: list[str], typed: str) -> list[str]:
        """Return files and folders, where the magic's next argument is one."""
        at = _FILES.get(self.name)
        if at is None or len([word for word in words if word]) != at or not typed:
            return []
        found = sorted(Path().glob(f"{typed}*")) if not typed.startswith(("/", "~")) else []
        return [f"{file.as_posix()}/" if file.is_dir() else file.as_posix() for file in found]

    def _option_values(self, words: list[str]) -> dict[str, Callable[[], list[str]]]:
        study = self.magics.study
        return {
            **self._declared_choices(),
            **self._methods_of_asking(),
            "--weights": lambda: [*WEIGHT_WORDS, *(f"{p.name}=" for p in study.personas)],
            "--figure": lambda: list(_MATCHED_METRICS),
            "--template": lambda: list(TEMPLATES),
            **dict.fromkeys(("--human", "--without"), self._frames),
            "--by": self._subgroups,
            "--match": lambda: self._variables(Mapping),
            "--targets": lambda: self._variables((Mapping, pd.Series)),
            "--start": lambda: self._variables((Mapping, pd.Series)),
            "--to": lambda: [*self._frames(), *self._variables(Mapping)],
            "-k": lambda: ["auto", "4", "8", "16"],
            "--stratify": lambda: [*self._contexts(), "cluster"],
            **dict.fromkeys(_COLUMN_OPTIONS, lambda: self._columns(words)),
        }

    def _subgroups(self) -> list[str]:
        """Return what can divide the records: contexts, or any column where it is hidden."""
        if self.name == "mop_composition":
            return [*self._population_columns(), *self._variables(pd.Series)]
        return [*self._contexts(), "context"]

    def _contexts(self) -> list[str]:
        """Return the names of the context columns."""
        fit, population = self.magics.study.survey_fit, self.magics.study.population
        if self.name in _SURVEYED:
            return [_quoted(name) for name in fit.survey.context] if fit else []
        return [_quoted(name) for name in population.context] if population else []

    def _declared_choices(self) -> dict[str, Callable[[], list[str]]]:
        """Return the choices of the options that a set of options declares for this magic."""
        kind = _OPTIONS.get(self.name)
        options = [declared for _, _, declared in declared_options(kind)] if kind else []
        return {
            declared.flags[0]: lambda choices=declared.choices: list(choices)  # type: ignore[misc]
            for declared in options
            if declared.flags and declared.choices
        }

    def _methods_of_asking(self) -> dict[str, Callable[[], list[str]]]:
        """Return the values of `--method` where it can compare, and variables with anchors."""
        anchors = {"--anchors": lambda: self._variables((Mapping, list))}
        if self.name == "mop_ask":
            return {"--method": lambda: [*METHOD_NAMES, COMPARE], **anchors}
        return anchors

    def _names(self) -> list[str]:
        """Return what the magic's first argument can name."""
        study = self.magics.study
        if self.name in _WITH_SIMULATION:
            return list(study.simulations)
        named: dict[str, Callable[[], list[str]]] = {
            "mop_resume": lambda: [str(r.run) for r in study.runs() if r.is_over],
            "mop_chat": lambda: [_quoted(persona.name) for persona in study.personas],
            "mop_ask": lambda: list(study.answers),
            "mop_survey": lambda: [*self._frames(), *self._variables(Survey)],
            **dict.fromkeys(_SURVEYED, self._surveyed),
            **dict.fromkeys(("mop_population", "mop_personas", "mop_fidelity"), self._frames),
            **dict.fromkeys(("mop_save", "mop_load"), _saved),
            "mop_backend": lambda: ["local", "http://localhost:8080/v1"],
        }
        return named[self.name]() if self.name in named else []

    def _surveyed(self) -> list[str]:
        """Return the questions of the fitted survey."""
        fit = self.magics.study.survey_fit
        return [_quoted(name) for name in fit.survey.names] if fit else []

    def _variables(self, kind: type | tuple[type, ...]) -> list[str]:
        variables = self.magics.shell.user_ns.items()
        return [k for k, v in variables if isinstance(v, kind) and not k.startswith("_")]

    def _frames(self) -> list[str]:
        variables = self.magics.shell.user_ns.items()
        return [k for k, v in variables if not k.startswith("_") and is_frame(v)]

    def _options(self) -> list[str]:
        parser = getattr(self.magics, self.name).parser
        return [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001

    def _population_columns(self) -> list[str]:
        """Return the columns of the population's data frame that the model does not see."""
        population = self.magics.study.population
        if population is None or population.source is None:
            return []
        seen = {*population.context, population.response, population.weight}
        return [_quoted(str(name)) for name in population.source if name not in seen]

    def _columns(self, words: list[str]) -> list[str]:
        frames = (self.magics.shell.user_ns.get(word) for word in words)
        found = [c for frame in frames if is_frame(frame) for c in pandas_frame(frame)]
        return [_quoted(value_text(column)) for column in found]


def _saved() -> list[str]:
    """Return the folders with a saved mixture."""
    return [file.parent.as_posix() for file in Path().glob("*/mixture.json")]


def _quoted(column: str) -> str:
    """Return a column's name as a magic's line needs it: in quotes if it has a space or comma."""
    return f'"{column}"' if re.search(r"[\s,]", column) else column
