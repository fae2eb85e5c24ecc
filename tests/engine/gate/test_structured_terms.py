from __future__ import annotations

import numpy as np

from jupyter_mop.engine.gate.structured_terms import OWN_CONTEXT, OWN_SUBGROUP, StructuredTerms


def test_entries_belong_to_their_column() -> None:
    terms = StructuredTerms(
        ("age", "place"), (2, 3), np.ones((4, 5)), np.array([[0.1] * 4, [-0.1] * 4]), np.zeros(4)
    )
    assert terms.column.tolist() == [0, 0, 1, 1, 1]
    assert terms.by_column(np.arange(5.0)).tolist() == [1, 9]
    scaled = terms.scaled(np.ones((1, 5)), np.array([2.0, 3.0]))
    assert scaled.tolist() == [[2, 2, 3, 3, 3]]
    assert terms.names[2:] == ["age", "place"]
    assert terms.prior_mean.tolist() == [0, OWN_SUBGROUP / 0.1, OWN_CONTEXT, OWN_CONTEXT]
    assert len(terms.prior_sd) == 4
