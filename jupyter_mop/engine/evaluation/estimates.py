"""Estimates of population means and shares from a simulation and a few human answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.prediction_powered import (
    PoweredMean,
    mean_interval,
    powered_mean,
    share_interval,
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
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

MIN_HUMAN = 10
MEAN, SHARE = "mean", "share"
NOT_VALID = "Without human answers: about the simulation only, not valid for the real population."


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
    """

    frame: pd.DataFrame
    of: str
    level: float
    n_human: int
    n_simulated: float

    @property
    def is_valid(self) -> bool:
        """Whether the intervals are valid for the real population, which needs human answers."""
        return self.n_human > 0

    @property
    def note(self) -> str:
        """One sentence on what the intervals are based on."""
        basis = f"{self.level:.0%} intervals, {self.n_simulated:.0f} simulated responses"
        if not self.is_valid:
            return f"{NOT_VALID} ({basis})"
        return f"Simulation and {self.n_human} human answers together ({basis})."

    def __repr__(self) -> str:
        rows = [
            f"{row.option} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
            for row in self.frame.itertuples()
        ]
        return "\n".join([f"{self.of}: {'; '.join(rows)}", self.note])


def estimate(
    simulation: Simulation,
    of: Outcome = RESPONSE,
    *,
    human: Population | None = None,
    answer: str | None = None,
    level: float = 0.9,
    n_contexts: float | None = None,
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

    Returns
    -------
    Estimates

    Raises
    ------
    DataError
        For fewer than ten human answers, a context that never occurs in the simulation, or free
        text, which has neither a mean nor shares.

    Notes
    -----
    Prediction-powered inference with power tuning (see `metrics.prediction_powered`). The
    prediction for a person in context x is the weighted mean f(x) of the responses simulated in
    that context. f is averaged over every simulated context, and the mean gap between human
    answers and their predictions corrects it. This helps only as far as contexts differ: with one
    context for all, the estimate is the human mean itself. People are assumed to be sampled at
    random; nothing is assumed about the simulation.

    Examples
    --------
    >>> frame = pd.DataFrame({"context": ["young", "old"] * 50, "weight": 1.0})
    >>> simulation = Simulation(frame.assign(response=["yes", "no"] * 50))
    >>> rows = {"age": ["young", "old"] * 20, "answer": ["yes", "no", "no", "no"] * 10}
    >>> real = Population.from_frame(pd.DataFrame(rows), context="age", response="answer")
    >>> estimate(simulation, human=real, answer="yes")
    response: yes 0.250 [0.162, 0.365]
    Simulation and 40 human answers together (90% intervals, 100 simulated responses).
    >>> estimate(simulation, answer="yes").is_valid
    False
    """
    if not 0 < level < 1:
        raise DataError(f"`level` must be between 0 and 1, got {level}.", hint="Use 0.9.")
    simulated = outcomes(simulation.frame, of, RESPONSE)
    real = pd.Series(dtype=float) if human is None else _answers(human, of)
    shares = checked_weights(simulation.weights, len(simulation))
    name = outcome_name(of)
    options, simulated_numbers, real_numbers = _numbers(simulated, real, name, answer)
    if human is None:
        rows = [_simulation_only(numbers, shares, level) for numbers in simulated_numbers]
    else:
        contexts = [str(context) for context in simulation.frame[CONTEXT]]
        means = _ContextMeans(contexts, shares, human)
        rows = [
            _combined(means, z, y, level=level, n_contexts=n_contexts)
            for z, y in zip(simulated_numbers, real_numbers, strict=True)
        ]
    frame = pd.DataFrame(rows)
    frame.insert(0, "option", options)
    return Estimates(frame, name, level, len(real), effective_sample_size(simulation.weights))


class _ContextMeans:
    """The prediction for a person: the weighted mean of the responses in the same context."""

    def __init__(self, contexts: Sequence[str], shares: Vectors, human: Population) -> None:
        index = {context: c for c, context in enumerate(dict.fromkeys(contexts))}
        self.simulated = np.array([index[context] for context in contexts], dtype=np.intp)
        self.mass = np.bincount(self.simulated, shares)
        people = np.array([index.get(context, -1) for context in human.contexts], dtype=np.intp)
        unknown = (people < 0) | (self.mass[people] <= 0)
        if unknown.any():
            raise DataError(
                f"{int(unknown.sum())} of {len(people)} human answers are to contexts that never "
                f"occur in the simulation, such as {human.contexts[int(unknown.argmax())][:60]!r}.",
                hint="Simulate those contexts too, or more responses.",
            )
        self.people, self.shares, self.weights = people, shares, human.weights

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


def _numbers(
    simulated: pd.Series, real: pd.Series, name: str, answer: str | None
) -> tuple[list[str], list[Vectors], list[Vectors]]:
    """Return the names of the rows, and the numbers that each averages on both sides."""
    if answer is None:
        numbers = [pd.to_numeric(values, errors="coerce") for values in (simulated, real)]
        if not any(values.isna().any() for values in numbers):
            z, y = (values.to_numpy(dtype=np.float64) for values in numbers)
            return [SHARE if set(np.r_[z, y]) <= {0.0, 1.0} else MEAN], [z], [y]
    predicted, given = (np.array(labels(side), dtype=object) for side in (simulated, real))
    options = list(dict.fromkeys([*given, *predicted]))
    if answer is not None:
        if answer not in options:
            raise DataError(
                f"No human or simulated response has the answer {answer!r}.",
                hint=f"Use one of the answers, such as {options[:5]}.",
            )
        options = [answer]
    if len(options) > MAX_OPTIONS:
        raise DataError(
            f"{name!r} has {len(options)} different values, so it has neither a mean nor shares.",
            hint="Pass a function of a response, such as lambda text: 'love' in text.",
        )
    indicators = [
        [np.asarray(side == option, dtype=np.float64) for option in options]
        for side in (predicted, given)
    ]
    return options, indicators[0], indicators[1]


def _interval(
    mean: PoweredMean, level: float, *, worth: float, is_share: bool
) -> tuple[float, float]:
    """Return the interval; the mean takes one degree of freedom, the power another."""
    n_estimated = 2 if mean.power > 0 else 1
    if not is_share:
        return mean_interval(
            mean.value, mean.error, mean.size, level=level, n_estimated=n_estimated
        )
    freedom = mean.size - n_estimated
    return share_interval(mean.value, worth * freedom / mean.size, level=level, freedom=freedom)


def _simulation_only(numbers: Vectors, shares: Vectors, level: float) -> dict[str, float]:
    """Return the mean of the simulation with the sampling error of the simulation."""
    mean = powered_mean(numbers, np.zeros(len(numbers)), np.zeros(1), weights=shares)
    is_share = set(numbers) <= {0.0, 1.0}
    low, high = _interval(mean, level, worth=mean.size, is_share=is_share)
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
    n_contexts: float | None,
) -> dict[str, float]:
    """Return the estimate from both sources, and from each alone."""
    is_share = set(np.r_[simulated, real]) <= {0.0, 1.0}
    predictions, unlabelled = means(simulated)
    human = powered_mean(real, np.zeros(len(real)), np.zeros(1), weights=means.weights)
    if np.ptp(real) == 0 and not is_share:
        raise DataError(
            f"All {len(real)} human answers are the same number, so their variance is unknown.",
            hint="Ask more people.",
        )
    both = powered_mean(
        real,
        predictions,
        unlabelled,
        weights=means.weights,
        unlabelled_weights=means.shares,
        n_unlabelled=n_contexts,
    )
    worth = human.size * (human.error / both.error) ** 2 if both.error else human.size
    low, high = _interval(both, level, worth=worth, is_share=is_share)
    human_low, human_high = _interval(human, level, worth=human.size, is_share=is_share)
    return {
        "value": min(max(both.value, 0.0), 1.0) if is_share else both.value,
        "low": low,
        "high": high,
        "simulated": float(means.shares @ simulated),
        "human": human.value,
        "human_low": human_low,
        "human_high": human_high,
        "power": both.power,
        "worth": worth,
    }
