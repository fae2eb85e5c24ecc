"""Option probabilities: how likely each option is, under each persona in each context.

If the model can score, each probability is exact: the probability of the option given the prompt,
divided by the sum over all options. If the model only reports the probabilities of the first
tokens of a reply, a token counts for the one option that begins with it; options with the same
beginning get letters. Otherwise replies are sampled and matched with the options. One reply,
spread over all options, is added to the counts of each component, so that no option has
probability zero. A reply that names no option is not counted, a persona without any counted reply
in a context has no answer there, and a question for which over a third of the replies is not
counted is an error. First tokens are compared with one another, so they only need a warning there.
No exemplar is shown, since the model would copy the respondent's answer.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
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
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.data.task_prompts import LETTERS
from jupyter_mop.engine.survey.answer_matching import (
    first_token_shares,
    match_first_token,
    match_option,
    share_first_word,
)
from jupyter_mop.engine.survey.elicitation_options import (
    FIRST_TOKEN,
    SAMPLED,
    SCORED,
    ElicitationOptions,
)
from jupyter_mop.engine.survey.multiple_choice import coherent_shares
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.errors import ModelError

Array = NDArray[np.float64]
Record = Mapping[str, str]

UNKNOWN_CONTEXT = "N/A"
MAX_UNMATCHED, _ROUNDING = 1 / 3, 1e-9
N_EXAMPLES, MAX_EXAMPLE_LENGTH, N_OPTIONS = 3, 60, 8
_TOKENS_PER_WORD, _EXTRA_TOKENS = 3, 12
_MAX_SEED = 2**31
_NO_ANSWER = ("content_filter", "refusal")  # why a reply ended


@dataclass(frozen=True)
class OptionTable:
    """Probabilities of each option under each persona in each context.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (C, K, A)
        They sum to 1 over the options, unless several options can be chosen.
    method : str
        "scored", "first-token" or "sampled".
    n_asked : int
        Number of scored options, first tokens or sampled replies.
    matched : float
        Share of the replies, or mean probability of the first tokens, that name an option;
        1 for scored options.
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
    whole = _Elicitation(question, records, personas, backend, options, on_step)
    parts = [replace(whole, question=part).run() for part in question.subquestions]
    table = parts[0] if question.kind != "multiple" else _together(question, parts)
    if getattr(backend, "is_dry_run", False):
        return replace(table, answered=None)
    _check_matched(question, table)
    return table


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
    is_token = table.method == FIRST_TOKEN
    what = "first tokens, by probability, begin" if is_token else "replies name"
    said = ", ".join(map(repr, table.unmatched))
    names = list(question.options)[:N_OPTIONS]
    found = f"{unmatched:.0%} of the model's {what} none of the options {names}: it says {said}."
    advice = "Ask for an option in the question, use shorter options or another model"
    if not is_token:
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
    on_step: OnStep | None

    def run(self) -> OptionTable:
        """Obtain the probabilities by the method that suits the model."""
        methods = {SCORED: self._scored, FIRST_TOKEN: self._first_token, SAMPLED: self._sampled}
        return methods[self.options.method_for(self.backend)]()

    def _scored(self) -> OptionTable:
        prompts, priors = self._prompts(), self._prior_prompts()
        scores = self._option_scores([*prompts, *priors])
        table = self._by_order(scores[: len(prompts)])
        if priors:
            table = table - scores[len(prompts) :][:, None, None, :]
        probabilities = np.exp(table - np.logaddexp.reduce(table, axis=-1, keepdims=True))
        return OptionTable(probabilities.mean(0), SCORED, scores.size)

    def _first_token(self) -> OptionTable:
        assert isinstance(self.backend, ScoresFirstTokens)  # noqa: S101  checked by `method_for`
        lettered = share_first_word(self.question.options)
        prompts = self._prompts(lettered=lettered)
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
        n_draws, names = self.options.n_draws, self.question.options
        requests = [
            GenerationRequest(prompt, _seed(prompt, self.options.random_state), draw)
            for prompt in self._prompts()
            for draw in range(n_draws)
        ]
        params = SamplingParams(1.0, 1.0, reply_limit(names))
        tick = self._tick("answers", requests)
        completions = self.backend.generate(requests, params, on_result=tick)
        found = [self._named(completion) for completion in completions]
        counts = np.array(
            [[a == option for a in range(len(names))] for option in found], dtype=float
        )
        by_draw = counts.reshape(-1, len(self.records), len(self.personas), n_draws, len(names))
        totals = by_draw.sum((0, 3))
        smoothed = totals + 1 / len(names)
        pairs = zip(completions, found, strict=True)
        return OptionTable(
            smoothed / smoothed.sum(-1, keepdims=True),
            SAMPLED,
            len(requests),
            float(counts.sum() / len(requests)),
            totals.sum(-1) > 0,
            _examples(completion.text for completion, option in pairs if option is None),
        )

    def _named(self, completion: Completion) -> int | None:
        """Return the option that a reply names; a refusal names none."""
        if completion.finish_reason in _NO_ANSWER:
            return None
        return match_option(completion.text, self.question.options)

    def _prompts(self, *, lettered: bool = False) -> list[Prompt]:
        """Return a prompt for each order, context and persona, in this order."""
        templates = [self.question.template(o, lettered=lettered) for o in self._orders()]
        if not (self.options.listed or lettered):
            templates = [PromptTemplate(self.question.text)]
        return [
            template.render(record, persona=persona)
            for template in templates
            for record in self.records
            for persona in self.personas
        ]

    def _prior_prompts(self) -> list[Prompt]:
        """Return a prompt for each order without persona and context, if these are needed."""
        if not self.options.by_prior:
            return []
        unknown = dict.fromkeys(self.question.columns, UNKNOWN_CONTEXT)
        return replace(self, records=[unknown], personas=[None])._prompts()  # noqa: SLF001

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

    def _by_order(self, values: Array) -> Array:
        """Return values per prompt and option with the shape (orders, C, K, A)."""
        return values.reshape(-1, len(self.records), len(self.personas), len(self.question.options))

    def _tick(self, step: str, requests: Sequence[object]) -> Tick | None:
        return self.on_step(step, len(requests)) if self.on_step else None


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
