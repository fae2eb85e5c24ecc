"""Tab completion of the magics: options and their values, columns, variables and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mop.backends.chat_templates import TEMPLATES
from jupyter_mop.engine.data.dataframes import is_frame, pandas_frame, value_text
from jupyter_mop.engine.data.persona_weights import WEIGHT_WORDS
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.questionnaire.survey import Survey
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.synthesis.synthesis_options import SynthesisOptions
from jupyter_mop.options import Options, declared_options

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mop.notebook.magics.register import MopMagics

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
    """Complete every magic in line and cell form."""
    for kind, prefix in (("line", "%"), ("cell", "%%")):
        for name in magics.magics[kind]:
            shell.set_hook("complete_command", _Completer(magics, name), str_key=prefix + name)


class _Completer:
    """Completes one magic; IPython calls it with the shell and an event."""

    def __init__(self, magics: MopMagics, name: str) -> None:
        self.magics = magics
        self.name = name

    def __call__(self, _shell: object, event: Any) -> list[str]:  # noqa: ANN401  IPython's own
        words = event.text_until_cursor.split()
        typed = "" if event.text_until_cursor.endswith(" ") else words.pop()
        candidates = self._candidates(words) if words else []
        return [word for word in candidates if word.startswith(typed)]

    def _candidates(self, words: list[str]) -> list[str]:
        """Return the values of the option before the cursor, or else names and options."""
        options, values = self._options(), self._option_values(words)
        if words[-1] in options and words[-1] in values:
            return values[words[-1]]()
        return [*self._names(), *options]

    def _option_values(self, words: list[str]) -> dict[str, Callable[[], list[str]]]:
        study = self.magics.study
        return {
            **self._declared_choices(),
            "--weights": lambda: [*WEIGHT_WORDS, *(f"{p.name}=" for p in study.personas)],
            "--figure": lambda: list(_MATCHED_METRICS),
            "--template": lambda: list(TEMPLATES),
            "--human": self._frames,
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
            **dict.fromkeys(("mop_population", "mop_personas"), self._frames),
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
