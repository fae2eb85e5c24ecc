from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from jupyter_mop.backends.protocols import (
    Backend,
    Encoder,
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    ScoreRequest,
)
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.errors import DataError

WORDS = ["good", "bad", "long", "short"]
PLAIN = SamplingParams(temperature=1.0, top_p=1.0, max_tokens=64)


def chat(**turns: str) -> Prompt:
    return Prompt(tuple(Message(role, text) for role, text in turns.items()))


def draw(model: ToyBackend, prompt: Prompt, n: int, params: SamplingParams) -> Counter[str]:
    requests = [GenerationRequest(prompt, seed=7, draw=draw) for draw in range(n)]
    return Counter(word for c in model.generate(requests, params) for word in c.text.split())


def test_the_toy_classes_are_a_backend_and_an_encoder() -> None:
    assert isinstance(ToyBackend(WORDS), Backend)
    assert isinstance(ToyEncoder(WORDS), Encoder)


def test_each_part_of_the_prompt_adds_its_own_boost() -> None:
    model = ToyBackend(WORDS, persona_boost=2.0, exemplar_boost=0.5, context_boost=1.5)
    prompt = Prompt(
        (
            Message("system", "Good, good!"),
            Message("user", "long"),
            Message("assistant", "bad bad"),
            Message("user", "short?"),
        )
    )
    logits = np.array([2.0, 1.0, 0.0, 1.5])
    expected = logits - np.log(np.exp(logits).sum())
    np.testing.assert_allclose(model.log_probs(prompt), expected, atol=1e-12)


def test_a_score_is_the_sum_over_words_in_any_case_and_punctuation() -> None:
    model = ToyBackend(WORDS)
    prompt = chat(system="good", user="x")
    scores = model.score([ScoreRequest(prompt, "Good, BAD... bad")])[0]
    log_probs = model.log_probs(prompt)
    np.testing.assert_allclose(scores.log_probs, log_probs[[0, 1, 1]])
    assert scores.n_tokens == 3
    assert scores.total == pytest.approx(log_probs[0] + 2 * log_probs[1])


def test_draws_follow_the_exact_probabilities() -> None:
    model = ToyBackend(WORDS, persona_boost=1.0)
    prompt = chat(system="good bad", user="x")
    counts = draw(model, prompt, 5000, PLAIN)
    shares = np.array([counts[word] for word in WORDS]) / counts.total()
    np.testing.assert_allclose(shares, np.exp(model.log_probs(prompt)), atol=0.015)


def test_temperature_sharpens_as_the_formula_says() -> None:
    model = ToyBackend(["good", "bad"], persona_boost=1.0)
    counts = draw(model, chat(system="good"), 5000, SamplingParams(0.5, 1.0, 64))
    assert counts["good"] / counts.total() == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.01)


def test_top_p_excludes_unlikely_words() -> None:
    model = ToyBackend(WORDS, persona_boost=3.0)
    counts = draw(model, chat(system="good bad"), 200, SamplingParams(1.0, 0.8, 64))
    assert set(counts) == {"good", "bad"}


def test_zero_temperature_takes_the_most_likely_word() -> None:
    counts = draw(ToyBackend(WORDS), chat(system="long"), 20, SamplingParams(0.0, 0.1, 64))
    assert set(counts) == {"long"}


def test_seed_and_draw_decide_the_text_whatever_else_is_in_the_batch() -> None:
    model = ToyBackend(WORDS, length=8)
    requests = [GenerationRequest(chat(user="x"), seed, draw) for seed in (1, 2) for draw in (0, 1)]
    together = [completion.text for completion in model.generate(requests, PLAIN)]
    alone = [model.generate([request], PLAIN)[0].text for request in requests]
    assert together == alone
    assert len(set(together)) == 4


@pytest.mark.parametrize(("limit", "n_tokens", "reason"), [(2, 2, "length"), (4, 4, "stop")])
def test_max_tokens_cuts_the_response(limit: int, n_tokens: int, reason: str) -> None:
    request = GenerationRequest(chat(user="x"), seed=0)
    completion = ToyBackend(WORDS, length=4).generate([request], SamplingParams(1, 1, limit))[0]
    assert (completion.n_tokens, completion.finish_reason) == (n_tokens, reason)
    assert len(completion.text.split()) == n_tokens


def test_results_are_reported_and_counted() -> None:
    model, seen = ToyBackend(WORDS), []
    requests = [ScoreRequest(chat(user="x"), word) for word in WORDS]
    scores = model.score(requests, on_result=lambda index, value: seen.append((index, value)))
    assert seen == list(enumerate(scores))
    assert (model.n_scored, model.n_generated) == (4, 0)


@pytest.mark.parametrize("response", ["good unheard", "", " ... "])
def test_a_response_outside_the_vocabulary_is_refused_before_any_work(response: str) -> None:
    model = ToyBackend(WORDS)
    with pytest.raises(DataError):
        model.score([ScoreRequest(chat(user="x"), "good"), ScoreRequest(chat(user="x"), response)])
    assert model.n_scored == 0


@pytest.mark.parametrize(
    "words", [[], ["one"], ["a", "A"], ["two words", "b"], ["", "b"], ["a!", "b"]]
)
def test_an_invalid_vocabulary_is_refused(words: list[str]) -> None:
    with pytest.raises(DataError):
        ToyBackend(words)
    with pytest.raises(DataError):
        ToyEncoder(words)


def test_the_fingerprint_changes_with_every_parameter() -> None:
    models = [
        ToyBackend(WORDS),
        ToyBackend(WORDS[::-1]),
        ToyBackend(WORDS, length=5),
        ToyBackend(WORDS, persona_boost=1.0),
        ToyBackend(WORDS, exemplar_boost=2.0),
        ToyBackend(WORDS, context_boost=1.0),
    ]
    assert len({model.fingerprint for model in models}) == len(models)
    assert ToyBackend(WORDS).fingerprint == models[0].fingerprint


def test_vectors_count_words_on_the_unit_sphere() -> None:
    encoder, seen = ToyEncoder(WORDS), []
    texts = ["Good good bad", "nothing known", "nothing known", "something else", ""]
    vectors = encoder.encode(texts, on_result=lambda at, values: seen.append((list(at), values)))
    assert (vectors.shape, vectors.dtype) == ((5, 4), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(vectors[0], np.array([2, 1, 0, 0]) / np.sqrt(5), atol=1e-6)
    np.testing.assert_array_equal(vectors[1], vectors[2])
    assert not np.allclose(vectors[1], vectors[3])
    assert [at for at, _ in seen] == [[0], [1], [2], [3], [4]]
    assert encoder.n_encoded == 5
    assert encoder.encode([]).shape == (0, 4)
