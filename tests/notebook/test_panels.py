from __future__ import annotations

import pytest

from jupyter_mop import Study
from jupyter_mop.errors import NotFittedError
from jupyter_mop.notebook.panels import weights_panel


def test_before_a_fit_the_panel_shows_the_stated_weights(ready: Study) -> None:
    ready.use_personas("sunny [0.8]: You say sun.\nrainy: You say rain.")
    panel = weights_panel(ready)
    assert panel.as_dict() == pytest.approx({"sunny": 0.8, "rainy": 0.2})
    assert panel.learned == []
    assert ready.panel_weights == panel.as_dict()


def test_after_a_fit_the_panel_shows_the_learned_weights(ready: Study) -> None:
    ready.fit(n_exemplars=4, n_records=60)
    panel = weights_panel(ready)
    assert panel.as_dict() == pytest.approx(ready.weights())
    assert panel.learned == panel.weights


def test_a_simulation_uses_the_moved_weights(ready: Study) -> None:
    panel = weights_panel(ready)
    panel.weights = [0, 0, 1]
    assert ready.panel_weights == {"sunny": 0.0, "rainy": 0.0, "windy": 1.0}
    assert set(ready.simulate("a", 20, weights="panel").frame["persona"]) == {"windy"}
    panel.set_state({"weights": [0.0, 1.0, 0.0]})
    assert set(ready.simulate("b", 20, weights="panel").frame["persona"]) == {"rainy"}


def test_an_untouched_panel_changes_nothing(ready: Study) -> None:
    ready.fit(n_exemplars=4, n_records=60)
    weights_panel(ready)
    by_panel, learned = (ready.simulate("a", 60, weights=w) for w in ("panel", "learned"))
    assert by_panel.responses == learned.responses


def test_the_panel_that_was_opened_or_moved_last_is_used(ready: Study) -> None:
    first, second = weights_panel(ready), weights_panel(ready)
    first.weights = [1, 0, 0]
    assert ready.panel_weights == first.as_dict()
    second.weights = [0, 1, 0]
    assert ready.panel_weights == second.as_dict()
    third = weights_panel(ready)
    assert ready.panel_weights == third.as_dict()


def test_a_panel_of_previous_personas_is_ignored(ready: Study) -> None:
    panel = weights_panel(ready)
    ready.use_personas("sunny: You say fog.\nrainy: You say wind.\nwindy: You say sun.")
    panel.weights = [0, 1, 0]
    with pytest.raises(NotFittedError, match="No weights panel"):
        ready.simulate("a", 5, weights="panel")


def test_without_personas_there_is_no_panel(study: Study) -> None:
    with pytest.raises(NotFittedError, match="no personas yet"):
        weights_panel(study)
    assert study.panel_weights is None


def test_the_panels_say_which_one_owns_the_weights(ready: Study) -> None:
    first, second = weights_panel(ready), weights_panel(ready)
    assert (first.is_owner, second.is_owner) == (False, True)
    first.weights = [1, 0, 0]
    assert (first.is_owner, second.is_owner) == (True, False)
    ready.use_personas("sunny: You say fog.\nrainy: You say wind.\nwindy: You say sun.")
    first.weights = [0, 1, 0]
    assert first.is_owner is False
