"""Answers to closed questions with known truths: orders, random numbers, several choices.

Run: python tests/coverage/survey_answers.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from jupyter_mop import Population, Question, ToyBackend
from jupyter_mop.engine.survey.asking import ask
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.multiple_choice import coherent_shares, draw_sets
from jupyter_mop.engine.survey.option_orders import option_orders


def order_residual(
    size: int, n: int | None, *, is_scale: bool, first: float, slope: float
) -> float:
    """Return the total variation from equal shares that a preference for positions leaves.

    Parameters
    ----------
    size, n : int
        Number of options and of orders.
    is_scale : bool
        Whether the options are a scale.
    first, slope : float
        Nats that the first position gains, and that each position loses.
    """
    bias = first * (np.arange(size) == 0) - slope * np.arange(size)
    shares = np.zeros(size)
    orders = option_orders(size, n, is_scale=is_scale)
    for order in orders:
        weights = np.exp(bias)
        shares[order] += weights / weights.sum() / len(orders)
    return float(np.abs(shares - 1 / size).sum() / 2)


def sampled_error(n_contexts: int, n_draws: int, repetitions: int) -> tuple[float, float]:
    """Return the standard deviation of a sampled share of .5, and that of independent replies."""

    class Unscored(ToyBackend):
        can_score = False

    records = [{"age": str(age)} for age in range(n_contexts)]
    question, backend = Question("{age}: tea or milk?", ["tea", "milk"]), Unscored(["tea", "milk"])
    backend.length = 1
    shares = []
    for seed in range(repetitions):
        options = ElicitationOptions(n_draws=n_draws, n_orders=1, random_state=seed)
        table = elicit(question, records, [None], backend, options=options)
        shares.append(table.probabilities[:, 0, 0].mean())
    return float(np.std(shares)), 0.5 / np.sqrt(n_contexts * n_draws)


def phi_of_two_questions(n: int, repetitions: int) -> tuple[float, float]:
    """Return the mean correlation of answers to two questions over all, and within a persona.

    Two kinds of people say yes to both with .9 and .1: the truth is .64 over all, 0 within.
    """
    words, personas = ["yes", "no"], "u: You say yes.\nv: You say no."
    backend = ToyBackend(words, persona_boost=np.log(9))
    frame = pd.DataFrame({"age": "old", "text": words * 20})
    records = Population.from_frame(frame, context="age", response="text")
    answers = [ask(Question(q, words), records, personas, backend) for q in ("Is it?", "Will it?")]
    found = []
    for seed in range(repetitions):
        first, second = (answer.draw(n, random_state=seed) for answer in answers)
        yes = np.array([[text == "yes" for text in made.responses] for made in (first, second)])
        is_u = (first.frame["persona"] == "u").to_numpy()
        within = np.mean([np.corrcoef(yes[:, rows])[0, 1] for rows in (is_u, ~is_u)])
        found.append([np.corrcoef(yes)[0, 1], within])
    over_all, within = np.mean(found, axis=0)
    return float(over_all), float(within)


def choices(shares: list[float], n: int) -> tuple[np.ndarray, float]:
    """Return the shares of drawn sets with an exclusive last option, and that of contradictions."""
    exclusive = len(shares) - 1
    table = np.tile(coherent_shares(np.array(shares), exclusive), (n, 1))
    sets = draw_sets(table, exclusive, np.random.default_rng(0))
    return sets.mean(0), float((sets[:, exclusive] == sets[:, :exclusive].any(1)).mean())


if __name__ == "__main__":
    print("TV that a preference for positions leaves (two orders -> default)")
    for size in (2, 3, 4, 5, 6, 7, 10):
        cells = []
        for is_scale in (False, True):
            for first, slope in ((1.5, 0.0), (0.0, 0.5)):
                pair = [
                    order_residual(size, n, is_scale=is_scale, first=first, slope=slope)
                    for n in (2, None)
                ]
                name = f"{'scale' if is_scale else 'single'}, {'first' if first else 'slope'}"
                cells.append(f"{name} {pair[0]:.3f} -> {pair[1]:.3f}")
        print(f"  {size} options: {'; '.join(cells)}")
    error, expected = sampled_error(100, 10, 30)
    print(f"sampled replies, 100 contexts: standard error {error:.4f}, independent {expected:.4f}")
    over_all, within = phi_of_two_questions(2000, 20)
    print(f"two questions, one seed: phi {over_all:.3f} (truth .640), within {within:.3f} (0)")
    for shares in ([0.6, 0.5, 0.3], [0.8, 0.1, 0.1, 0.2]):
        drawn, wrong = choices(shares, 100_000)
        print(f"choices {shares}: drawn {drawn.round(3).tolist()}, contradictions {wrong:.3f}")
