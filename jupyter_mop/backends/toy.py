"""A toy language model and encoder with exactly known probabilities, for tests and teaching."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from string import punctuation

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.cost.prices import FREE, Price
from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    OnCompletion,
    OnScores,
    OnText,
    OnVectors,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
)
from jupyter_mop.errors import DataError


def split_words(text: str) -> list[str]:
    """Return the words of `text` in lower case, without surrounding punctuation."""
    words = (word.strip(punctuation) for word in text.lower().split())
    return [word for word in words if word]


class ToyBackend:
    """A language model with exactly known probabilities.

    A response is `length` words. Given the prompt they are independent, each with

        p(word) = softmax(persona_boost * [word in a system turn]
                          + exemplar_boost * (its count in the assistant turns)
                          + context_boost * [word in the last user turn])

    over the vocabulary. One word is one token; case and punctuation are ignored.

    Parameters
    ----------
    vocabulary : sequence of str
        The words of the model: at least two, all different.
    length : int
        Number of words in a generated response.
    persona_boost, exemplar_boost, context_boost : float
        Increase of a word's logit for each part of the prompt, in nats.

    Attributes
    ----------
    can_score : bool
        Set it to False for a model that reports no log-likelihoods.
    n_generated, n_scored : int
        Number of responses generated and scored so far.

    Raises
    ------
    DataError
        The vocabulary is too small, or has a repeated word or an entry that is not a word.

    Examples
    --------
    >>> from jupyter_mop.backends.protocols import Message, Prompt, ScoreRequest
    >>> model = ToyBackend(["good", "bad"], persona_boost=1.0)
    >>> prompt = Prompt((Message("system", "You are good."), Message("user", "A film")))
    >>> model.log_probs(prompt).round(3)
    array([-0.313, -1.313])
    >>> round(model.score([ScoreRequest(prompt, "Good, bad.")])[0].total, 3)
    -1.627
    """

    can_score: bool = True
    price: Price = FREE

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        length: int = 4,
        persona_boost: float = 2.0,
        exemplar_boost: float = 1.0,
        context_boost: float = 0.0,
    ) -> None:
        self.vocabulary = _checked(vocabulary)
        self.length = length
        self.persona_boost = persona_boost
        self.exemplar_boost = exemplar_boost
        self.context_boost = context_boost
        self.n_generated = 0
        self.n_scored = 0
        self._index = {word: position for position, word in enumerate(self.vocabulary)}

    @property
    def fingerprint(self) -> str:
        """A string that changes with every parameter."""
        boosts = [self.persona_boost, self.exemplar_boost, self.context_boost]
        return _fingerprint("toy", [self.vocabulary, self.length, boosts])

    def log_probs(self, prompt: Prompt) -> NDArray[np.float64]:
        """Return the log-probability of each vocabulary word given `prompt`, shape (v,), in nats.

        Examples
        --------
        >>> from jupyter_mop.backends.protocols import Message, Prompt
        >>> ToyBackend(["yes", "no"]).log_probs(Prompt((Message("user", "Well?"),))).round(3)
        array([-0.693, -0.693])
        """
        logits = self._logits(prompt)
        log_probs: NDArray[np.float64] = logits - np.logaddexp.reduce(logits)
        return log_probs

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request, decided by its seed and draw number.

        Examples
        --------
        >>> from jupyter_mop.backends.protocols import *
        >>> request = GenerationRequest(Prompt((Message("system", "always yes"),)), seed=0)
        >>> model = ToyBackend(["yes", "no"], length=2)
        >>> model.generate([request], SamplingParams(temperature=0.0))[0].text
        'yes yes'
        """
        completions = []
        for index, request in enumerate(requests):
            completions.append(self._draw(request, params))
            self.n_generated += 1
            if on_result:
                on_result(index, completions[-1])
        return completions

    def stream(
        self, request: GenerationRequest, params: SamplingParams, *, on_text: OnText
    ) -> Completion:
        """Return the response that `generate` gives; it is reported word by word.

        Examples
        --------
        >>> from jupyter_mop.backends.protocols import *
        >>> request = GenerationRequest(Prompt((Message("system", "always yes"),)), seed=0)
        >>> model = ToyBackend(["yes", "no"], length=2)
        >>> _ = model.stream(request, SamplingParams(temperature=0.0), on_text=print)
        yes
        yes yes
        """
        completion = self.generate([request], params)[0]
        words = completion.text.split(" ")
        for n in range(1, len(words) + 1):
            on_text(" ".join(words[:n]))
        return completion

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return the exact log-probability of each word of each response, in nats.

        Raises
        ------
        DataError
            A response is empty or has a word that is not in the vocabulary.
        """
        words = [self._positions(request.response) for request in requests]
        scores = []
        for index, (request, positions) in enumerate(zip(requests, words, strict=True)):
            log_probs = self.log_probs(request.prompt)[positions]
            scores.append(TokenScores(tuple(log_probs.tolist())))
            self.n_scored += 1
            if on_result:
                on_result(index, scores[-1])
        return scores

    def count_tokens(self, prompt: Prompt, response: str = "") -> int:
        """Return the number of words of a prompt and a response.

        Examples
        --------
        >>> from jupyter_mop.backends.protocols import Message, Prompt
        >>> ToyBackend(["yes", "no"]).count_tokens(Prompt((Message("user", "Is it?"),)), "yes")
        3
        """
        texts = [*(message.content for message in prompt.messages), response]
        return sum(len(split_words(text)) for text in texts)

    def _logits(self, prompt: Prompt) -> NDArray[np.float64]:
        turns: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
        for message in prompt.messages:
            turns[message.role].append(message.content)
        system = set(split_words(" ".join(turns["system"])))
        exemplars = Counter(split_words(" ".join(turns["assistant"])))
        context = set(split_words(" ".join(turns["user"][-1:])))
        return np.array(
            [
                self.persona_boost * (word in system)
                + self.exemplar_boost * exemplars[word]
                + self.context_boost * (word in context)
                for word in self.vocabulary
            ]
        )

    def _draw(self, request: GenerationRequest, params: SamplingParams) -> Completion:
        probabilities = _sampling_probabilities(self.log_probs(request.prompt), params)
        n_words = min(self.length, params.max_tokens)
        random = np.random.default_rng([request.seed, request.draw])
        drawn = random.choice(len(self.vocabulary), size=n_words, p=probabilities)
        text = " ".join(self.vocabulary[position] for position in drawn)
        return Completion(text, n_words, "stop" if n_words == self.length else "length")

    def _positions(self, response: str) -> list[int]:
        words = split_words(response)
        if not words:
            raise DataError("The response to score is empty.", hint="Drop empty responses.")
        unknown = [word for word in words if word not in self._index]
        if unknown:
            raise DataError(
                f"The word {unknown[0]!r} is not in the toy model's vocabulary.",
                hint="Add it to `vocabulary`.",
            )
        return [self._index[word] for word in words]


class ToyEncoder:
    """A toy encoder: the counts of the vocabulary's words, scaled to length one.

    A text with none of the words gets a random direction, decided by its hash.

    Parameters
    ----------
    vocabulary : sequence of str
        The d words to count: at least two, all different.

    Attributes
    ----------
    n_encoded : int
        Number of texts encoded so far.

    Examples
    --------
    >>> ToyEncoder(["good", "bad"]).encode(["Good!", "good bad"]).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707]], dtype=float32)
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = _checked(vocabulary)
        self.n_encoded = 0

    @property
    def fingerprint(self) -> str:
        """A string that changes with the vocabulary."""
        return _fingerprint("toy-encoder", self.vocabulary)

    def encode(
        self, texts: Sequence[str], *, on_result: OnVectors | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), d), float32."""
        vectors = np.zeros((len(texts), len(self.vocabulary)), dtype=np.float32)
        for index, text in enumerate(texts):
            vectors[index] = self._vector(text)
            self.n_encoded += 1
            if on_result:
                on_result([index], vectors[index : index + 1])
        return vectors

    def _vector(self, text: str) -> NDArray[np.float64]:
        counts = Counter(split_words(text))
        vector = np.array([counts[word] for word in self.vocabulary], dtype=np.float64)
        if not vector.any():
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
            vector = np.random.default_rng(seed).normal(size=len(vector))
        unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
        return unit


def _checked(vocabulary: Sequence[str]) -> tuple[str, ...]:
    words = tuple(word.lower() for word in vocabulary)
    if len(words) < 2 or len(set(words)) < len(words):  # noqa: PLR2004
        raise DataError(
            f"`vocabulary` must have at least two words, all different, got {list(vocabulary)}.",
            hint="Give a list of different words.",
        )
    for word in words:
        if split_words(word) != [word]:
            raise DataError(
                f"`vocabulary` has {word!r}, which is not a single word.",
                hint="Use words without spaces or punctuation.",
            )
    return words


def _fingerprint(name: str, parameters: object) -> str:
    digest = hashlib.sha256(json.dumps(parameters).encode()).hexdigest()
    return f"{name}:{digest[:16]}"


def _sampling_probabilities(
    log_probs: NDArray[np.float64], params: SamplingParams
) -> NDArray[np.float64]:
    """Apply the temperature, then keep the most likely words up to a mass of `top_p`."""
    if params.temperature == 0:
        return np.where(np.arange(len(log_probs)) == np.argmax(log_probs), 1.0, 0.0)
    scaled = log_probs / params.temperature
    probabilities: NDArray[np.float64] = np.exp(scaled - np.logaddexp.reduce(scaled))
    order = np.argsort(-probabilities, kind="stable")
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= params.top_p]] = 0.0
    total: float = probabilities.sum()
    return probabilities / total
