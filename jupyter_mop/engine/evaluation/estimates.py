"""Population means and shares from a simulation and a few human answers, with valid intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.metrics.prediction_powered import (
    Powered,
    mean_interval,
    powered_mean,
    share_interval,
)
from jupyter_mop.engine.metrics.vectors import Vectors, checked_weights, kish
from jupyter_mop.engine.simulation.outcomes import MOST_OPTIONS, Outcome, labels, named, outcomes
from jupyter_mop.engine.simulation.simulation import CONTEXT, RESPONSE, Simulation
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

MIN_HUMAN = 10
MEAN, SHARE = "mean", "share"
NOT_VALID = "For the simulation only: not valid for the real population, as no human answer is in."


@dataclass(frozen=True)
class Estimates(Viewed):
    """Estimates with their intervals; see `estimate`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per option, or one for a mean: option, value, low, high, simulated (the simulation
        alone), human, human_low, human_high (the human answers alone), power (how far the
        simulation was relied on, 0 to 1) and worth (as many human answers alone would give an
        interval of this width).
    of : str
        What is estimated.
    level : float
        Probability that an interval is to hold.
    n_human : int
        Human answers; 0 where the interval is for the simulation only.
    n_simulated : float
        Effective number of simulated responses.
    """

    frame: pd.DataFrame
    of: str
    level: float
    n_human: int
    n_simulated: float

    @property
    def is_valid(self) -> bool:
        """Whether the intervals hold for the real population: only with human answers."""
        return self.n_human > 0

    @property
    def note(self) -> str:
        """What the intervals are of, in a sentence."""
        given = f"{self.level:.0%} intervals, {self.n_simulated:.0f} simulated responses"
        if not self.is_valid:
            return f"{NOT_VALID} ({given})"
        return f"Simulation and {self.n_human} human answers together ({given})."

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
    n_contexts: int | None = None,
) -> Estimates:
    """Estimate a population's mean or shares from a simulation and a few human answers.

    Parameters
    ----------
    simulation : Simulation
        Its responses, as they are weighted, predict what people say in each context.
    of : str or callable
        A column of the simulation, or a function of a response that gives a number, a truth value
        or a label. Numbers have a mean, labels a share each.
    human : Population, optional
        Real answers to the same: its response column is set against `of`, or `of` is called with
        it; each context must occur in the simulation. A random sample of the people whose
        contexts were simulated; survey weights count. Without it the interval says only how
        precise the simulation is about itself.
    answer : str, optional
        The one label whose share is wanted.
    level : float
        Probability that an interval is to hold.
    n_contexts : int, optional
        From how many real records the simulation's contexts were drawn, where they are fewer
        than the responses.

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
    Prediction-powered inference with power tuning (see `metrics.prediction_powered`). A person in
    context x is predicted to answer with the weighted mean f(x) of the responses simulated in that
    context; f is taken on the people who answered and on every simulated context, and the humans'
    mean gap between answer and prediction corrects the simulation. It can only help as far as
    contexts differ: with one context for all, the estimate is the human mean itself. Random
    sampling of people is assumed, nothing about the simulation.

    Examples
    --------
    >>> made = pd.DataFrame({"context": ["young", "old"] * 50, "weight": 1.0})
    >>> made["response"] = ["yes", "no"] * 50
    >>> said = {"who": ["young", "old"] * 20, "said": ["yes", "no", "no", "no"] * 10}
    >>> real = Population.from_frame(pd.DataFrame(said), context="who", response="said")
    >>> estimate(Simulation(made), human=real, answer="yes")
    response: yes 0.250 [0.162, 0.365]
    Simulation and 40 human answers together (90% intervals, 100 simulated responses).
    >>> estimate(Simulation(made), answer="yes").is_valid
    False
    """
    if not 0 < level < 1:
        raise DataError(f"The level must lie between 0 and 1, not {level}.", hint="Use 0.9.")
    made = outcomes(simulation.frame, of, RESPONSE)
    real = pd.Series(dtype=float) if human is None else _answers(human, of)
    shares = checked_weights(simulation.weights, len(simulation))
    _, made_numbers, real_numbers = columns = _numbers(made, real, named(of), answer)
    if human is None:
        rows = [_alone(numbers, shares, level) for numbers in made_numbers]
    else:
        contexts = [str(context) for context in simulation.frame[CONTEXT]]
        means = _ContextMeans(contexts, shares, human)
        rows = [
            _together(means, z, y, level=level, n_contexts=n_contexts)
            for z, y in zip(made_numbers, real_numbers, strict=True)
        ]
    frame = pd.DataFrame(rows)
    frame.insert(0, "option", columns[0])
    return Estimates(frame, named(of), level, len(real), kish(shares))


class _ContextMeans:
    """The prediction for a person: the weighted mean of what was simulated in the same context."""

    def __init__(self, contexts: Sequence[str], shares: Vectors, human: Population) -> None:
        place = {context: c for c, context in enumerate(dict.fromkeys(contexts))}
        self.drawn = np.array([place[context] for context in contexts], dtype=np.intp)
        self.mass = np.bincount(self.drawn, shares)
        asked = np.array([place.get(context, -1) for context in human.contexts], dtype=np.intp)
        never = (asked < 0) | (self.mass[asked] <= 0)
        if never.any():
            raise DataError(
                f"{int(never.sum())} of {len(asked)} human answers are to contexts that never "
                f"occur in the simulation, such as {human.contexts[int(never.argmax())][:60]!r}.",
                hint="Simulate those contexts too, or more responses.",
            )
        self.asked, self.shares, self.weights = asked, shares, human.weights

    def __call__(self, numbers: Vectors) -> tuple[Vectors, Vectors]:
        """Return the predictions for the people who answered, (n,), and for each draw, (N,)."""
        sums = np.bincount(self.drawn, self.shares * numbers)
        means = np.divide(sums, self.mass, out=np.zeros(len(sums)), where=self.mass > 0)
        return means[self.asked], means[self.drawn]


def _answers(human: Population, of: Outcome) -> pd.Series:
    if len(human) < MIN_HUMAN:
        raise DataError(
            f"At least {MIN_HUMAN} human answers are needed for an interval, not {len(human)}.",
            hint="Ask more people, or leave them out: the estimate is then the simulation's own.",
        )
    return outcomes(human.frame, of if callable(of) else human.response, human.response)


def _numbers(
    made: pd.Series, real: pd.Series, name: str, answer: str | None
) -> tuple[list[str], list[Vectors], list[Vectors]]:
    """Return the names of the rows and what is averaged for each: numbers, or one per label."""
    if answer is None:
        numbers = [pd.to_numeric(values, errors="coerce") for values in (made, real)]
        if not any(values.isna().any() for values in numbers):
            z, y = (values.to_numpy(dtype=np.float64) for values in numbers)
            return [SHARE if set(np.r_[z, y]) <= {0.0, 1.0} else MEAN], [z], [y]
    said, told = np.array(labels(made), dtype=object), np.array(labels(real), dtype=object)
    options = list(dict.fromkeys([*told, *said]))
    if answer is not None:
        if answer not in options:
            raise DataError(
                f"Nobody gave the answer {answer!r}, neither real nor simulated.",
                hint=f"Answers are, for instance, {options[:5]}.",
            )
        options = [answer]
    if len(options) > MOST_OPTIONS:
        raise DataError(
            f"{name!r} has {len(options)} different values: neither a mean nor shares.",
            hint="Give a function of a response, such as lambda text: 'love' in text.",
        )
    pairs = [((said == o).astype(np.float64), (told == o).astype(np.float64)) for o in options]
    return options, [z for z, _ in pairs], [y for _, y in pairs]


def _interval(found: Powered, level: float, *, worth: float, is_share: bool) -> tuple[float, float]:
    """Return the interval; the mean takes one degree of freedom, the power another."""
    spent = 2 if found.power > 0 else 1
    if not is_share:
        return mean_interval(found.value, found.error, found.size, level=level, spent=spent)
    freedom = found.size - spent
    return share_interval(found.value, worth * freedom / found.size, level=level, freedom=freedom)


def _alone(numbers: Vectors, shares: Vectors, level: float) -> dict[str, float]:
    """Return a mean of the simulation, which is an estimate of the simulation only."""
    found = powered_mean(numbers, np.zeros(len(numbers)), np.zeros(1), weights=shares)
    is_share = set(numbers) <= {0.0, 1.0}
    low, high = _interval(found, level, worth=found.size, is_share=is_share)
    return {
        "value": found.value,
        "low": low,
        "high": high,
        "simulated": found.value,
        **dict.fromkeys(("human", "human_low", "human_high", "power", "worth"), np.nan),
    }


def _together(
    means: _ContextMeans, made: Vectors, real: Vectors, *, level: float, n_contexts: int | None
) -> dict[str, float]:
    """Return the estimate from both, and what each says alone."""
    is_share = set(np.r_[made, real]) <= {0.0, 1.0}
    asked, drawn = means(made)
    human = powered_mean(real, np.zeros(len(real)), np.zeros(1), weights=means.weights)
    if np.ptp(real) == 0 and not is_share:
        raise DataError(
            "All human answers are the same number, which tells nothing of how they spread.",
            hint="Ask more people.",
        )
    found = powered_mean(
        real,
        asked,
        drawn,
        weights=means.weights,
        unlabelled_weights=means.shares,
        n_unlabelled=n_contexts,
    )
    worth = human.size * (human.error / found.error) ** 2 if found.error else human.size
    low, high = _interval(found, level, worth=worth, is_share=is_share)
    human_low, human_high = _interval(human, level, worth=human.size, is_share=is_share)
    return {
        "value": min(max(found.value, 0.0), 1.0) if is_share else found.value,
        "low": low,
        "high": high,
        "simulated": float(means.shares @ made),
        "human": human.value,
        "human_low": human_low,
        "human_high": human_high,
        "power": found.power,
        "worth": worth,
    }
