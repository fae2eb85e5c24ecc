"""Exercise 6: a model of your own, weights without likelihoods, and what a run will cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    can_score,
)
from jupyter_mop.backends.toy import split_words
from jupyter_mop.engine.data.persona_weights import named_shares
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.metrics.divergences import total_variation
from jupyter_mop.teaching.canteen import PERSONAS, SHARES
from jupyter_mop.teaching.parsing import close, number
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right

_DESCRIPTIONS = ("You write about the portion.", "You wait in the queue.", "Local and vegan food!")
_NEAR = 0.15


@question("6.1", "your model, made by calling its class")
def parrot(answer: object) -> Verdict:
    """Judge a backend of a few lines: one word of the persona, by seed and draw."""
    if isinstance(answer, type):
        return not_yet("The class came, not a model: call it, as in Parrot().")
    if wrong := _members(answer):
        return not_yet(wrong)
    told = [_ask(answer, [text] * 12, seed=3) for text in _DESCRIPTIONS]
    if not all(isinstance(one, Completion) for answers in told for one in answers):
        return not_yet("generate returns a list with one Completion for each request, in order.")
    if wrong := _strange(told):
        return not_yet(wrong)
    if told != [_ask(answer, [text] * 12, seed=3) for text in _DESCRIPTIONS]:
        return not_yet(
            "Asked again with the same seed and draw it said something else, so nothing it said "
            "could be repeated. Make a generator from [request.seed, request.draw]."
        )
    if len({one.text for one in told[0]}) == 1:
        return not_yet("Twelve draws of one prompt all came out alike: use request.draw as well.")
    heard: list[int] = []
    _ask(answer, list(_DESCRIPTIONS), seed=1, heard=heard)
    if sorted(heard) != list(range(len(_DESCRIPTIONS))):
        return not_yet("on_result was not called for each request: progress and store hang on it.")
    return right("A model in a few lines. It has nothing to say, and all that the others need.")


def _members(model: object) -> str:
    """Say what else is wrong with the class; nothing if all is right."""
    if can_score(model):
        return "It has a method `score`, and a parrot gives no likelihoods: leave it out."
    if not isinstance(getattr(model, "fingerprint", None), str):
        return "It has no fingerprint: a text by which its answers are kept and found."
    return ""


def _strange(told: list[list[Completion]]) -> str:
    """Say which answer is no word of its persona; nothing where each is."""
    for text, answers in zip(_DESCRIPTIONS, told, strict=True):
        strange = [one.text for one in answers if one.text not in split_words(text)]
        if strange:
            return f"Told {text!r} it said {strange[0]!r}, which is no word of that."
    return ""


def _ask(
    model: object, texts: list[str], *, seed: int, heard: list[int] | None = None
) -> list[Completion]:
    prompts = [Prompt((Message("system", text), Message("user", "A card?"))) for text in texts]
    requests = [GenerationRequest(prompt, seed, draw) for draw, prompt in enumerate(prompts)]
    keep = None if heard is None else lambda index, _completion: heard.append(index)
    answers = model.generate(requests, SamplingParams(), on_result=keep)  # type: ignore[attr-defined]
    if len(answers) != len(requests):
        raise ValueError(f"{len(requests)} requests, and {len(answers)} answers")
    return list(answers)


@question("6.2", "the weights that study.match returns")
def matched(answer: Mapping[str, float], *, learned: Mapping[str, float]) -> Verdict:
    """Judge weights that were found from samples alone."""
    kinds = read_personas(PERSONAS)
    truth, fit, given = (named_shares(kinds, shares) for shares in (SHARES, learned, answer))
    off, fitted = total_variation(given, truth), total_variation(fit, truth)
    if np.allclose(given, 1 / len(kinds), atol=0.01):
        return not_yet("These are equal weights, where the match begins: let it look for others.")
    if np.allclose(given, truth, atol=1e-9):
        return not_yet("That is the truth itself, which nobody has outside of an exercise: match.")
    if off > _NEAR:
        return not_yet(f"{off:.2f} away from the truth. Simulate with equal weights, then match.")
    return right(
        f"{off:.2f} away from the truth, and the fit {fitted:.2f}. A match sees only which kinds "
        "of cards there are; a fit is told how likely each card is under each persona."
    )


@question("6.3", "the cost in US dollars, one number")
def dollars(answer: object, *, plan: CostEstimate) -> Verdict:
    """Judge a cost worked out by hand against the dry run."""
    given, price = number(answer), plan.price
    assert price is not None  # noqa: S101  the exercise states one
    wanted = price.of(plan.tokens_in, plan.tokens_out)
    alone = {
        "what the model reads": price.of(plan.tokens_in, 0),
        "what the model writes": price.of(0, plan.tokens_out),
    }
    if close(given, wanted, 0.02):
        return right(f"${wanted:.4f} for {plan.calls:,} calls, as study.plan says with no call.")
    for part, cost in alone.items():
        if close(given, cost, 0.02):
            return not_yet(f"That is {part} alone. The other half of the bill is missing.")
    if close(given, price.of(plan.tokens_out, plan.tokens_in), 0.02):
        return not_yet("The two prices are swapped: tokens in are what the model reads.")
    if close(given * 1000, wanted, 0.02) or close(given, 1000 * wanted, 0.02):
        return not_yet("A thousand times off: prices are for a million tokens.")
    if close(given * plan.calls, wanted, 0.02):
        return not_yet(f"That is one call, and there are {plan.calls:,}.")
    return not_yet("Tokens in times their price, plus tokens out times theirs, over a million.")
