from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mop import LocalBackend, MiniLMEncoder
from jupyter_mop.backends.protocols import Completion, GenerationRequest, SamplingParams
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.datasets import load_movie_reviews
from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.persona_criteria import MAX_RUN, is_persona
from jupyter_mop.engine.synthesis.synthesis import Synthesis, synthesize_personas
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog"]
TEXTS = [f"{word} all day and {word} number {i}" for word in WORDS for i in range(8)]


class Scribe(ToyBackend):
    """A model that describes a cluster by the first of the frequent words."""

    def _draw(self, request: GenerationRequest, _params: SamplingParams) -> Completion:
        shown = request.prompt.messages[-1].content
        word = re.split("[,.]", shown.removeprefix("Frequent words: "))[0]
        return Completion(self.answer(word if "Frequent" in shown else "all", shown), 12)

    def answer(self, word: str, _shown: str) -> str:
        return f'"You write about {word} and weather. You look out of windows. You'


class Copyist(Scribe):
    """A model that quotes a whole record."""

    def answer(self, _word: str, shown: str) -> str:
        return f"You say {shown.splitlines()[-1][2:]}. You are calm."


class Parrot(Scribe):
    """A model that writes the same for every cluster."""

    def answer(self, _word: str, _shown: str) -> str:
        return "You write about weather of all kinds."


def make(texts: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": "weather", "text": texts, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="text", weight="w")


def synthesize(backend: ToyBackend, texts: list[str] = TEXTS, k: int | str = 4, **options):
    return synthesize_personas(make(texts), k, backend, ToyEncoder(WORDS), **options)


def check(made: Synthesis, texts: list[str]) -> None:
    """Check properties of every synthesis."""
    frame = made.frame
    assert read_personas(made.personas) == made.personas
    assert frame["name"].is_unique
    assert frame["description"].is_unique
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["description"].str.startswith("You ").all()
    assert set(made.nearest["persona"]) == set(frame["name"])
    assert set(made.nearest["response"]) <= set(texts)
    by_model = frame[frame["source"] == "model"]
    assert (by_model["longest_copy"] < MAX_RUN).all()
    assert all(map(is_persona, by_model["description"]))


def test_each_cluster_becomes_a_persona_written_by_the_model() -> None:
    made = synthesize(Scribe(WORDS))
    check(made, TEXTS)
    assert set(made.frame["source"]) == {"model"}
    assert set(made.frame["name"]) == set(WORDS)
    for row in made.frame.itertuples():
        text = f"You write about {row.name} and weather. You look out of windows."
        assert row.description == text
        assert row.keywords[0] == row.name
        near = made.nearest[made.nearest["persona"] == row.name]
        assert near["response"].str.contains(row.name).all()
        assert near["cosine"].is_monotonic_decreasing
    assert repr(made) == "Synthesis(4 personas: 4 in the model's words, 0 from keywords)"


@pytest.mark.parametrize("model", [ToyBackend, Copyist])
def test_without_a_valid_answer_keywords_are_used(model: type[ToyBackend]) -> None:
    backend = model(WORDS)
    made = synthesize(backend, n_draws=3)
    check(made, TEXTS)
    assert set(made.frame["source"]) == {"keywords"}
    assert set(made.frame["draws"]) == {6}
    assert backend.n_generated == 24
    for row in made.frame.itertuples():
        assert row.description.startswith(f"You often write about {row.name}")


def test_descriptions_are_distinct() -> None:
    made = synthesize(Parrot(WORDS))
    check(made, TEXTS)
    assert made.frame["source"].tolist() == ["model", "keywords", "keywords", "keywords"]


def test_the_answer_nearest_its_cluster_is_selected() -> None:
    class Wavering(Scribe):
        def answer(self, word: str, _shown: str) -> str:
            others = [w for w in WORDS if w != word]
            self.n = getattr(self, "n", -1) + 1
            topic = [f"{others[0]} and {others[1]}", f"{word} and {others[2]}", word][self.n % 3]
            return f"You write about {topic} in a few words."

    made = synthesize(Wavering(WORDS), n_draws=3)
    for row in made.frame.itertuples():
        assert row.description == f"You write about {row.name} in a few words."


def test_shares_are_by_weight_and_can_become_weights() -> None:
    weights = [4.0] * 8 + [2.0] * 8 + [1.0] * 16
    made = synthesize_personas(make(TEXTS, weights), 4, Scribe(WORDS), ToyEncoder(WORDS))
    assert made.frame["share"].tolist() == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert made.frame["name"].tolist()[:2] == ["sun", "rain"]
    assert [p.weight for p in made.personas] == [None] * 4
    assert [p.weight for p in made.weighted] == pytest.approx([0.5, 0.25, 0.125, 0.125])


def test_equal_responses_are_one_record() -> None:
    made = synthesize(Scribe(WORDS), ["sun"] * 20 + ["rain"] * 5, 2)
    check(made, ["sun", "rain"])
    assert made.frame["share"].tolist() == [0.8, 0.2]
    assert made.nearest["response"].tolist() == ["sun", "rain"]


def test_one_persona_has_all_the_weight() -> None:
    made = synthesize(Scribe(WORDS), k=1)
    assert made.frame["share"].tolist() == [1.0]
    assert len(made.personas) == 1


def test_a_voice_quotes_the_records_nearest_the_centre_and_calls_no_model() -> None:
    backend = Scribe(WORDS)
    made = synthesize(backend, form="voices")
    check(made, TEXTS)
    assert backend.n_generated == 0
    assert set(made.frame["source"]) == {"records"}
    assert made.frame["draws"].tolist() == [0] * 4
    assert repr(made) == "Synthesis(4 personas, which quote real records)"
    described = synthesize(Scribe(WORDS))
    assert made.frame["name"].tolist() == described.frame["name"].tolist()
    for row in made.frame.itertuples():
        near = made.nearest[made.nearest["persona"] == row.name]["response"].tolist()
        assert quoted_texts(row.description) == near[:3]
        assert row.longest_copy == 7


def test_a_long_record_is_quoted_alone_and_cut() -> None:
    texts = [f"{word} is here. {word} {i} {'more ' * 60}" for word in WORDS for i in range(8)]
    made = synthesize(Scribe(WORDS), texts, form="voices")
    for row in made.frame.itertuples():
        assert quoted_texts(row.description) == [f"{row.name} is here."]


def test_both_is_a_description_and_the_voice_of_the_same_cluster() -> None:
    both, described, voices = (
        synthesize(Scribe(WORDS), form=form) for form in ("both", "descriptions", "voices")
    )
    check(both, TEXTS)
    for column in ("name", "share"):
        assert both.frame[column].tolist() == described.frame[column].tolist()
    pairs = zip(described.frame["description"], voices.frame["description"], strict=True)
    assert both.frame["description"].tolist() == [f"{first}\n{second}" for first, second in pairs]
    assert set(both.frame["source"]) == {"model and records"}
    assert "4 in the model's words, 0 from keywords; all quote real records" in repr(both)


def test_the_number_of_voices_can_be_chosen() -> None:
    texts = [" ".join([word] * (i + 2) + WORDS[:i]) for word in WORDS for i in range(8)]
    made = synthesize(Scribe(WORDS), texts, "auto", form="voices", ladder=[1, 4], n_judged=8)
    assert made.frame["description"].str.startswith("You write like this: ").all()
    assert len(made) in (1, 4)


@pytest.mark.parametrize("form", ["voice", "", 3])
def test_an_unknown_form_is_refused(form: object) -> None:
    with pytest.raises(DataError, match=r"`form` \(--as\) must be one of descriptions, voices"):
        synthesize(Scribe(WORDS), form=form)


def test_a_repeated_synthesis_needs_no_call(tmp_path: Path) -> None:
    model = Scribe(WORDS)
    with Store(tmp_path / "s.sqlite") as store:
        first = synthesize(CachedBackend(model, store))
        n = model.n_generated
        again = synthesize(CachedBackend(model, store))
        assert model.n_generated == n > 0
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.nearest, again.nearest)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.lists(st.sampled_from([*WORDS, "the", "是", "1", "<b>"]), min_size=1, max_size=5),
        min_size=3, max_size=25, unique_by=tuple,
    ),
    st.integers(1, 3),
    st.sampled_from([Scribe, Copyist, Parrot, ToyBackend]),
)  # fmt: skip
def test_any_records_give_valid_personas(records, k, model) -> None:
    texts = [" ".join(words) for words in records]
    made = synthesize(model(WORDS), texts, k, n_draws=2)
    check(made, texts)
    assert 1 <= len(made) <= k


@pytest.mark.parametrize("k", [0, -3, 1.5, "many", "8", None])
def test_an_invalid_k_is_refused_without_a_call(k: object) -> None:
    model = Scribe(WORDS)
    with pytest.raises(DataError, match="whole number of at least 1"):
        synthesize(model, k=k)
    assert model.n_generated == 0


def test_more_personas_than_responses_are_refused() -> None:
    with pytest.raises(DataError, match="`k` is 3, but there are only 2 distinct"):
        synthesize(Scribe(WORDS), ["sun", "rain"] * 10, 3)


@pytest.mark.parametrize("setting", ["n_shown", "n_draws", "n_records"])
def test_an_invalid_option_is_refused(setting: str) -> None:
    with pytest.raises(DataError, match=f"`{setting}` .*must be at least 1, got 0") as caught:
        synthesize(Scribe(WORDS), **{setting: 0})
    assert caught.value.hint


def test_auto_chooses_k_and_returns_the_ladder() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join([WORDS[i % 4]] * 6 + list(rng.choice(WORDS, 4))) for i in range(300)]
    reported: list[str] = []

    def on_step(what: str, total: int):
        reported.append(what)
        seen = itertools.count(1)
        return lambda _index, _value: next(seen) <= total or pytest.fail(what)

    made = synthesize(
        Scribe(WORDS, exemplar_boost=0.1), texts, "auto", ladder=(1, 2, 4), on_step=on_step
    )
    check(made, texts)
    assert made.ladder["k"].tolist() == [1, 2, 4]
    assert made.ladder["chosen"].sum() == 1
    assert len(made) == made.ladder.loc[made.ladder["chosen"], "k"].item() == 4
    assert {"record embeddings", "personas"} < set(reported)


def test_auto_requires_a_model_that_scores() -> None:
    class WithoutScores(Scribe):
        can_score = False

    with pytest.raises(ModelError, match="Choosing k requires a model"):
        synthesize(WithoutScores(WORDS), k="auto")
    assert len(synthesize(WithoutScores(WORDS), k=4)) == 4


@pytest.mark.model
def test_the_embedded_model_summarises_clusters_of_real_reviews(tmp_path: Path) -> None:
    reviews = load_movie_reviews().sample(150, random_state=0)
    population = Population.from_frame(reviews, context="sentiment", response="review")
    with Store(tmp_path / "s.sqlite") as store:
        model = CachedBackend(LocalBackend(), store)
        made = synthesize_personas(population, 3, model, MiniLMEncoder(), n_draws=4)
    check(made, population.responses)
    assert (made.frame["source"] == "model").sum() >= 2
