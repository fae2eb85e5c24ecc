"""Option probabilities: what a language model answers to a closed question, component by component.

Where the model can score, each probability is exact: the option's own, given the prompt, over that
of all options. Where it only tells how likely the first tokens of a reply are, those that begin one
option count for it; options that begin alike get letters. Where it does neither, answers are drawn
and matched with the options; to the counts of each component one answer is added, spread over the
options, so that none is impossible. No exemplar is shown: the answer of a real respondent to the
same question would be copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    Backend,
    GenerationRequest,
    OnStep,
    Prompt,
    SamplingParams,
    ScoreRequest,
    ScoresFirstTokens,
)
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.survey.answer_matching import begin_alike, first_token_shares, match_option
from jupyter_mop.engine.survey.options import FIRST_TOKEN, SAMPLED, SCORED, ElicitationOptions
from jupyter_mop.engine.survey.question import LETTERS, NOTHING, Question
from jupyter_mop.errors import ModelError

Array = NDArray[np.float64]
Record = Mapping[str, str]

_TOKENS_PER_WORD = 3
_TOKENS_MORE = 12


@dataclass(frozen=True)
class OptionTable:
    """Probabilities of each option under each persona in each context.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (C, K, A)
        They sum to 1 over the options, except where any number of options is chosen.
    method : str
        "scored", "first-token" or "sampled".
    n_asked : int
        Options scored, first tokens read, or answers drawn.
    matched : float
        Share of the drawn answers, or mean probability of the first tokens, that named an option;
        1 where options were scored.
    """

    probabilities: Array
    method: str
    n_asked: int
    matched: float = 1.0


def option_probabilities(
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    backend: Backend,
    *,
    options: ElicitationOptions | None = None,
    on_step: OnStep | None = None,
) -> OptionTable:
    """Ask for the probability of each option, each context, persona and order once.

    Parameters
    ----------
    question : Question
    records : sequence of mappings
        The C contexts, by column.
    personas : sequence of Persona or None
        K of them; None asks without.
    backend : Backend
        The language model.
    options : ElicitationOptions, optional
        By scores or by draws, orders, corrections.
    on_step : callable, optional
        Called with (what, total) before the model is asked; returns what is called at each answer.

    Returns
    -------
    OptionTable

    Raises
    ------
    DataError
        Where the question names a column that the contexts do not have.
    ModelError
        Where scores are asked of a model that gives none.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> personas = [Persona("a", "Tea for you."), None]
    >>> question = Question("What will you drink?", ["tea", "coffee"])
    >>> backend = ToyBackend(["tea", "coffee"], persona_boost=1.0)
    >>> option_probabilities(question, [{}], personas, backend).probabilities.round(3).tolist()
    [[[0.731, 0.269], [0.5, 0.5]]]
    """
    options = options or ElicitationOptions()
    for record in records[:1]:
        question.template().check(record)
    method = options.method_for(backend)
    ways = {SCORED: _scored, FIRST_TOKEN: _first_token, SAMPLED: _sampled}
    parts = [
        ways[method](part, records, personas, backend, options, on_step) for part in question.parts
    ]
    probabilities = parts[0].probabilities
    if question.kind == "multiple":
        probabilities = np.stack([part.probabilities[..., 0] for part in parts], axis=-1)
    return OptionTable(
        probabilities,
        method,
        sum(part.n_asked for part in parts),
        float(np.mean([part.matched for part in parts])),
    )


def _prompts(
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    options: ElicitationOptions,
    *,
    lettered: bool = False,
) -> list[Prompt]:
    """Return a prompt for each order, context and persona, in this order."""
    orders = question.orders(options.n_orders, random_state=options.random_state)
    templates = [question.template(order, lettered=lettered) for order in orders]
    if not options.listed:
        templates = [PromptTemplate(question.text)]
    return [
        template.render(record, persona=persona)
        for template in templates
        for record in records
        for persona in personas
    ]


def _scored(  # noqa: PLR0917  as `_sampled`
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    backend: Backend,
    options: ElicitationOptions,
    on_step: OnStep | None,
) -> OptionTable:
    prompts = _prompts(question, records, personas, options)
    unknown = [dict.fromkeys(question.columns, NOTHING)] if options.by_prior else []
    priors = _prompts(question, unknown, [None], options)
    scores = _option_scores(question, [*prompts, *priors], backend, options, on_step)
    shape = (-1, len(records), len(personas), len(question.options))
    table = scores[: len(prompts)].reshape(shape)
    if options.by_prior:
        table = table - scores[len(prompts) :][:, None, None, :]
    probabilities = np.exp(table - np.logaddexp.reduce(table, axis=-1, keepdims=True))
    return OptionTable(probabilities.mean(0), SCORED, scores.size)


def _option_scores(
    question: Question,
    prompts: Sequence[Prompt],
    backend: Backend,
    options: ElicitationOptions,
    on_step: OnStep | None,
) -> Array:
    """Return the log-probability of each option after each prompt, (n, A), in nats."""
    requests = [
        ScoreRequest(prompt, option + question.ending)
        for prompt in prompts
        for option in question.options
    ]
    scores = backend.score(
        requests, on_result=on_step("options", len(requests)) if on_step else None
    )
    totals = np.array([score.total for score in scores], dtype=np.float64)
    if not np.isfinite(totals).all():
        raise ModelError(
            f"The model gave {np.sum(~np.isfinite(totals))} log-probabilities that are no numbers.",
            hint="Use another model, or a sound copy of this one.",
        )
    if options.by_length:
        totals = totals / [score.n_tokens for score in scores]
    return totals.reshape(len(prompts), len(question.options))


def _first_token(  # noqa: PLR0917  as `_scored`
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    backend: Backend,
    options: ElicitationOptions,
    on_step: OnStep | None,
) -> OptionTable:
    assert isinstance(backend, ScoresFirstTokens)  # noqa: S101  see `ElicitationOptions.chosen`
    lettered = begin_alike(question.options)
    how = replace(options, listed=options.listed or lettered)
    prompts = _prompts(question, records, personas, how, lettered=lettered)
    told = backend.first_tokens(
        prompts, on_result=on_step("first tokens", len(prompts)) if on_step else None
    )
    per_order = len(records) * len(personas)
    orders = question.orders(how.n_orders, random_state=how.random_state) if lettered else [None]
    named = [_names(question, order) for order in orders]
    found = [
        first_token_shares(tokens, named[i // per_order if lettered else 0])
        for i, tokens in enumerate(told)
    ]
    shape = (-1, len(records), len(personas), len(question.options))
    shares = np.array([share for share, _ in found]).reshape(shape)
    matched = float(np.mean([mass for _, mass in found]))
    return OptionTable(shares.mean(0), FIRST_TOKEN, len(prompts), matched)


def _names(question: Question, order: NDArray[np.intp] | None) -> list[str]:
    """Return what each option is called: its text, or its letter where they are in this order."""
    if order is None:
        return list(question.options)
    letters = dict(zip(order.tolist(), LETTERS, strict=False))
    return [letters[a] for a in range(len(question.options))]


def _sampled(  # noqa: PLR0917  as `_scored`
    question: Question,
    records: Sequence[Record],
    personas: Sequence[Persona | None],
    backend: Backend,
    options: ElicitationOptions,
    on_step: OnStep | None,
) -> OptionTable:
    prompts = _prompts(question, records, personas, options)
    requests = [
        GenerationRequest(prompt, options.random_state, draw)
        for prompt in prompts
        for draw in range(options.n_draws)
    ]
    longest = max(len(option.split()) for option in question.options)
    completions = backend.generate(
        requests,
        SamplingParams(1.0, 1.0, longest * _TOKENS_PER_WORD + _TOKENS_MORE),
        on_result=on_step("answers", len(requests)) if on_step else None,
    )
    found = [match_option(completion.text, question.options) for completion in completions]
    counts = np.zeros((len(requests), len(question.options)))
    rows = [i for i, a in enumerate(found) if a is not None]
    counts[rows, [a for a in found if a is not None]] = 1
    shape = (-1, len(records), len(personas), options.n_draws, counts.shape[1])
    totals = counts.reshape(shape).sum((0, 3)) + 1 / counts.shape[1]
    return OptionTable(
        totals / totals.sum(-1, keepdims=True), SAMPLED, len(requests), len(rows) / len(requests)
    )
