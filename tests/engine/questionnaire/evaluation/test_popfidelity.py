"""Measures of simulated respondents have the values of the package popfidelity."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import popfidelity as pf
import pytest
from popfidelity import dispersion as reference

sys.path.insert(0, str(Path(__file__).parent))

from scale_and_kind import KIND, QUESTIONS, respondents, survey, value

from jupyter_mop import survey_fidelity


def cells(frame: pd.DataFrame, name: str, last: str | None = None) -> pf.Cells:
    """Return weighted option shares by age, with one option moved to the end."""
    options = list(QUESTIONS[name].options)
    options = [option for option in options if option != last] + [last] * (last is not None)
    table = frame.pivot_table("w", "age", name, "sum", fill_value=0.0).reindex(columns=options)
    total = table.sum(axis=1)
    shares = table.fillna(0).div(total, axis=0).to_numpy()
    return pf.Cells(tuple(table.index), tuple(options), shares, total.to_numpy())


def pooled(frame: pd.DataFrame, name: str) -> pf.Cells:
    """Return the option shares of all as two equal cells."""
    return cells(frame.assign(age="all"), name)


def test_values_are_those_of_popfidelity_where_both_define_the_measure() -> None:
    people, made = respondents(0), respondents(1).assign(often=lambda d: d["often"].mask(
        d["age"] == "old", "never"))  # fmt: skip
    found = survey_fidelity(survey(people), made, weight="w")
    sides = {name: (pooled(people, name), pooled(made, name)) for name in QUESTIONS}
    assert value(found, "dispersion", "often", "variance") == pytest.approx(
        reference.sd_ratio(*sides["often"]) ** 2
    )
    assert value(found, "dispersion", "kind", "entropy") == pytest.approx(
        reference.diversity_ratios(*sides["kind"])["entropy_ratio"]
    )
    for name, (real, simulated) in sides.items():
        row = reference.modal_collapse(real, simulated).iloc[0]
        mode = QUESTIONS[name].options[int(real.shares[0].argmax())]
        expected = row["model_concentration"] - row["survey_concentration"]
        assert value(found, "modal share", name, mode) == pytest.approx(expected)
    assert value(found, "group gap", "often", "age") == pytest.approx(
        gaps([(cells(people, "often"), cells(made, "often"), a) for a in (1, 2)])
    )
    last = [(cells(people, "kind", o), cells(made, "kind", o), 3) for o in KIND]
    assert value(found, "group gap", "kind", "age") == pytest.approx(gaps(last))


def gaps(cuts: list[tuple[pf.Cells, pf.Cells, int]]) -> float:
    """Return popfidelity's gap inflation, its gaps added over several cuts."""
    sums = np.zeros(2)
    for real, simulated, at in cuts:
        frame = pd.DataFrame({"cell_id": real.labels, "age": real.labels})
        found = reference.gap_inflation(
            real, simulated, pf.facets_from_frame(frame), "age", from_option=at
        )
        sums += np.abs([found["survey_gap"], found["model_gap"]])
    return float(sums[1] / sums[0])
