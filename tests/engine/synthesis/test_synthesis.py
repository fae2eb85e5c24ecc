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
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.persona_prompt import MOST_COPIED, is_persona
from jupyter_mop.engine.synthesis.synthesis import Synthesis, synthesize_personas
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind", "fog"]
SAID = [f"{word} all day and {word} number {i}" for word in WORDS for i in range(8)]


class Scribe(ToyBackend):
    """A model that sums up what it is shown by the first of the frequent words."""

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
    """A model that says the same of everybody."""

    def answer(self, _word: str, _shown: str) -> str:
        return "You write about weather of all kinds."


def make(said: list[str], weights: list[float] | None = None) -> Population:
    frame = pd.DataFrame({"topic": "weather", "said": said, "w": weights or 1.0})
    return Population.from_frame(frame, context="topic", response="said", weight="w")


def synthesize(backend: ToyBackend, said: list[str] = SAID, k: int | str = 4, **options):
    return synthesize_personas(make(said), k, backend, ToyEncoder(WORDS), **options)


def check(made: Synthesis, said: list[str]) -> None:
    """Assert what holds of every synthesis."""
    frame = made.frame
    assert read_personas(made.personas) == made.personas
    assert frame["name"].is_unique
    assert frame["description"].is_unique
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["description"].str.startswith("You ").all()
    assert set(made.nearest["persona"]) == set(frame["name"])
    assert set(made.nearest["response"]) <= set(said)
    by_model = frame[frame["source"] == "model"]
    assert (by_model["longest_copy"] < MOST_COPIED).all()
    assert all(map(is_persona, by_model["description"]))


def test_each_group_becomes_a_persona_in_the_models_words() -> None:
    made = synthesize(Scribe(WORDS))
    check(made, SAID)
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
def test_where_no_answer_will_do_keywords_stand_in_and_it_says_so(model: type[ToyBackend]) -> None:
    backend = model(WORDS)
    made = synthesize(backend, n_draws=3)
    check(made, SAID)
    assert set(made.frame["source"]) == {"keywords"}
    assert set(made.frame["draws"]) == {6}
    assert backend.n_generated == 24
    for row in made.frame.itertuples():
        assert row.description.startswith(f"You often write about {row.name}")


def test_only_one_persona_may_have_the_same_words() -> None:
    made = synthesize(Parrot(WORDS))
    check(made, SAID)
    assert made.frame["source"].tolist() == ["model", "keywords", "keywords", "keywords"]


def test_the_answer_nearest_its_group_is_taken() -> None:
    class Wavering(Scribe):
        def answer(self, word: str, _shown: str) -> str:
            others = [w for w in WORDS if w != word]
            self.n = getattr(self, "n", -1) + 1
            topic = [f"{others[0]} and {others[1]}", f"{word} and {others[2]}", word][self.n % 3]
            return f"You write about {topic} in a few words."

    made = synthesize(Wavering(WORDS), n_draws=3)
    for row in made.frame.itertuples():
        assert row.description == f"You write about {row.name} in a few words."


def test_shares_are_by_weight_and_become_weights_on_request() -> None:
    weights = [4.0] * 8 + [2.0] * 8 + [1.0] * 16
    made = synthesize_personas(make(SAID, weights), 4, Scribe(WORDS), ToyEncoder(WORDS))
    assert made.frame["share"].tolist() == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert made.frame["name"].tolist()[:2] == ["sun", "rain"]
    assert [p.weight for p in made.personas] == [None] * 4
    assert [p.weight for p in made.weighted] == pytest.approx([0.5, 0.25, 0.125, 0.125])


def test_duplicates_are_one_record_each_and_shown_once() -> None:
    made = synthesize(Scribe(WORDS), ["sun"] * 20 + ["rain"] * 5, 2)
    check(made, ["sun", "rain"])
    assert made.frame["share"].tolist() == [0.8, 0.2]
    assert made.nearest["response"].tolist() == ["sun", "rain"]


def test_one_persona_is_everybody() -> None:
    made = synthesize(Scribe(WORDS), k=1)
    assert made.frame["share"].tolist() == [1.0]
    assert len(made.personas) == 1


def test_the_seed_decides_and_the_store_answers_the_second_time(tmp_path: Path) -> None:
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
def test_whatever_was_said_the_personas_can_be_used(said, k, model) -> None:
    texts = [" ".join(words) for words in said]
    made = synthesize(model(WORDS), texts, k, n_draws=2)
    check(made, texts)
    assert 1 <= len(made) <= k


@pytest.mark.parametrize("k", [0, -3, 1.5, "many", "8", None])
def test_an_impossible_number_is_one_sentence_and_asks_nothing(k: object) -> None:
    model = Scribe(WORDS)
    with pytest.raises(DataError, match="whole number of 1 or more"):
        synthesize(model, k=k)
    assert model.n_generated == 0


def test_more_personas_than_responses_is_one_sentence() -> None:
    with pytest.raises(DataError, match="2 different responses, too few for 3 personas"):
        synthesize(Scribe(WORDS), ["sun", "rain"] * 10, 3)


@pytest.mark.parametrize("setting", ["n_shown", "n_draws", "n_records"])
def test_an_impossible_setting_is_one_sentence(setting: str) -> None:
    with pytest.raises(DataError, match="must be 1 or more") as caught:
        synthesize(Scribe(WORDS), **{setting: 0})
    assert caught.value.hint


def test_auto_chooses_k_and_shows_its_ladder() -> None:
    rng = np.random.default_rng(0)
    said = [" ".join([WORDS[i % 4]] * 6 + list(rng.choice(WORDS, 4))) for i in range(300)]
    told: list[str] = []

    def on_step(what: str, total: int):
        told.append(what)
        seen = itertools.count(1)
        return lambda _index, _value: next(seen) <= total or pytest.fail(what)

    made = synthesize(
        Scribe(WORDS, exemplar_boost=0.1), said, "auto", ladder=(1, 2, 4), on_step=on_step
    )
    check(made, said)
    assert made.ladder["k"].tolist() == [1, 2, 4]
    assert made.ladder["chosen"].sum() == 1
    assert len(made) == made.ladder.loc[made.ladder["chosen"], "k"].item() == 4
    assert {"vectors of records", "personas"} < set(told)


def test_auto_needs_a_model_that_scores() -> None:
    class Mute(Scribe):
        can_score = False

    with pytest.raises(ModelError, match="k cannot be chosen"):
        synthesize(Mute(WORDS), k="auto")
    assert len(synthesize(Mute(WORDS), k=4)) == 4


@pytest.mark.model
def test_the_embedded_model_sums_up_groups_of_real_reviews(tmp_path: Path) -> None:
    reviews = load_movie_reviews().sample(150, random_state=0)
    population = Population.from_frame(reviews, context="sentiment", response="review")
    with Store(tmp_path / "s.sqlite") as store:
        model = CachedBackend(LocalBackend(), store)
        made = synthesize_personas(population, 3, model, MiniLMEncoder(), n_draws=4)
    check(made, population.responses)
    assert (made.frame["source"] == "model").sum() >= 2
