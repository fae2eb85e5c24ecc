"""Several personas in one prompt: what is drawn, what the prompt says, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop import Simulation, Study, ToyBackend, ToyEncoder
from jupyter_mop.engine.simulation.simulation import PERSONAS_IN_PROMPT
from jupyter_mop.errors import DataError

WORDS = ["sun", "rain", "wind", "fog"]
NAMES = ["sunny", "rainy", "windy"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind."
TEMPLATE = "Say {topic}."


def frame(n: int = 480) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=4)) for _ in range(n)]
    return pd.DataFrame({"topic": ["dawn", "dusk"] * (n // 2), "text": texts})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    store = tmp_path_factory.mktemp("store") / "s.sqlite"
    study = Study(ToyBackend(WORDS, length=4), ToyEncoder(WORDS), store=store)
    study.use_personas(PERSONAS)
    study.use_population(frame(), context="topic", response="text")
    study.simulate("one", 400, template=TEMPLATE, weights="uniform", n_candidates=1)
    study.simulate("two", 400, template=TEMPLATE, weights="uniform", n_candidates=1, mix=2)
    yield study
    study.store.close()


@pytest.fixture
def two(study: Study) -> Simulation:
    return study.simulations["two"]


def test_components_are_distinct_and_follow_the_weights(study: Study) -> None:
    shares = np.array([0.6, 0.3, 0.1])
    weights = dict(zip(("sunny", "rainy", "windy"), shares, strict=True))
    records = study.target.take(study.target.draw(3000))
    drawn = study.mixture.sample_mixed(records, 3, weights=weights)
    alone = study.mixture.sample(records, weights=weights)
    pd.testing.assert_frame_equal(drawn[0], alone[["persona", "exemplar"]], check_dtype=False)
    for component, tolerance in zip(drawn, (0.03, 0.1, 0.1), strict=True):
        found = np.bincount(component["persona"], minlength=3) / 3000
        assert found == pytest.approx(shares, abs=tolerance)  # later ones are distinct from it
    pairs = np.stack([component.to_numpy() for component in drawn], axis=1)
    assert all(len({tuple(pair) for pair in row}) == 3 for row in pairs)
    same = np.mean(drawn[0]["persona"] == drawn[1]["persona"])
    assert same == pytest.approx(shares @ shares, abs=0.1)  # about independent


def test_a_prompt_has_both_personas_and_both_exemplars(two: Simulation) -> None:
    for draw in range(40):
        names = two.personas_in_prompt(draw)
        exemplars = two.exemplars_in_prompt(draw)
        turns = two.turns(draw)
        described = [f"You say {WORDS[NAMES.index(name)]}." for name in names]
        assert turns[0] == ("system", "\n\n".join(described))
        assert turns[1:-1] == [
            turn for question, response in exemplars
            for turn in (("user", question), ("assistant", response))
        ]  # fmt: skip
        assert len(set(names)) == len(names) <= 2
        assert len(exemplars) in (1, 2)
        assert len(names) + len(exemplars) > 2
    counts = Counter(len(two.personas_in_prompt(draw)) for draw in range(len(two)))
    assert counts[2] / len(two) == pytest.approx(2 / 3, abs=0.1)


def test_what_the_provenance_says_was_asked(tmp_path: Path) -> None:
    asked = []

    class Watched(ToyBackend):
        def generate(self, requests, *args, **kwds):
            asked.extend(requests)
            return super().generate(requests, *args, **kwds)

    fresh = Study(Watched(WORDS, length=4), ToyEncoder(WORDS), store=tmp_path / "fresh.sqlite")
    fresh.use_personas(PERSONAS)
    fresh.use_population(frame(), context="topic", response="text")
    made = fresh.simulate("two", 40, template=TEMPLATE, weights="uniform", mix=2, n_candidates=1)
    fresh.store.close()
    assert len(asked) == 40
    for request in asked:
        prompt = [(message.role, message.content) for message in request.prompt.messages]
        assert prompt == made.turns(request.draw)


def test_both_words_are_said(study: Study, two: Simulation) -> None:
    def share(simulation: Simulation, rows: np.ndarray, word: str) -> float:
        return float(np.mean([simulation.responses[i].split().count(word) / 4 for i in rows]))

    rows = [i for i in range(len(two)) if set(two.personas_in_prompt(i)) == {"sunny", "rainy"}]
    one = study.simulations["one"]
    sunny = np.flatnonzero(one.frame["persona"] == "sunny")
    assert share(two, rows, "rain") > share(one, sunny, "rain") + 0.1
    assert share(two, rows, "sun") > 0.25


def test_one_is_the_simulation_without_a_mix(study: Study) -> None:
    again = study.simulate(
        "again", 400, template=TEMPLATE, weights="uniform", n_candidates=1, mix=1
    )
    pd.testing.assert_frame_equal(again.frame, study.simulations["one"].frame)
    assert PERSONAS_IN_PROMPT not in again.provenance
    del study.simulations["again"]


@pytest.mark.parametrize(
    "verb",
    [
        lambda study: study.reweight("two", {"sunny": 0.8}),
        lambda study: study.reweight("two", "uniform"),
        lambda study: study.match("two"),
        lambda study: study.compare("two"),
        lambda study: study.calibrate("two", {"sun": 0.5, "other": 0.5}),
    ],
)
def test_what_needs_one_persona_is_refused(study: Study, verb: object) -> None:
    with pytest.raises(DataError, match="'two' mixes 2 personas in each prompt") as caught:
        verb(study)
    assert "without --mix" in caught.value.hint


def test_a_mix_alone_is_found_and_refused(study: Study) -> None:
    known = dict(study.simulations)
    study.simulations.pop("one")
    with pytest.raises(DataError, match="'two' mixes 2 personas"):
        study.match()
    assert study.diagnose().name == "two"
    study.simulations.update(known)


def test_alignment_estimates_and_files_work(study: Study, two: Simulation, tmp_path: Path) -> None:
    assert "two" in set(study.align("two").frame["method"])
    assert len(study.estimate("two", lambda text: "sun" in text).frame) == 1
    read = Simulation.from_csv(two.to_csv(tmp_path / "two.csv"))
    assert read.turns(3) == two.turns(3)
    assert read.personas_in_prompt(3) == two.personas_in_prompt(3)
    card = (tmp_path / "two.csv.card.md").read_text()
    assert "| mix | 2 |" in card
    assert "mix: 2" in two._repr_html_()
    assert " + " in two._repr_html_()


def test_copies_of_both_exemplars_count(study: Study, two: Simulation) -> None:
    shown = two.exemplars_in_prompt(0)[-1][1]
    responses = [shown, *two.responses[1:]]
    made = Simulation(two.frame.assign(response=responses), two.exemplars, two.provenance)
    study.simulations["copied"] = made
    found = study.diagnose("copied", copied=4)
    assert found.copies["is_copy"].iloc[0]
    assert found.effects is None
    del study.simulations["copied"]


def test_a_dry_run_counts_the_longer_prompts(study: Study) -> None:
    one, two = (study.plan("simulate", n=50, template=TEMPLATE, mix=mix, random_state=9)
                for mix in (1, 2))  # fmt: skip
    assert one.calls == two.calls
    assert two.tokens_in > 1.3 * one.tokens_in


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mix": 0}, r"`mix` \(--mix\) must be a whole number from 1 to 8, got 0"),
        ({"mix": "2"}, "must be a whole number from 1 to 8, got '2'"),
        ({"mix": 1.5}, "must be a whole number"),
        ({"mix": 2, "baseline": "fewshot"}, "not for the baseline 'fewshot'"),
        ({"mix": 9}, "from 1 to 8, got 9"),
    ],
)
def test_bad_input_gets_one_sentence(study: Study, options: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        study.simulate("bad", 20, template=TEMPLATE, **options)
    assert "bad" not in study.simulations
