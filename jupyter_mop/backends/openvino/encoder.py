"""Sentence encoders that map texts to unit vectors."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jupyter_mop.backends.model_files import EncoderFiles, encoder_paths, file_sha256
from jupyter_mop.backends.openvino.load_thread import load_on_thread
from jupyter_mop.backends.protocols import OnVectors
from jupyter_mop.errors import DataError, ModelError, missing

_BATCH_SIZE = 32
_MAX_TOKENS = 256
_CHUNK = 1024
_OPTIONS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "CPU_RUNTIME_CACHE_CAPACITY": "24",  # kernels for so many shapes, to save 50 MB
}

Ids = NDArray[np.int64]


class MiniLMEncoder:
    """The embedded sentence encoder: all-MiniLM-L6-v2, int8, run by OpenVINO.

    Token vectors are averaged and normalised, as in Sentence-Transformers. A text is truncated at
    256 tokens. A batch holds texts with the same number of tokens and no padding, so that a
    text's vector does not depend on the other texts (padding changes int8 rounding by up to 3e-3
    per component) and can be cached.

    Parameters
    ----------
    model : path, optional
        An ONNX or OpenVINO model with the same inputs, with its ``tokenizer.json`` in the same
        folder; default: the embedded encoder, which is downloaded on first use.

    Attributes
    ----------
    dimension : int
        Size d of a vector, 384 for the embedded encoder.
    path : Path or None
        The model's file; None for the embedded encoder.

    Raises
    ------
    MissingPackageError
        OpenVINO or tokenizers is not installed.
    ModelError
        The model does not exist or cannot be read.
    """

    def __init__(self, model: str | Path | None = None) -> None:
        _require_packages()
        self.path = None if model is None else Path(model)
        files = encoder_paths() if self.path is None else _own_files(self.path)
        self._tokenizer = _load_tokenizer(files.tokenizer)
        self._model, self.dimension = _compile(files.model)
        self._running = threading.Lock()  # the model has one request; threads take turns
        self._fingerprint = _fingerprint(files)

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the vectors could."""
        return self._fingerprint

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return the unit vectors of texts.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        on_result : callable, optional
            Called with (indices, vectors) as each batch finishes, in any order.

        Returns
        -------
        ndarray of float32, shape (n, d)
            One unit vector per text.

        Raises
        ------
        DataError
            An element of `texts` is not a string.
        """
        _check_texts(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        tokens = self._tokenise(texts)
        for indices in _batches(tokens):
            vectors[indices] = self._run(np.stack([tokens[index] for index in indices]))
            if on_result is not None:
                on_result(indices, vectors[indices])
        return vectors

    def _tokenise(self, texts: Sequence[str]) -> list[Ids]:
        chunks = (texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK))
        encodings = (encoding for chunk in chunks for encoding in self._encode_chunk(chunk))
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def _encode_chunk(self, texts: Sequence[str]) -> Any:  # noqa: ANN401
        return self._tokenizer.encode_batch_fast(list(texts))

    def _run(self, ids: Ids) -> NDArray[np.float32]:
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        with self._running:
            means = self._model(feed)[0].mean(axis=1)
        return unit_vectors(means)


class CallableEncoder:
    """An encoder that calls any function from texts to vectors.

    Parameters
    ----------
    function : callable
        Takes a list of n strings, returns vectors of shape (n, d).
    fingerprint : str
        A name that changes whenever the vectors could: cached vectors depend on it.

    Examples
    --------
    >>> encoder = CallableEncoder(lambda texts: [[3.0, 4.0] for _ in texts], fingerprint="demo-1")
    >>> encoder.encode(["a", "b"]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, function: Callable[[list[str]], ArrayLike], *, fingerprint: str) -> None:
        self._function = function
        self._fingerprint = f"callable:{fingerprint}"

    @property
    def fingerprint(self) -> str:
        """The given fingerprint with the prefix "callable:"."""
        return self._fingerprint

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return the function's vectors, normalised to unit length.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        on_result : callable, optional
            Called once with (indices, vectors).

        Returns
        -------
        ndarray of float32, shape (n, d)
            One unit vector per text.

        Raises
        ------
        DataError
            An element of `texts` is not a string, or the function does not return one finite,
            nonzero vector for each text.
        """
        _check_texts(texts)
        vectors = np.asarray(self._function(list(texts)), dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):  # noqa: PLR2004
            raise DataError(
                f"The encoder returned shape {vectors.shape} for {len(texts)} texts.",
                hint="Return one vector per text: an array of shape (n, d).",
            )
        vectors = unit_vectors(vectors)
        if on_result is not None:
            on_result(range(len(texts)), vectors)
        return vectors


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of `vectors`, shape (n, d), scaled to length one.

    Raises
    ------
    DataError
        A row is zero or not finite.

    Examples
    --------
    >>> unit_vectors(np.array([[0.0, 2.0]], dtype=np.float32)).tolist()
    [[0.0, 1.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise DataError(
            "The encoder returned a vector that is zero or not finite.",
            hint="Check the encoder and the texts.",
        )
    return np.asarray(vectors / lengths, dtype=np.float32)


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise DataError("`texts` must be a list of strings, got one string.", hint="Use [text].")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"Text {index} is a {type(text).__name__}, not a string.",
                hint="Drop missing values, or convert them to strings.",
            )


def _batches(tokens: Sequence[Ids]) -> Iterator[list[int]]:
    """Yield batches of indices of texts with the same number of tokens, the longest first."""
    lengths = defaultdict(list)
    for index, ids in enumerate(tokens):
        lengths[len(ids)].append(index)
    for length in sorted(lengths, reverse=True):
        indices = lengths[length]
        for start in range(0, len(indices), _BATCH_SIZE):
            yield indices[start : start + _BATCH_SIZE]


def _require_packages() -> None:
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise missing("openvino", "local") from error
    try:
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise missing("tokenizers", "local") from error


def _own_files(model: Path) -> EncoderFiles:
    files = EncoderFiles(model, model.parent / "tokenizer.json")
    for path in files:
        if not path.is_file():
            raise ModelError(
                f"The encoder's file {path} does not exist.",
                hint="Give the path of a model file with its tokenizer.json in the same folder.",
            )
    return files


def _load_tokenizer(path: Path) -> Any:  # noqa: ANN401
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MAX_TOKENS)
    return tokenizer


def _compile(path: Path) -> tuple[Any, int]:
    """Return the compiled model and the dimension of its vectors."""
    import openvino

    try:
        model = load_on_thread(lambda: openvino.Core().compile_model(path, "CPU", _OPTIONS))
        return model, int(model.output(0).partial_shape[2].get_length())
    except RuntimeError as error:
        raise ModelError(
            f"The encoder {path.name} cannot be read.",
            hint="Use an ONNX or OpenVINO sentence encoder with the inputs of MiniLM.",
        ) from error


def _fingerprint(files: EncoderFiles) -> str:
    import openvino

    digest = hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
    return f"encoder:{digest[:16]}:{_MAX_TOKENS}:openvino-{openvino.__version__}"
