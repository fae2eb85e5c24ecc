from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jupyter_mop.backends.model_files import encoder_paths
from jupyter_mop.backends.openvino.encoder import CallableEncoder, MiniLMEncoder
from jupyter_mop.backends.protocols import Encoder
from jupyter_mop.errors import DataError, ModelError

TEXTS = [
    "a small, honest film",
    "an honest little movie",
    "the train to Lisbon leaves at noon",
    "",
    "films " * 90,
]


def lengths(texts):
    return [[float(len(text)), 1.0] for text in texts]


def test_a_function_is_an_encoder():
    encoder = CallableEncoder(lengths, fingerprint="lengths-1")
    seen = []
    vectors = encoder.encode(["abc", ""], on_result=lambda *values: seen.append(values))
    assert isinstance(encoder, Encoder)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[3 / 10**0.5, 1 / 10**0.5], [0, 1]], rtol=1e-6)
    assert list(seen[0][0]) == [0, 1]
    np.testing.assert_array_equal(seen[0][1], vectors)
    assert encoder.fingerprint != CallableEncoder(lengths, fingerprint="lengths-2").fingerprint


@pytest.mark.parametrize(
    "answer", [[1.0, 2.0], [[1.0]], [[0.0, 0.0], [1.0, 0.0]], [[np.nan, 1.0], [1.0, 0.0]]]
)
def test_invalid_vectors_are_refused(answer):
    with pytest.raises(DataError, match="encoder returned"):
        CallableEncoder(lambda _: answer, fingerprint="bad").encode(["a", "b"])


@pytest.mark.parametrize("texts", ["one string", ["a", None], [1.0]])
def test_texts_must_be_a_list_of_strings(texts):
    with pytest.raises(DataError):
        CallableEncoder(lengths, fingerprint="lengths").encode(texts)


def test_a_missing_model_is_named(tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match="does not exist"):
        MiniLMEncoder(tmp_path / "model.onnx")


@pytest.mark.model
def test_an_unreadable_model_is_named(tmp_path):
    pytest.importorskip("openvino")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    (tmp_path / "tokenizer.json").write_bytes(encoder_paths().tokenizer.read_bytes())
    with pytest.raises(ModelError, match="cannot be read"):
        MiniLMEncoder(tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def minilm():
    return MiniLMEncoder()


@pytest.mark.model
def test_vectors_are_unit_float32_in_the_order_of_the_texts(minilm):
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (5, 384) == (len(TEXTS), minilm.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[2] < 0.2


@pytest.mark.model
def test_a_vector_does_not_depend_on_the_batch(minilm):
    texts = [f"{TEXTS[i % 3]} {'and so on ' * (i % 40)}" for i in range(70)]
    single = np.concatenate([minilm.encode([text]) for text in texts])
    np.testing.assert_allclose(minilm.encode(texts), single, atol=1e-5)


@pytest.mark.model
def test_vectors_are_reported_by_batch_and_an_interrupt_stops(minilm):
    texts, seen = [f"text {i}" for i in range(100)], {}

    def collect(indices, vectors):
        seen.update(zip(indices, vectors, strict=True))
        if len(seen) > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minilm.encode(texts, on_result=collect)
    assert 40 < len(seen) < 100
    complete = minilm.encode(texts)
    for index, vector in seen.items():
        np.testing.assert_allclose(vector, complete[index], atol=1e-5)


@pytest.mark.model
def test_no_texts_give_no_vectors(minilm):
    assert minilm.encode([]).shape == (0, 384)


@pytest.mark.model
def test_a_text_is_truncated_at_256_tokens(minilm):
    vectors = minilm.encode(["word " * 300, "word " * 300 + "Lisbon", "word " * 100 + "Lisbon"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3


@pytest.mark.model
def test_the_fingerprint_is_the_same_for_the_same_files(minilm):
    assert minilm.fingerprint == MiniLMEncoder().fingerprint


def test_threads_take_turns_and_get_the_vectors_of_one(minilm):
    texts = [f"Film {i} is {'very ' * (i % 7)}good." for i in range(64)]
    alone = minilm.encode(texts)
    with ThreadPoolExecutor(4) as threads:
        for vectors in threads.map(minilm.encode, [texts] * 8):
            np.testing.assert_array_equal(vectors, alone)
