"""Option probabilities: how likely each option is, under each persona in each context.

If the model can score, each probability is exact: the probability of the option given the prompt,
divided by the sum over all options. If the model only reports the probabilities of the first
tokens of a reply, a token counts for the one option that begins with it; options with the same
beginning get letters. Otherwise replies are sampled and matched with the options. One reply,
spread over all options, is added to the counts of each component, so that no option has
probability zero. A reply that names no option is not counted, a persona without any counted reply
in a context has no answer there, and a question for which over a third of the replies is not
counted is an error. First tokens are compared with one another, so they only need a warning there.

On request the model states a percentage for each option ("told"), or answers in its own words and
its replies are rated by their similarity to statements of each option ("anchors"). What it states
is read and normalised; a reply that cannot be read is not counted.

A prompt can show other respondents with their answers. The respondents who judge an answer, and
those it is learned from, must not be among them: the model would copy their answers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.survey.elicitation.methods import METHODS
from jupyter_mop.engine.survey.elicitation.option_table import OptionTable, joined_table
from jupyter_mop.engine.survey.elicitation.requests import Elicitation, Record
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.question import YES_NO, Question
from jupyter_mop.errors import ModelError

MAX_UNMATCHED, _ROUNDING = 1 / 3, 1e-9
N_OPTIONS = 8


def elicit(
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    backend: Backend,
    *,
    options: ElicitationOptions | None = None,
    encoder: Encoder | None = None,
    exemplars: Sequence[Sequence[Exemplar]] = (),
    on_step: OnStep | None = None,
) -> OptionTable:
    """Obtain the probability of each option for each context and persona.

    Parameters
    ----------
    question : Question
    records : sequence of mapping
        C contexts, as values of the context columns.
    personas : sequence of Persona or None
        K personas; None asks without a persona.
    backend : Backend
        The language model.
    options : ElicitationOptions, optional
        Method, orders of the options and corrections.
    encoder : Encoder, optional
        Encodes replies and statements, for the method "anchors".
    exemplars : sequence of sequence of Exemplar
        Other respondents with their answers to show in each of the C contexts; default: none.
    on_step : callable, optional
        Called with (step, total) before the model is called; returns a callback for each result.

    Returns
    -------
    OptionTable

    Raises
    ------
    DataError
        If the question uses a column that the contexts do not have.
    ModelError
        If the model does not support the method, or over a third of its replies name no option.
        First tokens of which over a third begin no option are a UserWarning.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> personas = [Persona("a", "Tea for you."), None]
    >>> question = Question("What will you drink?", ["tea", "coffee"])
    >>> backend = ToyBackend(["tea", "coffee"], persona_boost=1.0)
    >>> elicit(question, [{}], personas, backend).probabilities.round(3).tolist()
    [[[0.731, 0.269], [0.5, 0.5]]]
    """
    options = options or ElicitationOptions()
    for record in records[:1]:
        PromptTemplate(question.text).check(record)
    shown = exemplars or [()] * len(records)
    ask = METHODS[options.method_for(backend)].ask
    whole = Elicitation(question, records, personas, backend, options, encoder, shown, on_step)
    parts = [
        ask(replace(whole, question=part, exemplars=_answered(question, a, shown)))
        for a, part in enumerate(question.subquestions)
    ]
    table = parts[0] if question.kind != "multiple" else joined_table(question, parts)
    if getattr(backend, "is_dry_run", False):
        return replace(table, answered=None)
    _check_matched(question, table)
    return table


def _answered(
    question: Question, a: int, exemplars: Sequence[Sequence[Exemplar]]
) -> Sequence[Sequence[Exemplar]]:
    """Return the exemplars with their answers to the question's part `a`."""
    if question.kind != "multiple":
        return exemplars
    return [
        [replace(e, response=YES_NO[not question.selected_options(e.response)[a]]) for e in shown]
        for shown in exemplars
    ]


def _check_matched(question: Question, table: OptionTable) -> None:
    """Refuse replies, and report first tokens, of which over a third name no option.

    The ratio of the options' first tokens holds whatever else a model might say first; a count of
    few replies is no answer.
    """
    unmatched = 1 - table.matched
    if unmatched <= MAX_UNMATCHED + _ROUNDING:
        return
    said = ", ".join(map(repr, table.unmatched))
    names = list(question.options)[:N_OPTIONS]
    method = METHODS[table.method]
    what = method.unreadable
    found = f"{unmatched:.0%} of the model's {what} of the options {names}: it says {said}."
    if table.matched and method.is_ratio:
        warnings.warn(f"{found} {method.advice}", UserWarning, stacklevel=3)
        return
    raise ModelError(found, hint=method.advice)
