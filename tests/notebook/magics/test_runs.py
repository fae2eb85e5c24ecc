"""The runs of a store in a notebook: listed, resumed, and not recorded for dry runs."""

from __future__ import annotations

import pytest
from IPython.utils.capture import capture_output

from jupyter_mop import Study, ToyBackend, ToyEncoder
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def study(shell, tmp_path):
    """Give the study behind the magics a store of its own."""
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "store.sqlite")
    shell.magics_manager.registry["MopMagics"].study = study
    yield study
    study.store.close()


def stop(*_):
    raise KeyboardInterrupt


def test_a_stopped_run_is_listed_and_resumed(shell, ready):
    with pytest.raises(KeyboardInterrupt):
        ready.simulate(EVIL, 20, n_candidates=1, on_step=lambda *_: stop)
    runs = shell.run_line_magic("mop_runs", "")
    assert [run.state for run in runs] == ["cancelled"]
    assert (runs[0].requested, runs[0].failed) == (20, 0)
    assert "<img" not in runs._repr_html_()
    with capture_output():
        simulation = shell.run_line_magic("mop_resume", "1")
    assert len(simulation) == 20
    assert [run.state for run in ready.runs()] == ["cancelled", "finished"]
    assert ready.backend.backend.n_generated == 20
    with pytest.raises(DataError, match="all are finished"):
        ready.resume()


def test_the_newest_run_is_listed_first(ready):
    for name in ("first", "second", "third"):
        ready.simulate(name, 3, n_candidates=1)
    shown = ready.runs()._repr_html_()
    assert [ready.runs().latest[i].arguments["name"] for i in (0, 2)] == ["third", "first"]
    places = [shown.index(f"&quot;{name}&quot;") for name in ("third", "second", "first")]
    assert places == sorted(places)
    assert [run.run for run in ready.runs()] == [1, 2, 3]


def test_other_records_are_not_resumed(ready, frame):
    with pytest.raises(KeyboardInterrupt):
        ready.simulate("s", 20, on_step=lambda *_: stop)
    ready.use_population(frame[:100], context="topic", response="text")
    with pytest.raises(DataError, match="used records that this study does not have"):
        ready.resume()


def test_a_dry_run_leaves_no_run(ready):
    assert ready.plan("simulate", n=20).calls == 80
    assert len(ready.runs()) == 0
