from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.protocols import OnScores, ScoreRequest, TokenScores
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.gate.held_out import LEARNED, UNIFORM
from jupyter_mop.engine.generation.simulation_options import SimulationOptions
from jupyter_mop.engine.mixture import simulating
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, ModelError, NotFittedError

AS_IS = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 64}
WEATHER = ["sun", "rain", "snow", "wind", "fog", "hail"]
FOUR = "a: You say sun.\nb: You say rain.\nc: You say snow.\nd: You say wind."
TRUE = {"a": 0.5, "b": 0.25, "c": 0.15, "d": 0.1}


class RecordingBackend(ToyBackend):
    """Records its score requests."""

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        self.requests = [*getattr(self, "requests", []), *requests]
        return super().score(requests, on_result=on_result)


class BackendWithoutScores(ToyBackend):
    can_score = False


def four(**options: object) -> MixtureOfPersonas:
    backend = ToyBackend(WEATHER, length=6, exemplar_boost=options.pop("exemplar_boost", 0.0))
    return MixtureOfPersonas(FOUR, backend, ToyEncoder(WEATHER), **options)


def simulated_population(n: int, seed: int = 3) -> Population:
    """Return `n` records that the four personas generate with their true weights."""
    seeds = [" ".join([word] * (i + 1)) for i, word in enumerate(WEATHER)]
    frame = pd.DataFrame({"topic": "weather", "text": seeds})
    source = four().initialise(Population.from_frame(frame, context="topic", response="text"))
    texts = source.simulate(n, weights=TRUE, **AS_IS, random_state=seed).responses
    frame = pd.DataFrame({"topic": "weather", "text": texts})
    return Population.from_frame(frame, context="topic", response="text")


def variation(weights: np.ndarray) -> float:
    return float(0.5 * np.abs(weights - np.array(list(TRUE.values()))).sum())


def test_a_fit_recovers_the_true_weights() -> None:
    population = simulated_population(2000)
    mixture = four(n_exemplars=4, n_records=2000).fit(population)
    assert variation(mixture.persona_weights()) < 0.05
    assert mixture.report_.set_index("model").loc[LEARNED, "gain_low"] > 0


def test_a_truncated_sum_ranks_the_personas_correctly() -> None:
    mixture = four(n_exemplars=8, n_records=1000, n_components=8).fit(simulated_population(1000))
    weights = mixture.persona_weights()
    assert variation(weights) < 0.5 * variation(np.full(4, 0.25))
    assert list(np.argsort(-weights)[:2]) == [0, 1]


def test_weights_depend_on_the_context(mixture: MixtureOfPersonas, population: Population) -> None:
    mixture.backend = ToyBackend(mixture.backend.vocabulary, exemplar_boost=0.0)
    mixture.fit(population)
    dawn, dusk = mixture.persona_weights(population)[:2]
    assert dawn[0] > dusk[0] + 0.1
    assert dusk[1] > dawn[1] + 0.1
    gain = mixture.report_.set_index("model").loc[LEARNED]
    assert gain["gain_low"] > 0


def test_an_exemplar_similar_to_the_context_gets_more_weight() -> None:
    """Responses to fog contain fog, so an exemplar about fog makes them more likely."""
    rng = np.random.default_rng(0)
    topics = ["fog", "sun"] * 120
    texts = [" ".join([*[topic] * 3, *rng.choice(WEATHER, size=3)]) for topic in topics]
    frame = pd.DataFrame({"topic": topics, "text": texts})
    population = Population.from_frame(frame, context="topic", response="text")
    settings = {"n_exemplars": 12, "n_records": 240, "n_components": 48, "l2": 0.01}
    mixture = four(exemplar_boost=1.0, **settings)
    weights = mixture.fit(population).exemplar_weights(population.take([0, 1]), "d")
    about_fog = np.array([e.record["topic"] == "fog" for e in mixture.exemplars_])
    assert about_fog.sum() == 6
    assert weights[0, about_fog].sum() > 0.8
    assert weights[1, ~about_fog].sum() > 0.8
    assert mixture.report_.set_index("model").loc[LEARNED, "gain_low"] > 0


def test_no_record_is_scored_with_its_own_response_as_exemplar(population: Population) -> None:
    backend = RecordingBackend(["sun", "rain", "wind", "fog"])
    mixture = MixtureOfPersonas(
        FOUR, backend, ToyEncoder(backend.vocabulary), n_exemplars=30, n_components=12
    )
    mixture.fit(population)
    mixture.log_prob(population.take(range(10)))
    shown = [r.prompt.messages[2] for r in backend.requests]
    assert {message.role for message in shown} == {"assistant"}
    assert len(backend.requests) > 500
    assert {e.response for e in mixture.exemplars_} & set(population.responses)
    pairs = zip(shown, backend.requests, strict=True)
    assert not any(message.content == request.response for message, request in pairs)


def test_more_components_than_exist_scores_all_of_them() -> None:
    population = simulated_population(60)
    n_scored, weights = [], []
    for n_components in (4 * 5, 4 * 5 + 1, 10**9):
        mixture = four(n_exemplars=5, n_components=n_components).fit(population)
        n_scored.append(mixture.backend.n_scored)
        weights.append(mixture.gate_.theta)
    assert len(mixture.exemplars_) == 5
    assert n_scored[0] == n_scored[1] == n_scored[2] > 60 * 4 * 3
    assert (weights[0] == weights[1]).all()
    assert (weights[0] == weights[2]).all()


@pytest.mark.parametrize("n_components", [8, 1000])
def test_each_component_is_scored_once(n_components: int) -> None:
    texts = [f"{a} {b} {c}" for a in WEATHER for b in WEATHER[:4] for c in WEATHER[:3]]
    frame = pd.DataFrame({"topic": "weather", "text": texts})
    population = Population.from_frame(frame, context="topic", response="text")
    backend = RecordingBackend(WEATHER)
    mixture = MixtureOfPersonas(
        FOUR, backend, ToyEncoder(WEATHER), n_exemplars=10, n_components=n_components
    )
    mixture.fit(population)
    assert len(set(backend.requests)) == len(backend.requests)
    per_record = pd.Series([request.response for request in backend.requests]).value_counts()
    assert len(per_record) == 72
    assert per_record.max() <= 40


def test_repeated_fits_and_simulations_need_no_call(tmp_path: Path, population: Population) -> None:
    toy, toy_encoder = ToyBackend(["sun", "rain", "wind", "fog"]), None
    toy_encoder = ToyEncoder(toy.vocabulary)
    with Store(tmp_path / "s.sqlite") as store:
        runs = []
        for _ in range(2):
            cached = CachedBackend(toy, store), CachedEncoder(toy_encoder, store)
            mixture = MixtureOfPersonas(FOUR, *cached, n_exemplars=10, n_components=8)
            mixture.fit(population)
            responses = mixture.simulate(50).responses
            counts = (toy.n_scored, toy.n_generated, toy_encoder.n_encoded)
            runs.append((mixture.gate_.theta.tolist(), responses, counts))
    assert runs[0] == runs[1]
    assert runs[0][2][1] == 50


def test_fit_and_simulation_depend_on_the_seed_only(population: Population) -> None:
    def run(seed: int) -> tuple[list[float], list[str]]:
        mixture = four(n_components=8, n_exemplars=8, random_state=seed)
        mixture.backend = ToyBackend([*WEATHER])
        mixture.fit(population)
        simulation = mixture.simulate(40, random_state=seed)
        return mixture.gate_.theta.tolist(), simulation.responses

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_simulation_depends_on_its_own_seed_only(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.initialise(population)
    first, again, other = (mixture.simulate(40, random_state=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert first.responses != other.responses


def test_survey_weights_count_once() -> None:
    """A weight of three counts as three records."""
    words = ["sun", "rain"]
    texts = [f"{'sun ' * 6}{'rain ' * (i % 2)}" for i in range(150)]
    texts += [f"{'rain ' * 6}{'sun ' * (i % 2)}" for i in range(150)]
    frame = pd.DataFrame({"topic": "weather", "text": texts, "w": np.repeat([3.0, 1.0], 150)})
    population = Population.from_frame(frame, context="topic", response="text", weight="w")
    mixture = MixtureOfPersonas(
        "a: You say sun.\nb: You say rain.",
        ToyBackend(words, exemplar_boost=0.0),
        ToyEncoder(words),
        n_records=300,
    )
    assert mixture.fit(population).persona_weights()[0] == pytest.approx(0.75, abs=0.04)


def test_training_and_held_out_records_are_disjoint() -> None:
    texts = [f"{a} {b} {c}" for a in WEATHER for b in WEATHER[:4] for c in WEATHER[:3]]
    weights = np.r_[np.full(4, 50.0), np.ones(60), np.zeros(8)]
    frame = pd.DataFrame({"topic": "weather", "text": texts, "w": weights})
    population = Population.from_frame(frame, context="topic", response="text", weight="w")
    backend = RecordingBackend(WEATHER)
    mixture = MixtureOfPersonas(FOUR, backend, ToyEncoder(WEATHER), n_exemplars=72)
    mixture.fit(population)
    assert len({request.response for request in backend.requests}) == 64
    assert len(mixture.exemplars_) == 64


@pytest.mark.parametrize("n", [1, 7])
def test_too_few_records_are_refused(
    mixture: MixtureOfPersonas, population: Population, n: int
) -> None:
    with pytest.raises(DataError, match=f"at least 8 records to fit, got {n}") as caught:
        mixture.fit(population.take(range(n)))
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"n_records": 0},
        {"n_records": 7},
        {"n_records": -1},
        {"n_components": 0},
        {"n_components": -5},
        {"n_exemplars": 0},
        {"n_exemplars": -1},
        {"rank": 0},
        {"l2": -1.0},
        {"l2": float("nan")},
    ],
)
def test_invalid_options_are_refused_before_any_call(
    population: Population, options: dict[str, float]
) -> None:
    backend = ToyBackend(["sun", "rain", "wind", "fog"])
    with pytest.raises(DataError) as caught:
        MixtureOfPersonas(FOUR, backend, ToyEncoder(backend.vocabulary), **options).fit(population)
    assert next(iter(options)) in str(caught.value)
    assert backend.n_scored == 0


def test_a_fit_works_on_the_minimum_number_of_records(population: Population) -> None:
    mixture = four(n_exemplars=8)
    mixture.fit(population.take(range(8)))
    assert mixture.persona_weights().sum() == pytest.approx(1)


def test_a_model_that_cannot_score_is_fitted_by_samples_only(population: Population) -> None:
    backend = BackendWithoutScores(["sun", "rain", "wind", "fog"])
    mixture = MixtureOfPersonas(FOUR, backend, ToyEncoder(backend.vocabulary), by="likelihood")
    with pytest.raises(ModelError):
        mixture.fit(population)
    assert not mixture.is_fitted
    assert len(mixture.simulate(5, weights="uniform")) == 5
    mixture.by = None
    report = mixture.fit(population).report_.set_index("model")
    assert report.loc[UNIFORM, "log_ratio"] == 0


def test_a_template_with_an_unknown_column_is_refused(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.template = "What of {genre}?"
    with pytest.raises(DataError, match="genre"):
        mixture.fit(population)
    assert mixture.backend.n_scored == 0
    mixture.template = None
    mixture.initialise(population)
    with pytest.raises(DataError, match="text"):
        mixture.simulate(5, template="{topic}{text}")
    assert mixture.backend.n_generated == 0


def test_the_default_template_is_the_context(mixture: MixtureOfPersonas) -> None:
    frame = pd.DataFrame({"age": [20] * 9, "topic": "tea", "text": ["sun", "rain", "fog"] * 3})
    population = Population.from_frame(frame, context=["age", "topic"], response="text")
    assert mixture.initialise(population).template_.text == "{age}, {topic}"
    assert mixture.template is None


def test_other_contexts_with_other_columns_are_refused(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.initialise(population)
    frame = pd.DataFrame({"place": ["hill"], "text": ["sun"]})
    hills = Population.from_frame(frame, context="place", response="text")
    for template in (None, "What of {place}?"):
        with pytest.raises(DataError):
            mixture.simulate(5, hills, template=template)
    assert len(mixture.simulate(5, hills, template="{place}?", baseline="plain")) == 5


def everything(mixture: MixtureOfPersonas, population: Population) -> np.ndarray:
    """Return log(pi Omega p) of every allowed component by loops, shape (n, K, J)."""
    pi = mixture.persona_weights(population)
    joint = np.full((len(population), len(mixture.personas), len(mixture.exemplars_)), -np.inf)
    for k, persona in enumerate(mixture.personas):
        omega = mixture.exemplar_weights(population, persona.name)
        for i, response in enumerate(population.responses):
            allowed = [e.response != response for e in mixture.exemplars_]
            shares = omega[i] * allowed / (omega[i] * allowed).sum()
            for j in np.flatnonzero(allowed):
                prompt = mixture.template_.render(
                    population.records[i], persona=persona, exemplars=(mixture.exemplars_[j],)
                )
                total = mixture.backend.score([ScoreRequest(prompt, response)])[0].total
                joint[i, k, j] = np.log(pi[i, k] * shares[j]) + total
    return joint


def test_log_prob_score_and_responsibilities_equal_naive_sums(
    mixture: MixtureOfPersonas, frame: pd.DataFrame
) -> None:
    frame = frame.assign(w=np.arange(len(frame)) % 3 + 0.5)
    population = Population.from_frame(frame, context="topic", response="text", weight="w")
    part = mixture.fit(population).population_.take(range(9))
    joint = everything(mixture, part)
    log_prob = np.logaddexp.reduce(joint.reshape(9, -1), axis=1)
    np.testing.assert_allclose(mixture.log_prob(part), log_prob)
    assert mixture.score(part) == pytest.approx(np.average(log_prob, weights=part.weights))
    found = mixture.responsibilities(part)
    np.testing.assert_allclose(found, np.exp(joint - log_prob[:, None, None]).sum(2), atol=1e-9)
    np.testing.assert_allclose(found.sum(1), 1)


def test_weights_are_distributions(mixture: MixtureOfPersonas, population: Population) -> None:
    mixture.fit(population)
    assert mixture.persona_weights().shape == (3,)
    rows = mixture.persona_weights(population)
    np.testing.assert_allclose(rows.sum(1), 1)
    np.testing.assert_allclose(rows.mean(0), mixture.persona_weights())
    shown = mixture.exemplar_weights(population, "rainy")
    assert shown.shape == (120, 6)
    np.testing.assert_allclose(shown.sum(1), 1)


def marginal(mixture: MixtureOfPersonas, population: Population, weights: object) -> list[float]:
    gate = mixture.gate_for(weights)
    contexts = mixture.encode_contexts(population.contexts)
    return [round(float(w), 6) for w in gate.persona_weights(contexts)]


def test_weights_by_word_and_by_name(mixture: MixtureOfPersonas, population: Population) -> None:
    mixture.personas = MixtureOfPersonas(
        "sunny [0.5]: You say sun.\nrainy [0.2]: You say rain.\nwindy: You say wind.",
        mixture.backend,
        mixture.encoder,
    ).personas
    mixture.initialise(population)
    assert marginal(mixture, population, None) == [0.5, 0.2, 0.3]
    assert marginal(mixture, population, "uniform") == [round(1 / 3, 6)] * 3
    mixture.fit(population)
    learned = marginal(mixture, population, "learned")
    assert learned == marginal(mixture, population, None) != [0.5, 0.2, 0.3]
    assert marginal(mixture, population, "stated") == [0.5, 0.2, 0.3]
    assert marginal(mixture, population, {"sunny": 0.8}) == [0.8, 0.1, 0.1]
    assert marginal(mixture, population, {"sunny": 3, "rainy": 1, "windy": 0}) == [0.75, 0.25, 0]


def test_named_weights_keep_the_learned_exemplar_weights(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.fit(population)
    contexts, k = mixture.context_vectors[0][:2], np.zeros(2, np.intp)
    named, learned, uniform = (
        mixture.gate_for(w).exemplar_log_weights(contexts, k)
        for w in ({"sunny": 0.9}, "learned", "uniform")
    )
    np.testing.assert_allclose(named, learned)
    np.testing.assert_allclose(np.exp(uniform), 1 / 6)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("random", ["'random'", "uniform"]),
        ("panel", ["'panel'"]),
        ({"suny": 0.5}, ["'suny'", "'sunny'"]),
        ({"sunny": -0.5}, ["'sunny'", "zero or more"]),
        ({"sunny": float("nan")}, ["'sunny'"]),
        ({"sunny": "half"}, ["'sunny'", "number"]),
        ({"sunny": 1.5}, ["1.5"]),
        ({"sunny": 0, "rainy": 0, "windy": 0}, ["sum to zero"]),
    ],
)
def test_invalid_weights_are_refused(
    mixture: MixtureOfPersonas, population: Population, weights: object, words: list[str]
) -> None:
    mixture.initialise(population)
    with pytest.raises(DataError) as caught:
        mixture.simulate(5, weights=weights)
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)
    assert mixture.backend.n_generated == 0


def test_results_before_a_fit_are_refused_with_a_hint(
    mixture: MixtureOfPersonas, population: Population, tmp_path: Path
) -> None:
    for ask in (
        mixture.simulate,
        mixture.persona_weights,
        mixture.gate_for,
        lambda: mixture.persona_weights(population),
        lambda: mixture.exemplar_weights(population, "sunny"),
        lambda: mixture.log_prob(population),
        lambda: mixture.score(population),
        lambda: mixture.responsibilities(population),
        lambda: mixture.sample(population),
        lambda: mixture.save(tmp_path),
    ):
        with pytest.raises(NotFittedError) as caught:
            ask()
        assert caught.value.hint
    with pytest.raises(NotFittedError, match="not been learned"):
        mixture.initialise(population).gate_for("learned")


def test_an_unknown_persona_suggests_a_similar_name(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.initialise(population)
    with pytest.raises(DataError, match="Did you mean 'windy'"):
        mixture.exemplar_weights(population, "wendy")


def test_sample_needs_no_call(mixture: MixtureOfPersonas, population: Population) -> None:
    mixture.initialise(population)
    drawn = mixture.sample(population, weights={"sunny": 1.0}, random_state=1)
    assert set(drawn["persona"]) == {0}
    assert len(drawn) == 120
    assert mixture.backend.n_generated == mixture.backend.n_scored == 0


def test_simulated_shares_are_the_weights(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.initialise(population)
    simulation = mixture.simulate(4000, weights={"sunny": 0.7, "rainy": 0.2})
    shares = simulation.frame["persona"].value_counts(normalize=True)
    assert shares[["sunny", "rainy", "windy"]].tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
    assert simulation.provenance["weights"] == "sunny=0.700, rainy=0.200, windy=0.100"


def test_the_contexts_are_those_of_the_population(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.initialise(population)
    part = population.take([0, 2, 4])
    assert set(mixture.simulate(20, part).frame["context"]) == {"sun at dawn"}
    counts = mixture.simulate(120, population).frame["context"].value_counts()
    assert set(counts) == {60}


@pytest.mark.parametrize("baseline", ["plain", "personas", "exemplars"])
def test_a_baseline_has_uniform_weights_even_after_a_fit(
    mixture: MixtureOfPersonas, population: Population, baseline: str
) -> None:
    simulation = mixture.fit(population).simulate(3000, baseline=baseline)
    assert simulation.provenance["weights"] == baseline
    if baseline == "personas":
        shares = simulation.frame["persona"].value_counts(normalize=True)
        np.testing.assert_allclose(shares, 1 / 3, atol=0.03)


def test_initialising_again_discards_the_fit(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.fit(population)
    assert repr(mixture) == "MixtureOfPersonas(3 personas, fitted)"
    assert not mixture.initialise(population).is_fitted
    assert repr(mixture) == "MixtureOfPersonas(3 personas, not fitted)"


def test_the_report_compares_with_the_uniform_mixture(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    report = mixture.fit(population).report_.set_index("model")
    assert report.loc[UNIFORM, "gain"] == 0
    assert report["log_lik_per_token"].between(-3, -1).all()


def test_the_pool_is_spread_over_a_column_or_over_clusters(
    backend: ToyBackend, encoder: ToyEncoder
) -> None:
    texts = [f"rain {'sun ' * (i + 2)}" for i in range(90)] + ["fog", "fog fog"]
    frame = pd.DataFrame({"topic": ["a", "b"] * 46, "text": texts})
    people = Population.from_frame(frame, context="topic", response="text")

    def n_fog(stratify: str | None) -> int:
        mixture = MixtureOfPersonas(
            "a: You say sun.\nb: You say fog.", backend, encoder, n_exemplars=12, stratify=stratify
        ).initialise(people)
        assert len(mixture.exemplars_) == 12
        return sum("fog" in exemplar.response for exemplar in mixture.exemplars_)

    assert n_fog("cluster") == 2
    assert n_fog(None) == n_fog("topic") == 0
    with pytest.raises(DataError, match="no context column 'town'"):
        n_fog("town")


def test_a_record_that_a_persona_quotes_is_not_scored_and_not_real() -> None:
    population = simulated_population(400)
    counts = pd.Series(population.responses).value_counts()
    single, several = counts.index[counts == 1][0], counts.index[counts > 1][0]
    backend = RecordingBackend(WEATHER, length=6)
    personas = {"a": f"You write like this: {single}\n{several}", "b": "You say rain."}
    mixture = MixtureOfPersonas(
        personas, backend, ToyEncoder(WEATHER), n_exemplars=20, n_records=400, n_components=8
    ).fit(population)
    scored = {request.response for request in backend.requests}
    assert single not in scored
    assert several in scored
    real = simulating._real_responses(mixture, SimulationOptions(n_candidates=2))
    texts = {response.response for response in real.responses}
    assert single not in texts
    assert several in texts


def test_too_few_records_that_no_persona_quotes_are_refused() -> None:
    texts = [" ".join(["sun"] * (i + 1)) for i in range(9)]
    frame = pd.DataFrame({"topic": "weather", "text": texts})
    population = Population.from_frame(frame, context="topic", response="text")
    personas = {"a": "You write like this: sun\nsun sun", "b": "You say rain."}
    mixture = MixtureOfPersonas(personas, ToyBackend(WEATHER), ToyEncoder(WEATHER), n_exemplars=3)
    with pytest.raises(DataError, match="at least 8 records to fit, got 7; personas quote 2 more"):
        mixture.fit(population)


def test_a_quarter_of_the_responses_stays_outside_of_the_pool() -> None:
    frame = pd.DataFrame({"topic": "fog", "text": [f"fog {i}" for i in range(100)]})
    records = Population.from_frame(frame, context="topic", response="text")
    words = ["fog", "sun"]
    mixture = MixtureOfPersonas("a: You say fog.", ToyBackend(words), ToyEncoder(words))
    assert len(mixture.initialise(records).exemplars_) == 75
    assert mixture.simulate(40).provenance["n_candidates"] == 4
    few = mixture.initialise(records.take(range(79)))
    assert len(few.exemplars_) == 79


def test_exemplars_can_come_from_another_population() -> None:
    elsewhere = ["wind wind", "fog fog", "hail hail", "sun sun", "rain sun", "rain rain"] * 2
    frame = pd.DataFrame({"topic": "weather", "text": elsewhere})
    pool = Population.from_frame(frame, context="topic", response="text")
    population = simulated_population(60)
    mixture = four(exemplar_boost=1.0).fit(population, exemplars=pool)
    assert sorted(exemplar.response for exemplar in mixture.exemplars_) == sorted(set(elsewhere))
    assert mixture.population_ is population
    assert len(mixture.rows_) == 60
    simulation = mixture.simulate(30, n_candidates=1)
    assert {exemplar.response for exemplar in simulation.exemplars} == set(elsewhere)


def test_exemplars_with_other_context_columns_are_refused() -> None:
    frame = pd.DataFrame({"town": "here", "text": ["sun", "rain"]})
    pool = Population.from_frame(frame, context="town", response="text")
    with pytest.raises(DataError, match="context columns town, but the population has topic"):
        four().fit(simulated_population(20), exemplars=pool)


def test_contexts_that_the_fit_has_not_seen_are_remarked(
    mixture: MixtureOfPersonas, population: Population
) -> None:
    mixture.fit(population)
    frame = pd.DataFrame({"topic": ["sun at dawn", "sun at noon", "fog"] * 20, "text": "sun"})
    other = Population.from_frame(frame, context="topic", response="text")
    with pytest.raises(UserWarning, match=r"2 of 3 contexts are new to the fit \(topic = '"):
        mixture.simulate(60, other, n_candidates=1)
    mixture.simulate(60, other, baseline="plain")
    mixture.simulate(60, population, n_candidates=1)


def test_a_persona_that_no_record_supports_is_named_by_the_fit() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["sun", "rain", "snow"], 6)) for _ in range(200)]
    frame = pd.DataFrame({"topic": "weather", "text": texts})
    found = four(n_exemplars=4).fit(Population.from_frame(frame, context="topic", response="text"))
    assert found.verdict_.endswith("No record supports the persona 'd'.")
