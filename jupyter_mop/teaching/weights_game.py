"""A game: find the hidden persona weights of the canteen by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.backends.protocols import ScoreRequest
from jupyter_mop.charts.style.html_table import bullet_list
from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.errors import NotFittedError
from jupyter_mop.teaching.canteen import (
    AS_IS,
    N_CARDS,
    TEMPLATE,
    WORDS,
    canteen_cards,
    canteen_model,
    canteen_study,
)

Array = NDArray[np.float64]
N_DRAWS = 300
N_REFITS = 50
_MIN_FROM_EQUAL, _MIN_SHARE = 0.25, 0.02


@dataclass(frozen=True)
class Score:
    """The distance of persona weights from the hidden ones.

    Attributes
    ----------
    name : str
        The source of the weights, such as "guess 1".
    weights : dict of str to float
    total_variation : float
        Share of the guests who are counted as the wrong kind.
    log_lik : float
        Log-likelihood of held-out cards, in nats per card.
    points : int
        100 at the truth, 0 at equal weights or farther away.
    references : mapping of str to float
        The log-likelihood of equal weights and of the truth.
    """

    name: str
    weights: dict[str, float]
    total_variation: float
    log_lik: float
    points: int
    references: Mapping[str, float]

    @property
    def lines(self) -> list[str]:
        """The score as text."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.weights.items())
        references = ", ".join(f"{name} {value:.3f}" for name, value in self.references.items())
        wrong = f"{100 * self.total_variation:.0f} of 100 guests are counted as the wrong kind"
        return [
            f"{self.name}: {self.points} of 100 points ({shares})",
            f"total variation {self.total_variation:.3f}: {wrong}",
            f"held-out log-likelihood {self.log_lik:.3f} nats per card ({references})",
        ]

    def __repr__(self) -> str:
        return "\n  ".join(self.lines)

    def _repr_html_(self) -> str:
        head, *rest = self.lines
        return bullet_list(head, rest)


class HiddenWeights:
    """A canteen with hidden shares of guests, to be found by hand first and then by a fit.

    Parameters
    ----------
    game : int
        Number of the game; each number hides other shares.
    n : int
        Number of cards; half of them are held out.

    Attributes
    ----------
    study : Study
        Has the cards, the four kinds of guests, and a simulation "uniform" for the panel.
    scores : list of Score
        Scores of all guesses so far, and of the fit.

    Examples
    --------
    >>> game = HiddenWeights(1, n=200)
    >>> game.score(hungry=0.25, thrifty=0.25, green=0.25, hurried=0.25).points
    0
    >>> game.score(game.reveal()).points
    100
    """

    def __init__(self, game: int = 1, *, n: int = N_CARDS) -> None:
        self.game = game
        signed, truth = _hidden(game, n)
        self.study = canteen_study(signed.drop(columns="guest"))
        self._truth = named_shares(self.study.personas, truth)
        self._census = [float((signed["guest"] == name).mean()) for name in self.names]
        self._likelihoods = _likelihoods(self.study.personas, self.study.target)
        self.study.simulate(
            "uniform",
            N_DRAWS,
            template=TEMPLATE,
            weights="uniform",
            temperature=AS_IS.temperature,
            top_p=AS_IS.top_p,
            n_candidates=1,
        )
        self.scores: list[Score] = []

    @property
    def names(self) -> list[str]:
        """The kinds of guests."""
        return [persona.name for persona in self.study.personas]

    @property
    def cards(self) -> pd.DataFrame:
        """The cards that you may look at; the others are held out."""
        population = self.study.population
        assert population is not None  # noqa: S101  set in __init__
        return population.frame

    def panel(self) -> Any:  # noqa: ANN401  a widget
        """Open the alignment panel: move its sliders, then call `score`."""
        return self.study.panel("uniform")

    def score(self, weights: Mapping[str, float] | None = None, **shares: float) -> Score:
        """Score a guess: a mapping, shares by name, or by default the weights in the panel.

        Raises
        ------
        NotFittedError
            If there is neither a guess nor an open panel.
        DataError
            For an unknown kind or impossible shares.
        """
        guess = {**(weights or {}), **shares} or self.study.panel_weights
        if not guess:
            raise NotFittedError(
                "There is no guess to score.",
                hint="Pass shares, as in score(hungry=0.4), or open the panel: game.panel().",
            )
        n_guesses = sum(score.name.startswith("guess") for score in self.scores)
        return self._record(f"guess {n_guesses + 1}", named_shares(self.study.personas, guess))

    def hint(self) -> str:
        """Return which kind the last guess has far too many of, and which far too few."""
        if not self.scores:
            return "Guess first: game.score(hungry=0.4)."
        excess = np.array(list(self.scores[-1].weights.values())) - self._truth
        return f"Fewer {self.names[int(excess.argmax())]}, more {self.names[int(excess.argmin())]}."

    def fit(self) -> Score:
        """Fit the weights to the cards that you may look at too, and score them."""
        mixture = self.study.fit(
            TEMPLATE, n_exemplars=2, n_records=len(self.cards), n_refits=N_REFITS
        )
        return self._record("the fit", np.asarray(mixture.persona_weights()))

    def reveal(self) -> dict[str, float]:
        """Return the hidden shares."""
        return self._named(self._truth)

    def board(self) -> pd.DataFrame:
        """Return all scores; after the fit also those of the truth and of a census.

        A census counts the kind of every guest who wrote a card. Even that is not the truth, as
        the guests are a random sample.
        """
        rows = [self._score("equal weights", np.full(len(self.names), 1 / len(self.names)))]
        rows += self.scores
        if any(score.name == "the fit" for score in self.scores):
            rows.append(self._score("a census", np.array(self._census)))
            rows.append(self._score("the truth", self._truth))
        return pd.DataFrame(
            {
                **{name: [score.weights[name] for score in rows] for name in self.names},
                "total variation": [score.total_variation for score in rows],
                "log-likelihood": [score.log_lik for score in rows],
                "points": [score.points for score in rows],
            },
            index=[score.name for score in rows],
        ).round(3)

    def _record(self, name: str, weights: Array) -> Score:
        self.scores = [score for score in self.scores if score.name != name]
        self.scores.append(self._score(name, weights))
        return self.scores[-1]

    def _score(self, name: str, weights: Array) -> Score:
        equal = np.full(len(weights), 1 / len(weights))
        distance = total_variation(weights, self._truth)
        points = round(100 * max(1 - distance / total_variation(equal, self._truth), 0.0))
        known = {"equal weights": self._log_lik(equal), "the truth": self._log_lik(self._truth)}
        return Score(name, self._named(weights), distance, self._log_lik(weights), points, known)

    def _log_lik(self, weights: Array) -> float:
        return float(np.log(self._likelihoods @ weights).mean())

    def _named(self, weights: Array) -> dict[str, float]:
        return {name: float(w) for name, w in zip(self.names, weights, strict=True)}


def _hidden(game: int, n: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return signed cards and the shares that they were drawn with, which are far from equal."""
    rng = np.random.default_rng([game, 17])
    kinds = list(WORDS)
    while True:
        shares = rng.dirichlet(np.ones(len(kinds)))
        equal = np.full(len(kinds), 1 / len(kinds))
        if shares.min() >= _MIN_SHARE and total_variation(shares, equal) >= _MIN_FROM_EQUAL:
            break
    truth = {name: float(share) for name, share in zip(kinds, shares, strict=True)}
    return canteen_cards(truth, n, random_state=game, signed=True), truth


def _likelihoods(personas: list[Persona], held_out: Any) -> Array:  # noqa: ANN401  a Population
    """Return p(card | kind) of each held-out card, shape `(n, K)`, exact for the toy model."""
    question, model = PromptTemplate(TEMPLATE), canteen_model()
    columns = [
        [
            score.total
            for score in model.score(
                [
                    ScoreRequest(question.render(record, persona=persona), card)
                    for record, card in zip(held_out.records, held_out.responses, strict=True)
                ]
            )
        ]
        for persona in personas
    ]
    return np.asarray(np.exp(columns).T)
