from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.explanation import nearest_contexts
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, NotFittedError


@pytest.fixture
def fitted(mixture: MixtureOfPersonas, population: Population) -> MixtureOfPersonas:
    mixture.l2 = 0.01
    return mixture.fit(population)


def test_weights_equal_those_of_the_gate(fitted: MixtureOfPersonas, population: Population) -> None:
    found = fitted.explain("sun at dawn", n=3)
    first = population.take([0])
    assert population.contexts[0] == found.context
    np.testing.assert_allclose(found.personas["weight"], fitted.persona_weights(first)[0])
    np.testing.assert_allclose(found.personas["overall"], fitted.persona_weights())
    exact = sum(
        weight * fitted.exemplar_weights(first, name)[0]
        for name, weight in zip(fitted.names, found.personas["weight"], strict=True)
    )
    order = np.argsort(-exact, kind="stable")[:3]
    np.testing.assert_array_equal(found.frame["exemplar"], order)
    np.testing.assert_allclose(found.frame["weight"], exact[order])
    assert list(found.frame["response"]) == [fitted.exemplars_[j].response for j in order]
    assert set(found.frame["persona"]) <= set(fitted.names)


def test_what_weights_follow_is_told_with_intervals(fitted: MixtureOfPersonas) -> None:
    found = fitted.explain("sun at dawn")
    assert found.terms.equals(fitted.coefficients())
    assert (found.terms["low"] < found.terms["times"]).all()
    sentence = next(text for text in found.sentences if "same topic" in text)
    assert sentence.startswith("exemplars of the same topic: ")
    assert "[" in sentence
    for shown in (found._repr_html_(), repr(found), fitted._repr_html_()):
        assert "exemplars of the same topic" in shown


def test_the_nearest_records_have_the_context(fitted: MixtureOfPersonas) -> None:
    nearest = fitted.explain("rain at dusk", n=4).nearest
    assert list(nearest["context"]) == ["rain at dusk"] * 4
    np.testing.assert_allclose(nearest["cosine"], 1)


def test_a_record_that_occurs_twice_is_listed_once() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    contexts, responses = ["dawn", "dawn", "dusk"], ["sun", "sun", "rain"]
    found = nearest_contexts(vectors[0], vectors, contexts, responses, n=2)
    assert found[["context", "response"]].to_numpy().tolist() == [["dawn", "sun"], ["dusk", "rain"]]


def test_a_context_can_be_given_by_its_columns(fitted: MixtureOfPersonas) -> None:
    by_text, by_column = (fitted.explain(c) for c in ("sun at dawn", {"topic": "sun at dawn"}))
    pd.testing.assert_frame_equal(by_text.frame, by_column.frame)
    assert by_column.is_known


def test_an_unknown_context_is_explained_with_a_note(fitted: MixtureOfPersonas) -> None:
    found = fitted.explain("sun at noon")
    assert not found.is_known
    assert "No record has this context" in found.note
    assert found.personas["weight"].sum() == pytest.approx(1)
    assert found.nearest["context"].iloc[0] == "sun at dawn"
    assert "No record has this context" in found._repr_html_()
    assert "No record has this context" in str(found.plot().to_dict()["title"])


@pytest.mark.parametrize("context", [{"place": "sea"}, {"topic": "sun", "more": 1}, {}])
def test_other_columns_are_refused(fitted: MixtureOfPersonas, context: dict) -> None:
    with pytest.raises(DataError, match=r"columns \['topic'\]"):
        fitted.explain(context)


@pytest.mark.parametrize("context", ["", "  ", None, 3, ["sun at dawn"], {"topic": ""}])
def test_an_invalid_context_is_refused(fitted: MixtureOfPersonas, context: object) -> None:
    with pytest.raises(DataError, match="text or a mapping"):
        fitted.explain(context)


def test_fewer_than_one_exemplar_are_refused(fitted: MixtureOfPersonas) -> None:
    with pytest.raises(DataError, match="at least 1"):
        fitted.explain("sun at dawn", n=0)


def test_an_explanation_requires_a_population(mixture: MixtureOfPersonas) -> None:
    with pytest.raises(NotFittedError):
        mixture.explain("sun at dawn")


def test_markup_stays_text(fitted: MixtureOfPersonas) -> None:
    html = fitted.explain("<img src=x onerror=alert(1)>")._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html
