from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.simulation.simulation import COLUMNS, Simulation

EVIL = "<script>alert('x')</script>"


def make(n: int = 8, response: str = "hot", **facts: object) -> Simulation:
    row = ["tea", "critic", 0, response, -1.0, 1.0, 5, 0]
    frame = pd.DataFrame([row] * n, columns=list(COLUMNS))
    pool = (Exemplar({"topic": "tea"}, "mild"),)
    return Simulation(frame, pool, {"name": "first", "weights": "uniform", **facts})


def test_length_name_responses_and_repr() -> None:
    simulation = make(3)
    assert (len(simulation), simulation.name) == (3, "first")
    assert simulation.responses == ["hot"] * 3
    assert repr(simulation) == "Simulation('first', 3 responses, weights: uniform)"
    assert Simulation(simulation.frame).name == "simulation"


def test_the_table_shows_a_few_responses_and_how_they_were_drawn() -> None:
    text = make(8, temperature=0.7, top_p=0.95, seed=3, model="hidden")._repr_html_()
    assert text.count(">hot</td>") == 5
    assert "first: 5 of 8 responses; weights: uniform" in text
    assert "temperature: 0.7, top_p: 0.95, seed: 3" in text
    assert "hidden" not in text


def test_long_responses_are_shown_in_full() -> None:
    assert "x" * 250 in make(1, "x" * 250)._repr_html_()


@pytest.mark.parametrize("column", ["context", "persona", "response"])
def test_text_of_a_model_or_a_person_is_escaped(column: str) -> None:
    simulation = make(2, name=EVIL, weights=EVIL)
    simulation.frame[column] = EVIL
    text = simulation._repr_html_()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


def test_a_missing_persona_is_an_empty_cell() -> None:
    simulation = make(1)
    simulation.frame["persona"] = None
    assert "None" not in simulation._repr_html_()
