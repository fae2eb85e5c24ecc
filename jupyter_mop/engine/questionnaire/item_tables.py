"""The language model's option probabilities for each question of a survey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import DataError, ModelError

Array = NDArray[np.float64]
MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class ItemTable:
    """Log-probabilities of a question's options under each persona, by context.

    Attributes
    ----------
    columns : tuple of str
        The context columns in the question's text.
    keys : tuple of tuple of str
        Their C distinct values.
    log_probs : numpy.ndarray, shape (C, K, A)
        In nats; the probabilities sum to 1 over the options.
    method : str
        As in `OptionTable`, or "none" without a language model.
    """

    columns: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    log_probs: Array
    method: str

    @cached_property
    def _index(self) -> Mapping[tuple[str, ...], int]:
        return {key: c for c, key in enumerate(self.keys)}

    def contexts(self, frame: pd.DataFrame) -> NDArray[np.intp]:
        """Return the context of each row, shape (n,).

        Raises
        ------
        DataError
            If a row has values that the question was not asked with.
        """
        if not self.columns:
            return np.zeros(len(frame), dtype=np.intp)
        found = []
        for key in distinct_keys(frame, self.columns):
            if key not in self._index:
                raise DataError(
                    f"The fit has not seen {_described(self.columns, key)}, which the text of a "
                    "question contains.",
                    hint="Leave such people out of the target, or fit with respondents like them.",
                )
            found.append(self._index[key])
        return np.array(found, dtype=np.intp)

    def keep(self, classes: NDArray[np.intp]) -> ItemTable:
        """Return the table of some of the personas."""
        return replace(self, log_probs=self.log_probs[:, classes])


def ask_items(
    questions: Mapping[str, Question],
    contexts: pd.DataFrame,
    personas: Sequence[Persona],
    backend: Backend,
    *,
    options: ElicitationOptions,
    encoder: Encoder | None = None,
    on_step: OnStep | None = None,
) -> dict[str, ItemTable]:
    """Ask the language model every question under each persona, in the contexts it depends on.

    Parameters
    ----------
    questions : mapping of str to Question
        Q questions of kind "single" or "scale".
    contexts : pandas.DataFrame
        The respondents' context columns.
    personas : sequence of Persona
        K personas.
    backend : Backend
    options : ElicitationOptions
        Method, orders of the options and corrections.
    encoder : Encoder, optional
        For the method "anchors".
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Raises
    ------
    ModelError
        If a persona's replies name no option.
    """
    found = {}
    for name, question in questions.items():
        columns = _columns(question, contexts)
        keys = tuple(dict.fromkeys(distinct_keys(contexts, columns)))
        records = [dict(zip(columns, key, strict=True)) for key in keys]
        table = elicit(
            question,
            records,
            personas,
            backend,
            options=options,
            encoder=encoder,
            on_step=on_step,
        )
        _check_answered(name, personas, table.answered)
        log_probs = np.log(np.maximum(table.probabilities, MIN_PROBABILITY))
        found[name] = ItemTable(columns, keys, log_probs, table.method)
    return found


def flat_tables(questions: Mapping[str, Question], n_classes: int) -> dict[str, ItemTable]:
    """Return tables in which all options are equally likely: no language model.

    Examples
    --------
    >>> tables = flat_tables({"tea": Question("Tea?", ["yes", "no"])}, 3)
    >>> tables["tea"].log_probs.shape
    (1, 3, 2)
    """
    return {
        name: ItemTable((), ((),), np.zeros((1, n_classes, len(question.options))), "none")
        for name, question in questions.items()
    }


def distinct_keys(frame: pd.DataFrame, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the values of some columns of each row; () for no columns.

    Examples
    --------
    >>> distinct_keys(pd.DataFrame({"age": ["old", "young"]}), ["age"])
    [('old',), ('young',)]
    """
    if not columns:
        return [()] * len(frame)
    return list(zip(*(frame[column].astype(str) for column in columns), strict=True))


def _columns(question: Question, contexts: pd.DataFrame) -> tuple[str, ...]:
    question.template().check(map(str, contexts.columns))
    return tuple(sorted(question.columns))


def _described(columns: Sequence[str], key: Sequence[str]) -> str:
    return ", ".join(f"{column} {value!r}" for column, value in zip(columns, key, strict=True))


def _check_answered(
    name: str, personas: Sequence[Persona], answered: NDArray[np.bool_] | None
) -> None:
    if answered is None or answered.all():
        return
    did_answer = [bool(answered[:, k].all()) for k in range(len(personas))]
    silent = [p.name for p, did in zip(personas, did_answer, strict=True) if not did]
    raise ModelError(
        f"No reply of {', '.join(silent)} to the question {name!r} names an option.",
        hint="Sample more replies (--draws), use shorter options, or another model.",
    )
