from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.gate.bootstrap_refits import RefittedWeights
from jupyter_mop.engine.gate.component_scores import Components, ComponentScores
from jupyter_mop.engine.gate.cross_validation import CrossValidation, Penalties
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.mixture.fit_verdict import (
    coefficients,
    term_sentences,
    unsupported,
    verdict,
)


def gate() -> Gate:
    blocks = np.hstack([np.eye(4)[:, :2], np.eye(4)])
    terms = StructuredTerms(
        ("rating", "note"), (2, 4), blocks, np.zeros((2, 4)), np.full(4, -np.log(4))
    )
    start = Gate.start(np.eye(4)[:2], np.eye(4), rank=2, terms=terms)
    theta = start.theta
    theta[-4:] = [0.5, 0.0, np.log(6.2), 1.0]
    return start.with_theta(theta)


def validation(gain: float) -> CrossValidation:
    noise = np.where(np.arange(100) % 2, 0.5, -0.5)
    return CrossValidation(
        np.array([np.zeros((1, 100)), [gain + noise]]),
        (Penalties(),),
        np.arange(100) % 4,
        np.ones(100),
    )


def test_a_clear_gain_is_told_with_what_weights_follow() -> None:
    text = verdict(gate(), validation(0.35), ["likelihood"])
    assert "likelier than initial ones do, by 0.35 nats a record [0.25, 0.45]" in text
    assert "Exemplars of the same rating: 6.2 times likelier, initially 20." in text
    assert "note" not in text


def test_no_gain_is_told_as_plainly() -> None:
    text = verdict(gate(), validation(0.05), ["likelihood"])
    assert text.startswith("No weights beat the initial ones on held-out records")
    assert "times" not in text


def test_coefficients_are_named_with_how_much_likelier_a_step_is() -> None:
    frame = coefficients(gate()).set_index("term")
    assert frame.loc["rating", "times"] == pytest.approx(6.2)
    assert frame.loc["note", "times"] == pytest.approx(np.exp(0.1))
    assert frame.loc["persona and context", "coefficient"] == 0.5
    assert frame.loc["rating", "initial"] == pytest.approx(np.exp(3))
    assert frame["low"].isna().all()
    assert list(frame["step"]) == [0.1, 0.1, 1, 0.1]


def test_intervals_of_coefficients_come_from_refits() -> None:
    """Sixty coefficients with a standard deviation of .3: the ends are 2.0 of these away."""
    found = gate()
    noise = 0.3 * np.random.default_rng(0).normal(size=(60, 4))
    refits = found.a + (noise - noise.mean(0)) / noise.std(0, ddof=1) * 0.3
    draws = RefittedWeights(np.ones(2) / 2, found.a, np.full((60, 2), 0.5), refits)
    frame = coefficients(found, draws).set_index("term")
    reach = np.exp(2.001 * 0.3)
    assert frame.loc["rating", "low"] == pytest.approx(6.2 / reach, rel=1e-3)
    assert frame.loc["rating", "high"] == pytest.approx(6.2 * reach, rel=1e-3)
    assert "Exemplars of the same rating: 6.2 times likelier [3.4, 11], initially 20." in (
        verdict(found, validation(0.35), refitted=draws)
    )


def test_every_term_is_told_in_words() -> None:
    found = gate()
    assert term_sentences(coefficients(found)) == [
        (
            "personas like the context: 1.1 times likelier for each 0.1 of cosine similarity, "
            "initially 1"
        ),
        (
            "exemplars like the persona's description: 1 times likelier for each 0.1 of cosine "
            "similarity, as initially"
        ),
        "exemplars of the same rating: 6.2 times likelier, initially 20",
        (
            "exemplars of a similar note: 1.1 times likelier for each 0.1 of cosine similarity, "
            "initially 1.3"
        ),
    ]
    assert "same rating: 20 times likelier, as initially" in term_sentences(
        coefficients(found.prior)
    )[2]  # fmt: skip


def test_a_persona_that_makes_no_record_likelier_is_named() -> None:
    components = Components(np.array([0, 0, 1, 1]), np.array([0, 1] * 2), np.zeros(4, dtype=int))
    start = Gate.start(np.eye(4)[:2], np.eye(4), rank=2)
    for last, expected in ((-5.0, "No record supports the persona 'b'."), (-1.0, "")):
        scores = ComponentScores(
            np.eye(4)[:2], components, np.array([-1.0, -3.0, -2.0, last]),
            np.zeros((2, 4), dtype=bool), np.ones(2),
        )  # fmt: skip
        assert unsupported(["a", "b"], start, scores) == expected


def test_the_worth_of_each_source_is_told() -> None:
    one, other = validation(0.4).log_prob, validation(0.2).log_prob
    both = CrossValidation(
        np.hstack([one, other]), (Penalties(),), np.arange(100) % 4, np.ones(100)
    )
    text = verdict(gate(), both, ["likelihood", "samples"])
    assert "by 0.30 nats a record [0.20, 0.40] on average: 0.40 nats a record [0.30, 0.50] " in text
    assert "by likelihood; 0.20 nats a record [0.10, 0.30] by samples" in text
