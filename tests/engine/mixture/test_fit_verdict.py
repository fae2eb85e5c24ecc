from __future__ import annotations

import numpy as np
import pytest

from jupyter_mop.engine.gate.cross_validation import CrossValidation
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.mixture.fit_verdict import coefficients, verdict


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
        np.array([np.zeros((1, 100)), [gain + noise]]), np.arange(100) % 4, np.ones(100)
    )


def test_a_clear_gain_is_told_with_what_weights_follow() -> None:
    text = verdict(gate(), validation(0.35), ["likelihood"])
    assert "likelier than initial ones do, by 0.35 nats a record [0.25, 0.45]" in text
    assert "Exemplars of the same rating: 6.2 times likelier." in text
    assert "note" not in text


def test_no_gain_is_told_as_plainly() -> None:
    text = verdict(gate(), validation(0.05), ["likelihood"])
    assert text.startswith("No weights beat the initial ones on held-out records")
    assert "times" not in text


def test_coefficients_are_named_and_only_levels_have_times() -> None:
    frame = coefficients(gate()).set_index("term")
    assert frame.loc["rating", "times"] == pytest.approx(6.2)
    assert np.isnan(frame.loc["note", "times"])
    assert frame.loc["persona and context", "coefficient"] == 0.5


def test_the_worth_of_each_source_is_told() -> None:
    one, other = validation(0.4).log_prob, validation(0.2).log_prob
    both = CrossValidation(np.hstack([one, other]), np.arange(100) % 4, np.ones(100))
    text = verdict(gate(), both, ["likelihood", "samples"])
    assert "by 0.30 nats a record [0.20, 0.40] on average: 0.40 nats a record [0.30, 0.50] " in text
    assert "by likelihood; 0.20 nats a record [0.10, 0.30] by samples" in text
