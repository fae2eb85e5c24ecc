"""--dry-run, --budget and prices on the magics."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mop import Simulation, Study, ToyBackend
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.errors import BudgetError, DataError


def test_a_dry_run_of_each_magic_calls_no_model(shell: InteractiveShell, ready: Study) -> None:
    small = "--exemplars 8 --records 24 --components 4"
    plans = [
        shell.run_line_magic("mop_fit", f"--dry-run {small}"),
        shell.run_line_magic("mop_simulate", "first -n 20 --dry-run"),
        shell.run_cell_magic("mop_simulate", "first -n 20 --dry-run", "Of {topic}?"),
        shell.run_cell_magic(
            "mop_ask", '--options "sun|rain" --weights uniform --dry-run', "Well?"
        ),
    ]
    assert all(isinstance(plan, CostEstimate) and plan.calls for plan in plans)
    toy = ready.backend.backend
    assert isinstance(toy, ToyBackend)
    assert toy.n_generated == toy.n_scored == 0
    assert (ready.simulations, ready.answers, ready.mixture) == ({}, {}, None)


def test_a_budget_stops_a_run_and_a_higher_one_continues_it(
    shell: InteractiveShell, ready: Study
) -> None:
    shell.user_ns["toy"] = ToyBackend(["sun", "rain", "wind", "fog"])
    shell.run_line_magic("mop_backend", "toy --price-in 1000 --price-out 10000")
    line = "first -n 30 --candidates 1 --max-tokens 6 --weights uniform --budget"
    with capture_output(), pytest.raises(BudgetError, match="of 30 responses are finished"):
        shell.run_line_magic("mop_simulate", f"{line} 0.5")
    with capture_output():
        made = shell.run_line_magic("mop_simulate", f"{line} 5.00")
    assert isinstance(made, Simulation)
    assert made.provenance["cost"]["cache_hits"] > 0
    assert made.provenance["cost"]["usd"] < 1.5
    assert not ready.backend.meter.is_limited


def test_an_incomplete_price_is_refused(shell: InteractiveShell, ready: Study) -> None:
    before = ready.backend
    with pytest.raises(DataError, match="two numbers"):
        shell.run_line_magic("mop_backend", "local --price-in 1")
    assert ready.backend is before
