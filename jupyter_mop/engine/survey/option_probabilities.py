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

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    REFUSED,
    Backend,
    Completion,
    Encoder,
    FirstTokens,
    GenerationRequest,
    OnStep,
    Prompt,
    SamplingParams,
    ScoreRequest,
    Scores,
    ScoresFirstTokens,
    Tick,
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import IN_OWN_WORDS, LETTERS, STATE_SHARES
from jupyter_mop.engine.survey.answer_matching import (
    first_token_shares,
    match_first_token,
    match_option,
    share_first_word,
)
from jupyter_mop.engine.survey.elicitation_options import (
    ANCHORS,
    FIRST_TOKEN,
    SAMPLED,
    SCORED,
    TOLD,
    ElicitationOptions,
)
from jupyter_mop.engine.survey.multiple_choice import coherent_shares
from jupyter_mop.engine.survey.question import YES_NO, Question
from jupyter_mop.engine.survey.reading.anchor_ratings import anchor_statements, rated_shares
from jupyter_mop.engine.survey.reading.stated_shares import read_stated_shares
from jupyter_mop.errors import DataError, ModelError

Array = NDArray[np.float64]
Record = Mapping[str, str]

UNKNOWN_CONTEXT = "N/A"
MAX_UNMATCHED, _ROUNDING = 1 / 3, 1e-9
MIN_STATED = 0.005
N_EXAMPLES, MAX_EXAMPLE_LENGTH, N_OPTIONS = 3, 60, 8
_TOKENS_PER_WORD, _EXTRA_TOKENS, _FREE_TEXT_TOKENS = 3, 12, 80
_MAX_SEED = 2**31
_UNREADABLE = {
    FIRST_TOKEN: "first tokens, by probability, begin none",
    SAMPLED: "replies name none",
    TOLD: "replies state no percentages",
    ANCHORS: "replies have no text in answer to a question with any",
}


@dataclass(frozen=True)
class OptionTable:
    """Probabilities of each option under each persona in each context.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (C, K, A)
        They sum to 1 over the options, unless several options can be chosen.
    method : str
        "scored", "first-token", "sampled", "told" or "anchors".
    n_asked : int
        Number of scored options, first tokens or replies.
    matched : float
        Share of the replies, or mean probability of the first tokens, that name an option or can
        be read otherwise; 1 for scored options.
    answered : numpy.ndarray of bool, shape (C, K), or None
        Where a persona gave an answer that names an option; None: everywhere. Elsewhere the
        probabilities mean nothing.
    unmatched : tuple of str
        Up to three of the most frequent replies that name no option.
    """

    probabilities: Array
    method: str
    n_asked: int
    matched: float = 1.0
    answered: NDArray[np.bool_] | None = None
    unmatched: tuple[str, ...] = ()


def option_probabilities(
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
    >>> option_probabilities(question, [{}], personas, backend).probabilities.round(3).tolist()
    [[[0.731, 0.269], [0.5, 0.5]]]
    """
    options = options or ElicitationOptions()
    for record in records[:1]:
        PromptTemplate(question.text).check(record)
    shown = exemplars or [()] * len(records)
    whole = _Elicitation(question, records, personas, backend, options, encoder, shown, on_step)
    parts = [
        replace(whole, question=part, exemplars=_answered(question, a, shown)).run()
        for a, part in enumerate(question.subquestions)
    ]
    table = parts[0] if question.kind != "multiple" else _together(question, parts)
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


def _together(question: Question, parts: Sequence[OptionTable]) -> OptionTable:
    """Return one table from those of the yes-no questions of a multiple choice."""
    probabilities = np.stack([part.probabilities[..., 0] for part in parts], axis=-1)
    answered = [part.answered for part in parts if part.answered is not None]
    return OptionTable(
        coherent_shares(probabilities, question.exclusive_index),
        parts[0].method,
        sum(part.n_asked for part in parts),
        float(np.mean([part.matched for part in parts])),
        np.all(answered, axis=0) if answered else None,
        _examples(text for part in parts for text in part.unmatched),
    )


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
    what = _UNREADABLE[table.method]
    found = f"{unmatched:.0%} of the model's {what} of the options {names}: it says {said}."
    advice = "Ask for an option in the question, use shorter options or another model"
    if table.method in (TOLD, ANCHORS):
        raise ModelError(found, hint="Use another model, or another method: --method sampled.")
    if table.method == SAMPLED:
        raise ModelError(found, hint=f"{advice}.")
    advice += ", or sample replies: --method sampled."
    if not table.matched:
        raise ModelError(found, hint=advice)
    warnings.warn(f"{found} {advice}", UserWarning, stacklevel=3)


def _examples(texts: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of the most frequent texts, each on one line and cut."""
    counts = Counter(" ".join(text.split()) for text in texts)
    return tuple(
        text if len(text) <= MAX_EXAMPLE_LENGTH else f"{text[: MAX_EXAMPLE_LENGTH - 1]}…"
        for text, _ in counts.most_common(N_EXAMPLES)
    )


@dataclass(frozen=True)
class _Elicitation:
    """A question with one answer, put to C contexts under K personas."""

    question: Question
    records: Sequence[Record]
    personas: Sequence[Persona | None]
    backend: Backend
    options: ElicitationOptions
    encoder: Encoder | None
    exemplars: Sequence[Sequence[Exemplar]]
    on_step: OnStep | None

    def run(self) -> OptionTable:
        """Obtain the probabilities by the method that suits the model."""
        methods = {
            SCORED: self._scored,
            FIRST_TOKEN: self._first_token,
            SAMPLED: self._sampled,
            TOLD: self._told,
            ANCHORS: self._anchors,
        }
        return methods[self.options.method_for(self.backend)]()

    def _scored(self) -> OptionTable:
        prompts, priors = self._prompts(self._templates()), self._prior_prompts()
        scores = self._option_scores([*prompts, *priors])
        table = self._by_order(scores[: len(prompts)])
        if priors:
            table = table - scores[len(prompts) :][:, None, None, :]
        probabilities = np.exp(table - np.logaddexp.reduce(table, axis=-1, keepdims=True))
        return OptionTable(probabilities.mean(0), SCORED, scores.size)

    def _first_token(self) -> OptionTable:
        assert isinstance(self.backend, ScoresFirstTokens)  # noqa: S101  checked by `method_for`
        lettered = share_first_word(self.question.options)
        prompts = self._prompts(self._templates(lettered=lettered), self._labels(lettered=lettered))
        replies = self.backend.first_tokens(prompts, on_result=self._tick("first tokens", prompts))
        labels = self._labels(lettered=lettered)
        per_order = len(self.records) * len(self.personas)
        found = [
            first_token_shares(tokens, labels[i // per_order if lettered else 0])
            for i, tokens in enumerate(replies)
        ]
        shares = self._by_order(np.array([share for share, _ in found]))
        masses = np.array([mass for _, mass in found]).reshape(shares.shape[:-1])
        weights = np.where((masses > 0).any(0), masses > 0, 1.0)[..., None]
        probabilities = (weights * shares).sum(0) / weights.sum(0)
        return OptionTable(
            probabilities,
            FIRST_TOKEN,
            len(prompts),
            float(masses.mean()),
            np.asarray((masses > 0).any(0)),
            _unmatched_tokens(replies, labels[0]),
        )

    def _sampled(self) -> OptionTable:
        names = self.question.options
        params = SamplingParams(1.0, 1.0, reply_limit(names))
        completions = self._replies(self._prompts(self._templates()), params, self.options.n_draws)
        found = [self._named(completion) for completion in completions]
        counts = np.array(
            [[a == option for a in range(len(names))] for option in found], dtype=float
        )
        return self._counted(SAMPLED, counts, completions)

    def _told(self) -> OptionTable:
        """Return the mean of the shares that the model states, over the orders of the options.

        A stated percentage is rounded: no option has less than half a percent.
        """
        names = self.question.options
        templates = [self.question.template(order, is_asked=False) for order in self._orders()]
        prompts = self._prompts(templates, instructions=STATE_SHARES)
        params = SamplingParams(0.0, 1.0, sum(reply_limit([name]) for name in names))
        completions = self._replies(prompts, params, 1)
        found = [read_stated_shares(c.text, names) if _readable(c) else None for c in completions]
        is_read = np.array([shares is not None for shares in found])
        stated = np.array([_never_zero(each, len(names)) for each in found])
        sums, n_read = self._by_order(stated).sum(0), self._by_order(is_read).sum(0)
        even = np.full_like(sums, 1 / len(names))
        return OptionTable(
            np.divide(sums, n_read, out=even, where=n_read > 0),
            TOLD,
            len(prompts),
            float(is_read.mean()),
            n_read[..., 0] > 0,
            _unmatched_replies(completions, is_read),
        )

    def _anchors(self) -> OptionTable:
        """Count each reply in the model's own words for the options that it is similar to."""
        if self.encoder is None:
            raise DataError(
                "The method 'anchors' needs an encoder.", hint="Pass encoder=MiniLMEncoder()."
            )
        statements = anchor_statements(self.question.options, self.options.anchors)
        prompts = self._prompts([PromptTemplate(self.question.text)], instructions=IN_OWN_WORDS)
        params = SamplingParams(max_tokens=_FREE_TEXT_TOKENS)
        completions = self._replies(prompts, params, self.options.n_draws)
        is_read = np.array([_readable(completion) for completion in completions])
        texts = [completion.text for completion in completions]
        shares = rated_shares(
            texts, statements, self.encoder, temperature=self.options.anchor_temperature
        )
        return self._counted(ANCHORS, shares * is_read[:, None], completions)

    def _replies(
        self, prompts: Sequence[Prompt], params: SamplingParams, n_draws: int
    ) -> list[Completion]:
        requests = [
            GenerationRequest(prompt, _seed(prompt, self.options.random_state), draw)
            for prompt in prompts
            for draw in range(n_draws)
        ]
        tick = self._tick("answers", requests)
        return self.backend.generate(requests, params, on_result=tick)

    def _counted(
        self, method: str, counts: Array, completions: Sequence[Completion]
    ) -> OptionTable:
        """Return the table of replies that count for options, (n, A), one more spread evenly."""
        n_options = counts.shape[1]
        by_draw = counts.reshape(
            -1, len(self.records), len(self.personas), self.options.n_draws, n_options
        )
        totals = by_draw.sum((0, 3))
        smoothed = totals + 1 / n_options
        return OptionTable(
            smoothed / smoothed.sum(-1, keepdims=True),
            method,
            len(completions),
            float(counts.sum() / len(completions)),
            totals.sum(-1) > 0,
            _unmatched_replies(completions, counts.sum(axis=1) > 0),
        )

    def _named(self, completion: Completion) -> int | None:
        """Return the option that a reply names; a refusal names none."""
        if not _readable(completion):
            return None
        return match_option(completion.text, self.question.options)

    def _templates(self, *, lettered: bool = False) -> list[PromptTemplate]:
        """Return the question in each order of its options, or once if these are not listed."""
        if not (self.options.listed or lettered):
            return [PromptTemplate(self.question.text)]
        return [self.question.template(o, lettered=lettered) for o in self._orders()]

    def _prompts(
        self,
        templates: Sequence[PromptTemplate],
        labels: Sequence[Sequence[str]] = (),
        *,
        instructions: str = "",
    ) -> list[Prompt]:
        """Return a prompt for each template, context and persona, in this order.

        `labels` are the options as the exemplars name them: for all templates, or for each.
        """
        return [
            template.render(record, persona=persona, exemplars=shown, instructions=instructions)
            for t, template in enumerate(templates)
            for record, shown in zip(
                self.records, self._shown(labels[t % len(labels)] if labels else ()), strict=True
            )
            for persona in self.personas
        ]

    def _shown(self, labels: Sequence[str]) -> Sequence[Sequence[Exemplar]]:
        """Return the exemplars of each context, their answers as one of the labels."""
        if not labels:
            return self.exemplars
        label_of = dict(zip(self.question.options, labels, strict=True))
        return [
            [replace(exemplar, response=label_of[exemplar.response]) for exemplar in shown]
            for shown in self.exemplars
        ]

    def _prior_prompts(self) -> list[Prompt]:
        """Return a prompt for each order without persona and context, if these are needed."""
        if not self.options.by_prior:
            return []
        unknown = dict.fromkeys(self.question.columns, UNKNOWN_CONTEXT)
        prior = replace(self, records=[unknown], personas=[None], exemplars=[()])
        return prior._prompts(prior._templates())  # noqa: SLF001

    def _orders(self) -> list[NDArray[np.intp]]:
        n_orders, random_state = self.options.n_orders, self.options.random_state
        return self.question.option_orders(n_orders, random_state=random_state)

    def _labels(self, *, lettered: bool) -> list[list[str]]:
        """Return the label of each option: its text, or its letter in each order."""
        if not lettered:
            return [list(self.question.options)]
        letters = [dict(zip(order.tolist(), LETTERS, strict=False)) for order in self._orders()]
        return [[of_option[a] for a in range(len(of_option))] for of_option in letters]

    def _option_scores(self, prompts: Sequence[Prompt]) -> Array:
        """Return the log-probability of each option after each prompt, shape (n, A), in nats."""
        requests = [
            ScoreRequest(prompt, option + self.question.option_suffix)
            for prompt in prompts
            for option in self.question.options
        ]
        assert isinstance(self.backend, Scores)  # noqa: S101  checked by `method_for`
        scores = self.backend.score(requests, on_result=self._tick("options", requests))
        totals = np.array([score.total for score in scores], dtype=np.float64)
        if not np.isfinite(totals).all():
            raise ModelError(
                f"The model returned {np.sum(~np.isfinite(totals))} log-probabilities that are "
                "not finite.",
                hint="Use another model, or an intact copy of this one.",
            )
        if self.options.by_length:
            totals = totals / [score.n_tokens for score in scores]
        return totals.reshape(len(prompts), len(self.question.options))

    def _by_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values per prompt, (n,) or (n, A), with the shape (orders, C, K, 1 or A)."""
        width = values.shape[1] if values.ndim > 1 else 1
        return values.reshape(-1, len(self.records), len(self.personas), width)

    def _tick(self, step: str, requests: Sequence[object]) -> Tick | None:
        return self.on_step(step, len(requests)) if self.on_step else None


def _never_zero(shares: Array | None, n_options: int) -> Array:
    """Return stated shares with at least half a percent for each option; zeros for no shares."""
    if shares is None:
        return np.zeros(n_options)
    raised = np.maximum(shares, MIN_STATED)
    return np.asarray(raised / raised.sum())


def _readable(completion: Completion) -> bool:
    """Return whether a reply has a text that is no refusal."""
    return bool(completion.text.strip()) and completion.finish_reason not in REFUSED


def _unmatched_replies(
    completions: Sequence[Completion], is_read: NDArray[np.bool_]
) -> tuple[str, ...]:
    pairs = zip(completions, is_read, strict=True)
    return _examples(completion.text for completion, did in pairs if not did)


def reply_limit(options: Sequence[str]) -> int:
    """Return how many tokens a reply may have: enough for the longest option and a few words.

    A word of ASCII letters has about one token and a half, other letters have up to one per byte.

    Examples
    --------
    >>> reply_limit(["yes", "no"]), reply_limit(["同意", "不同意"])
    (15, 57)
    """
    if all(option.isascii() for option in options):
        n_words = max(len(option.split()) for option in options)
        return n_words * _TOKENS_PER_WORD + _EXTRA_TOKENS
    return max(len(option.encode()) for option in options) + 4 * _EXTRA_TOKENS


def _unmatched_tokens(replies: Sequence[FirstTokens], labels: Sequence[str]) -> tuple[str, ...]:
    """Return up to three likely first tokens that begin no label, the likeliest first."""
    masses: Counter[str] = Counter()
    for tokens in replies:
        for token, log_prob in zip(tokens.tokens, tokens.log_probs, strict=True):
            if match_first_token(token, labels) is None:
                masses[token] += float(np.exp(log_prob))  # type: ignore[assignment]
    return tuple(token for token, _ in masses.most_common(N_EXAMPLES))


def _seed(prompt: Prompt, random_state: int) -> int:
    """Return the seed of a prompt's replies, so that no two prompts share random numbers."""
    turns = [[message.role, message.content] for message in prompt.messages]
    digest = hashlib.sha256(json.dumps([random_state, turns]).encode()).digest()
    return int.from_bytes(digest[:8]) % _MAX_SEED
