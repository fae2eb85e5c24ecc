"""A canteen whose guests write cards: a toy population whose truth is known.

There are four kinds of guests, each with words of its own, and words that all of them use. With a
kind's persona the toy model uses that kind's words more often, by a known amount. So the truth is
known exactly, and every estimate can be compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import GenerationRequest, SamplingParams
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.study.study import Study

WORDS = {
    "hungry": ("portion", "plate", "full"),
    "thrifty": ("price", "cheap", "pay"),
    "green": ("vegan", "local", "organic"),
    "hurried": ("queue", "fast", "wait"),
}
SHARED_WORDS = ("food", "today", "again", "nice")
PERSONAS = """
hungry: You write about the portion, the plate, and whether you are full.
thrifty: You write about the price, what is cheap, and what you pay.
green: You write about what is vegan, local or organic.
hurried: You write about the queue, what is fast, and how long you wait.
"""
MEALS = ("lunch", "dinner")
TEMPLATE = "Write a card about {meal}."
SHARES = {"hungry": 0.45, "thrifty": 0.3, "green": 0.05, "hurried": 0.2}
N_CARDS = 600
N_WORDS = 5
AS_IS = SamplingParams(temperature=1.0, top_p=1.0)


def canteen_model() -> ToyBackend:
    """Return the toy model of the canteen, which follows personas and ignores exemplars.

    Examples
    --------
    >>> model = canteen_model()
    >>> len(model.vocabulary), model.exemplar_boost
    (16, 0.0)
    """
    return ToyBackend(_vocabulary(), length=N_WORDS, persona_boost=2.5, exemplar_boost=0.0)


def canteen_cards(
    shares: Mapping[str, float] | None = None,
    n: int = N_CARDS,
    *,
    random_state: int = 0,
    signed: bool = False,
) -> pd.DataFrame:
    """Return `n` cards by guests with known shares of each kind.

    Parameters
    ----------
    shares : mapping of str to float, optional
        Share of each kind; kinds without one share the rest. Default: `SHARES`.
    n : int
        Number of cards.
    random_state : int
        Seed.
    signed : bool
        Whether to add the column `guest`, the kind that wrote the card, which is never known
        outside an exercise.

    Returns
    -------
    pandas.DataFrame
        Columns `meal` and `card`, `n` rows.

    Examples
    --------
    >>> canteen_cards({"green": 1.0}, n=200, signed=True)["guest"].unique().tolist()
    ['green']
    >>> list(canteen_cards(n=8))
    ['meal', 'card']
    """
    kinds, rng = read_personas(PERSONAS), np.random.default_rng(random_state)
    guests = rng.choice(len(kinds), n, p=named_shares(kinds, SHARES if shares is None else shares))
    meals, question = rng.choice(MEALS, n), PromptTemplate(TEMPLATE)
    prompts = [
        question.render({"meal": m}, persona=kinds[k]) for m, k in zip(meals, guests, strict=True)
    ]
    requests = [GenerationRequest(p, random_state, draw) for draw, p in enumerate(prompts)]
    cards = [completion.text for completion in canteen_model().generate(requests, AS_IS)]
    names = [kinds[k].name for k in guests]
    frame = pd.DataFrame({"guest": names, "meal": meals, "card": cards})
    return frame if signed else frame.drop(columns="guest")


def canteen_study(
    cards: pd.DataFrame | None = None, personas: object = PERSONAS, *, mute: bool = False
) -> Study:
    """Return a study of the canteen: toy model, toy encoder, personas, and cards, half held out.

    Parameters
    ----------
    cards : DataFrame, optional
        Columns `meal` and `card`; default: `canteen_cards()`.
    personas : object
        Anything that `read_personas` reads; default: the four kinds of guests.
    mute : bool
        Whether the model reports no likelihoods, like most models behind an endpoint.

    Examples
    --------
    >>> study = canteen_study(canteen_cards(n=40))
    >>> study.population, len(study.target)
    (Population(20 records, context: meal, response: card), 20)
    """
    model = canteen_model()
    if mute:
        model.can_score = False
    study = Study(model, ToyEncoder(_vocabulary()))
    study.use_personas(personas)
    rows = canteen_cards() if cards is None else cards
    study.use_population(rows, context="meal", response="card")
    return study


def _vocabulary() -> tuple[str, ...]:
    return (*(word for words in WORDS.values() for word in words), *SHARED_WORDS)
