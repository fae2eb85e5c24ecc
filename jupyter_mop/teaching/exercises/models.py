"""Exercise 6: a model of your own, weights without likelihoods, and the cost of a run."""

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
_N_DRAWS = 12
_MAX_DISTANCE = 0.15


@question("6.1", "your model, an instance of its class")
def parrot(answer: object) -> Verdict:
    """Judge a backend of a few lines: a random word of the persona, by seed and draw."""
    if isinstance(answer, type):
        return not_yet("This is the class, not a model: call it, as in Parrot().")
    if wrong := _wrong_attribute(answer):
        return not_yet(wrong)
    responses = _responses(answer)
    if not all(isinstance(one, Completion) for answers in responses for one in answers):
        return not_yet("generate must return a list with one Completion per request, in order.")
    if wrong := _foreign_word(responses):
        return not_yet(wrong)
    if responses != _responses(answer):
        return not_yet(
            "With the same seed and draw it answered differently, so its responses cannot be "
            "reproduced. Create the random generator from [request.seed, request.draw]."
        )
    if len({one.text for one in responses[0]}) == 1:
        return not_yet(f"All {_N_DRAWS} draws from one prompt are equal: use request.draw as well.")
    reported: list[int] = []
    _ask(answer, list(_DESCRIPTIONS), seed=1, reported=reported)
    if sorted(reported) != list(range(len(_DESCRIPTIONS))):
        return not_yet(
            "on_result was not called for each request. Progress and store depend on it."
        )
    return right("A model in a few lines. It has little to say, but everything the package needs.")


def _wrong_attribute(model: object) -> str:
    """Return what is wrong with an attribute that the package reads; empty if nothing is."""
    if can_score(model):
        return "It has a method `score`, but a parrot gives no likelihoods: leave it out."
    if not isinstance(getattr(model, "fingerprint", None), str):
        return "It has no fingerprint: a string under which its responses are cached."
    return ""


def _foreign_word(responses: list[list[Completion]]) -> str:
    """Return which response is not a word of its persona; empty if there is none."""
    for text, answers in zip(_DESCRIPTIONS, responses, strict=True):
        foreign = [one.text for one in answers if one.text not in split_words(text)]
        if foreign:
            return (
                f"For the persona {text!r} it answered {foreign[0]!r}, which is not in that text."
            )
    return ""


def _responses(model: object) -> list[list[Completion]]:
    """Return the responses of each persona, always with the same seed."""
    return [_ask(model, [text] * _N_DRAWS, seed=3) for text in _DESCRIPTIONS]


def _ask(
    model: object, texts: list[str], *, seed: int, reported: list[int] | None = None
) -> list[Completion]:
    prompts = [Prompt((Message("system", text), Message("user", "A card?"))) for text in texts]
    requests = [GenerationRequest(prompt, seed, draw) for draw, prompt in enumerate(prompts)]
    report = None if reported is None else lambda index, _completion: reported.append(index)
    answers = model.generate(requests, SamplingParams(), on_result=report)  # type: ignore[attr-defined]
    if len(answers) != len(requests):
        raise ValueError(f"{len(requests)} requests, but {len(answers)} responses")
    return list(answers)


@question("6.2", "the weights that study.match returns")
def matched(answer: Mapping[str, float], *, learned: Mapping[str, float]) -> Verdict:
    """Judge weights that were found from samples alone."""
    kinds = read_personas(PERSONAS)
    truth, fit, given = (named_shares(kinds, shares) for shares in (SHARES, learned, answer))
    distance, distance_of_fit = total_variation(given, truth), total_variation(fit, truth)
    if np.allclose(given, 1 / len(kinds), atol=0.01):
        return not_yet("These are equal weights, from which the match starts. Run the match.")
    if np.allclose(given, truth, atol=1e-9):
        return not_yet("This is the truth itself, which is never known outside an exercise: match.")
    if distance > _MAX_DISTANCE:
        return not_yet(
            f"{distance:.2f} away from the truth. Simulate with equal weights, then match."
        )
    return right(
        f"{distance:.2f} away from the truth; the fit is {distance_of_fit:.2f} away. A match sees "
        "only which cards there are; a fit also sees how likely each card is under each persona."
    )


@question("6.3", "the cost in US dollars, one number")
def dollars(answer: object, *, plan: CostEstimate) -> Verdict:
    """Judge a cost computed by hand against the dry run."""
    given, price = number(answer), plan.price
    assert price is not None  # noqa: S101  the exercise states one
    expected = price.of(plan.tokens_in, plan.tokens_out)
    parts = {
        "the input tokens": price.of(plan.tokens_in, 0),
        "the output tokens": price.of(0, plan.tokens_out),
    }
    if close(given, expected, 0.02):
        return right(f"${expected:.4f} for {plan.calls:,} calls, known before the first call.")
    for part, cost in parts.items():
        if close(given, cost, 0.02):
            return not_yet(f"This is the cost of {part} alone. The other part is missing.")
    if close(given, price.of(plan.tokens_out, plan.tokens_in), 0.02):
        return not_yet("The two prices are swapped: input tokens are those that the model reads.")
    if close(given * 1000, expected, 0.02) or close(given, 1000 * expected, 0.02):
        return not_yet("This is wrong by a factor of 1,000: prices are per million tokens.")
    if close(given * plan.calls, expected, 0.02):
        return not_yet(f"This is the cost of one call, and there are {plan.calls:,}.")
    return not_yet(
        "Input tokens times their price, plus output tokens times theirs, divided by a million."
    )
