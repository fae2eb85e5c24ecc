"""Estimates of population means and shares from a simulation and a few human answers."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.context_shares import ContextShares
from jupyter_mop.engine.metrics.prediction_powered import (
    PoweredMean,
    powered_interval,
    powered_mean,
)
from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, effective_sample_size
from jupyter_mop.engine.simulation.outcomes import (
    MAX_OPTIONS,
    Outcome,
    labels,
    outcome_name,
    outcomes,
)
from jupyter_mop.engine.simulation.simulation import CONTEXT, RESPONSE, Simulation
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.survey.real_answers import unread_error, without_missing
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

MIN_HUMAN, FEW_HUMAN = 10, 30
WORTHWHILE = 1.05  # of the human answers, from which the simulation adds precision
MEAN, SHARE = "mean", "share"
NOT_VALID = "Without human answers: about the simulation only, not valid for the real population."
OTHER_CONTEXTS = "The human answers are no random sample of the simulation's contexts:"


@dataclass(frozen=True)
class Estimates(Viewed):
    """Estimates with their confidence intervals; see `estimate`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per option, or one for a mean: option, value, low, high, simulated (from the
        simulation alone), human, human_low, human_high (from the human answers alone), power (the
        weight of the simulation, 0 to 1) and worth (the number of human answers alone that would
        give this precision).
    of : str
        The outcome that is estimated.
    level : float
        Confidence level.
    n_human : int
        Number of human answers; 0 where the intervals are about the simulation only.
    n_simulated : float
        Effective sample size of the simulated responses.
    set_aside : mapping of str to int
        Number of human answers that were set aside, by name.
    difference : str
        How the contexts of the human answers differ from those of the simulation; "" where they do
        not, or were made equal by post-stratification.
    is_post_stratified : bool
        Whether each context counts by its share in the simulation.
    never_given : str
        An answer that neither people nor the simulation gave, or "".
    """

    frame: pd.DataFrame
    of: str
    level: float
    n_human: int
    n_simulated: float
    set_aside: Mapping[str, int] = field(default_factory=dict)
    difference: str = ""
    is_post_stratified: bool = False
    never_given: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether the intervals are valid for the real population.

        This needs human answers, from people in the contexts of the simulation.
        """
        return self.n_human > 0 and not self.difference

    @property
    def verdict(self) -> str:
        """The largest estimate with its interval, and what the simulation adds, in words.

        Answers whose intervals meet are a tie. Few human answers are named as such.
        """
        said = f"{self._largest()} {self._worth()}"
        if self.n_human and self.difference:
            return f"Not valid for the population: {said}"
        return said if self.n_human else f"About the simulation only: {said}"

    def _largest(self) -> str:
        rows = self.frame.sort_values("value", ascending=False, kind="stable")
        best = rows.iloc[0]
        found = f"{best['value']:.3g} [{best['low']:.3g}, {best['high']:.3g}]"
        if len(rows) == 1:
            return f"{best['option']} of {self.of}: {found}."
        tied = list(rows.loc[rows["high"] >= best["low"], "option"])
        if len(tied) > 1:
            return f"A tie for the most frequent {self.of}: {' and '.join(tied)}."
        return f"Most frequent {self.of}: {best['option']}, {found}."

    def _worth(self) -> str:
        if not self.n_human:
            return "It says nothing of the real population without human answers."
        few = "Only " if self.n_human < FEW_HUMAN else ""
        asked = f"{few}{self.n_human} human answers"
        worth = float(self.frame["worth"].min())
        if not worth >= WORTHWHILE * self.n_human:
            return f"{asked}; the simulation adds nothing to them."
        return f"{asked}; with the simulation as precise as {worth:.0f}."

    @property
    def note(self) -> str:
        """One sentence on what the intervals are based on."""
        basis = f"{self.level:.0%} intervals, {self.n_simulated:.0f} simulated responses"
        never = f" Nobody gave the answer {self.never_given!r}." if self.never_given else ""
        if not self.n_human:
            return f"{NOT_VALID} ({basis}){never}"
        aside = ", ".join(f"{name} {count}" for name, count in self.set_aside.items())
        without = f" Set aside: {aside}." if aside else ""
        how = (
            f"{self.n_human} human answers, post-stratified to the contexts of the simulation"
            if self.is_post_stratified
            else f"Simulation and {self.n_human} human answers together"
        )
        other = f" Not valid for the population. {OTHER_CONTEXTS} " if self.difference else ""
        return f"{how} ({basis}).{without}{never}{other}{self.difference}"

    def __repr__(self) -> str:
        rows = [
            f"{row.option} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
            for row in self.frame.itertuples()
        ]
        return "\n".join([self.verdict, f"{self.of}: {'; '.join(rows)}", self.note])


def estimate(
    simulation: Simulation,
    of: Outcome = RESPONSE,
    *,
    human: Population | None = None,
    answer: str | None = None,
    level: float = 0.9,
    n_contexts: float | None = None,
    missing: str | Sequence[str] | None = None,
    poststratify: bool = False,
) -> Estimates:
    """Estimate a population's mean or shares from a simulation and a few human answers.

    Parameters
    ----------
    simulation : Simulation
        Its weighted responses predict the answers of people in each context.
    of : str or callable
        The outcome: a column of the simulation, or a function of a response that returns a number,
        a boolean or a label. Numbers give a mean, labels a share each.
    human : Population, optional
        Human answers, a random sample of the people whose contexts were simulated. The response
        column is the outcome, or `of` is applied to it if it is a function. Each context must
        occur in the simulation; survey weights apply. Without human answers, the interval is only
        the sampling error of the simulation itself.
    answer : str, optional
        Estimate the share of this label alone.
    level : float
        Confidence level.
    n_contexts : float, optional
        The number of real records that the simulation's contexts were drawn from, or their
        effective sample size, where it is smaller than the number of responses.
    missing : str or sequence of str, optional
        Human answers to set aside, such as "Refused|Don't know".
    poststratify : bool
        Whether to weight the human answers so that their contexts have the shares of the
        simulation. For human answers that are no random sample of the population.

    Returns
    -------
    Estimates

    Raises
    ------
    DataError
        For fewer than ten human answers, a context that never occurs in the simulation, human
        answers that are none of the options or all unlike the simulated ones, or free text, which
        has neither a mean nor shares. With `poststratify`, for a context with fewer than two human
        answers.

    Warns
    -----
    UserWarning
        If the contexts of the human answers differ from those of the simulation by more than
        chance, and `poststratify` is not set.

    Notes
    -----
    Prediction-powered inference with power tuning (see `metrics.prediction_powered`). The
    prediction for a person in context x is the weighted mean f(x) of the responses simulated in
    that context. f is averaged over every simulated context, and the mean gap between human
    answers and their predictions corrects it. This helps only as far as contexts differ: with one
    context for all, the estimate is the human mean itself. People are assumed to be sampled at
    random; nothing is assumed about the simulation. With `poststratify` people only have to be
    sampled at random within a context. All people of a context have the same prediction, so that
    the simulation then contributes the shares of the contexts and not its responses (power 0).

    Examples
    --------
    >>> frame = pd.DataFrame({"context": ["young", "old"] * 50, "weight": 1.0})
    >>> simulation = Simulation(frame.assign(response=["yes", "no"] * 50))
    >>> rows = {"age": ["young", "old"] * 20, "answer": ["yes", "no", "no", "no"] * 10}
    >>> real = Population.from_frame(pd.DataFrame(rows), context="age", response="answer")
    >>> estimate(simulation, human=real, answer="yes")
    yes of response: 0.25 [0.162, 0.365]. 40 human answers; with the simulation as precise as 52.
    response: yes 0.250 [0.162, 0.365]
    Simulation and 40 human answers together (90% intervals, 100 simulated responses).
    >>> estimate(simulation, answer="yes").is_valid
    False
    """
    if not 0 < level < 1:
        raise DataError(f"`level` must be between 0 and 1, got {level}.", hint="Use 0.9.")
    if poststratify and human is None:
        raise DataError(
            "Post-stratification needs human answers, got none.", hint="Pass them as `human`."
        )
    human, set_aside = (None, {}) if human is None else without_missing(human.counted(), missing)
    simulated = outcomes(simulation.frame, of, RESPONSE)
    real = pd.Series(dtype=float) if human is None else _answers(human, of)
    shares = checked_weights(simulation.weights, len(simulation))
    name, facts = outcome_name(of), simulation.provenance.get("question")
    if of == RESPONSE and facts is not None:
        read = _question_numbers(Question.of(facts), simulated, real, answer)
    else:
        read = _numbers(simulated, real, name, answer)
    options, simulated_numbers, real_numbers = read
    size = effective_sample_size(simulation.weights)
    difference = ""
    if human is None:
        rows = [_simulation_only(numbers, shares, level) for numbers in simulated_numbers]
    else:
        contexts = [str(context) for context in simulation.frame[CONTEXT]]
        means = _ContextMeans(contexts, shares, human, min(size, n_contexts or size))
        difference = _difference(means.context_shares, poststratify)
        combined = _post_stratified if poststratify else _combined
        rows = [
            combined(means, z, y, level=level)
            for z, y in zip(simulated_numbers, real_numbers, strict=True)
        ]
    frame = pd.DataFrame(rows)
    frame.insert(0, "option", options)
    is_given = any(numbers.any() for numbers in (*simulated_numbers, *real_numbers))
    return Estimates(
        frame,
        name,
        level,
        len(real),
        size,
        set_aside,
        difference,
        poststratify,
        answer if answer is not None and not is_given else "",
    )


def _difference(shares: ContextShares, poststratify: bool) -> str:
    """Return how people's contexts differ from the simulation's, with a warning; "" if mended."""
    if poststratify:
        shares.check_every_context_has_people()
        return ""
    difference = shares.difference()
    if difference:
        warnings.warn(
            f"{OTHER_CONTEXTS} {difference} The interval is not valid for the population. Use "
            "poststratify=True (--poststratify), or survey weights.",
            UserWarning,
            stacklevel=3,
        )
    return difference


class _ContextMeans:
    """The prediction for a person: the weighted mean of the responses in the same context."""

    def __init__(
        self, contexts: Sequence[str], shares: Vectors, human: Population, n_contexts: float
    ) -> None:
        index = {context: c for c, context in enumerate(dict.fromkeys(contexts))}
        self.simulated = np.array([index[context] for context in contexts], dtype=np.intp)
        self.mass = np.asarray(np.bincount(self.simulated, shares), dtype=np.float64)
        labels = human.context_labels
        people = np.array([index.get(label, -1) for label in labels], dtype=np.intp)
        unknown = (people < 0) | (self.mass[people] <= 0)
        if unknown.any():
            raise DataError(
                f"{int(unknown.sum())} of {len(people)} human answers are to contexts that never "
                f"occur in the simulation, such as {labels[int(unknown.argmax())][:60]!r}.",
                hint="Simulate those contexts too, or more responses.",
            )
        self.people, self.shares, self.weights = people, shares, human.weights
        self.context_shares = ContextShares(
            tuple(index), self.mass, n_contexts, people, human.weights
        )

    def __call__(self, numbers: Vectors) -> tuple[Vectors, Vectors]:
        """Return the predictions for the people who answered, (n,), and for each response, (N,)."""
        sums = np.bincount(self.simulated, self.shares * numbers)
        means = np.divide(sums, self.mass, out=np.zeros(len(sums)), where=self.mass > 0)
        return means[self.people], means[self.simulated]


def _answers(human: Population, of: Outcome) -> pd.Series:
    if len(human) < MIN_HUMAN:
        raise DataError(
            f"Need at least {MIN_HUMAN} human answers for an interval, got {len(human)}.",
            hint="Ask more people, or leave `human` out to describe the simulation alone.",
        )
    return outcomes(human.frame, of if callable(of) else human.response, human.response)


Numbers = tuple[list[str], list[Vectors], list[Vectors]]


def _numbers(simulated: pd.Series, real: pd.Series, name: str, answer: str | None) -> Numbers:
    """Return the names of the rows, and the numbers that each averages on both sides."""
    found = _means(simulated, real) if answer is None else None
    if found is not None:
        return found
    options, sides = _joint_labels(labels(simulated), labels(real), name, answer)
    if answer is not None:
        chosen = read_option(answer, options)
        if chosen is None and len(options) > MAX_OPTIONS:
            raise DataError(
                f"No human or simulated response has the answer {answer!r}.",
                hint=f"Use one of the answers, such as {options[:5]}.",
            )
        rows = [len(options) if chosen is None else chosen]
        options = [*options, answer]
    else:
        rows = list(range(len(options)))
    indicators = [[np.asarray(side == a, dtype=np.float64) for a in rows] for side in sides]
    return [options[a] for a in rows], indicators[0], indicators[1]


def _means(simulated: pd.Series, real: pd.Series) -> Numbers | None:
    """Return the numbers of both sides if all values are numbers, else None."""
    numbers = [pd.to_numeric(values, errors="coerce") for values in (simulated, real)]
    if any(values.isna().any() for values in numbers):
        return None
    z, y = (values.to_numpy(dtype=np.float64) for values in numbers)
    return [SHARE if set(np.r_[z, y]) <= {0.0, 1.0} else MEAN], [z], [y]


def _joint_labels(
    predicted: Sequence[str], given: Sequence[str], name: str, answer: str | None
) -> tuple[list[str], tuple[Vectors, Vectors]]:
    """Return the labels of both sides in one reading, and the index of each value among them.

    A label that differs in case or blanks, or that says yes or no in another way, is the same one.

    Raises
    ------
    DataError
        For free text without an `answer`, and if no human answer is a simulated one, or none is the
        `answer` and some are unlike the simulated ones.
    """
    known: list[str] = []
    codes: dict[str, int] = {}
    for side in (predicted, given):
        for label in dict.fromkeys(side):
            is_few = len(known) <= MAX_OPTIONS  # free text has no spellings of one answer
            found = read_option(label, known) if is_few else None
            codes[label] = len(known) if found is None else found
            known += [label] if found is None else []
    if answer is None and len(known) > MAX_OPTIONS:
        raise DataError(
            f"{name!r} has {len(known)} different values, so it has neither a mean nor shares.",
            hint="Pass a function of a response, such as lambda text: 'love' in text.",
        )
    first, second = ([codes[label] for label in side] for side in (predicted, given))
    seen = set(first)
    unread = {text: n for text, n in Counter(given).items() if codes[text] not in seen}
    never_given = answer is not None and read_option(answer, known) not in {None, *second}
    if unread and (never_given or sum(unread.values()) == len(given)):
        raise unread_error(unread, len(given), list(dict.fromkeys(predicted)))
    order = list(dict.fromkeys([*second, *first]))
    place = {code: at for at, code in enumerate(order)}
    sides = [np.array([place[code] for code in side], dtype=np.float64) for side in (first, second)]
    return [known[code] for code in order], (sides[0], sides[1])


def _question_numbers(
    question: Question, simulated: pd.Series, real: pd.Series, answer: str | None
) -> Numbers:
    """Return the numbers of both sides of a closed question: shares of options, or their mean.

    Raises
    ------
    DataError
        If a human answer is none of the options, or `answer` is not.
    """
    predicted, given = (_selected(question, labels(side)) for side in (simulated, real))
    options = list(question.options)
    if answer is None and question.kind != "multiple":
        values = pd.to_numeric(pd.Series(options), errors="coerce").to_numpy(dtype=np.float64)
        if not np.isnan(values).any():
            z, y = (values[side.argmax(axis=1)] for side in (predicted, given))
            return [SHARE if set(values) <= {0.0, 1.0} else MEAN], [z], [y]
    rows = list(range(len(options)))
    if answer is not None:
        chosen = read_option(answer, options)
        if chosen is None:
            raise DataError(
                f"{answer!r} is not one of the options {options}.", hint="Use one of the options."
            )
        rows = [chosen]
    indicators = [[side[:, a].astype(np.float64) for a in rows] for side in (predicted, given)]
    return [options[a] for a in rows], indicators[0], indicators[1]


def _selected(question: Question, answers: Sequence[str]) -> np.ndarray:
    """Return the options that each answer selects, shape (n, A)."""
    found, unread = {}, {}
    for text, n in Counter(answers).items():
        try:
            found[text] = question.selected_options(text)
        except DataError:
            unread[text] = n
    if unread:
        raise unread_error(unread, len(answers), question.options)
    rows = [found[text] for text in answers]
    return np.array(rows, dtype=bool).reshape(-1, len(question.options))


def _simulation_only(numbers: Vectors, shares: Vectors, level: float) -> dict[str, float]:
    """Return the mean of the simulation with the sampling error of the simulation."""
    mean = powered_mean(numbers, np.zeros(len(numbers)), np.zeros(1), weights=shares)
    is_share = set(numbers) <= {0.0, 1.0}
    low, high = powered_interval(mean, level, worth=mean.size, is_share=is_share)
    return {
        "value": mean.value,
        "low": low,
        "high": high,
        "simulated": mean.value,
        **dict.fromkeys(("human", "human_low", "human_high", "power", "worth"), np.nan),
    }


def _combined(
    means: _ContextMeans,
    simulated: Vectors,
    real: Vectors,
    *,
    level: float,
) -> dict[str, float]:
    """Return the estimate from both sources, and from each alone."""
    is_share, human = _human_mean(means, simulated, real)
    predictions, unlabelled = means(simulated)
    both = powered_mean(
        real,
        predictions,
        unlabelled,
        weights=means.weights,
        unlabelled_weights=means.shares,
        n_unlabelled=means.context_shares.n_simulated,
    )
    worth = human.size * (human.error / both.error) ** 2 if both.error else human.size
    low, high = powered_interval(both, level, worth=worth, is_share=is_share)
    return {
        "value": min(max(both.value, 0.0), 1.0) if is_share else both.value,
        "low": low,
        "high": high,
        "simulated": float(means.shares @ simulated),
        **_human_only(human, level, is_share=is_share),
        "power": both.power,
        "worth": worth,
    }


def _post_stratified(
    means: _ContextMeans, simulated: Vectors, real: Vectors, *, level: float
) -> dict[str, float]:
    """Return the estimate from people whose contexts count by their shares in the simulation."""
    is_share, human = _human_mean(means, simulated, real)
    found = means.context_shares.post_stratified(real, level=level, is_share=is_share)
    return {
        "value": found["value"],
        "low": found["low"],
        "high": found["high"],
        "simulated": float(means.shares @ simulated),
        **_human_only(human, level, is_share=is_share),
        "power": 0.0,
        "worth": found["worth"],
    }


def _human_mean(
    means: _ContextMeans, simulated: Vectors, real: Vectors
) -> tuple[bool, PoweredMean]:
    """Return whether the outcome is a share, and the mean of the human answers alone."""
    is_share = set(np.r_[simulated, real]) <= {0.0, 1.0}
    if np.ptp(real) == 0 and not is_share:
        raise DataError(
            f"All {len(real)} human answers are the same number, so their variance is unknown.",
            hint="Ask more people.",
        )
    return is_share, powered_mean(real, np.zeros(len(real)), np.zeros(1), weights=means.weights)


def _human_only(human: PoweredMean, level: float, *, is_share: bool) -> dict[str, float]:
    low, high = powered_interval(human, level, worth=human.size, is_share=is_share)
    return {"human": human.value, "human_low": low, "human_high": high}
