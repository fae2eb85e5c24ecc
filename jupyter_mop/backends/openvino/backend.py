"""The embedded language model: OpenVINO GenAI on the CPU, with exact log-likelihoods."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_mop import config
from jupyter_mop.backends.chat_templates import plain
from jupyter_mop.backends.cost.prices import FREE
from jupyter_mop.backends.model_files import language_model_path
from jupyter_mop.backends.openvino.pipeline import Job, Pipeline
from jupyter_mop.backends.openvino.prefix_cache import BLOCK, Pair, Tokens, Window, plan
from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    OnCompletion,
    OnScores,
    OnText,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
)
from jupyter_mop.errors import DataError, ModelError, PromptTooLongError

_MAX_ADDED = 1024


class LocalBackend:
    """A language model in this process, by default SmolLM2-135M-Instruct.

    The weights are exactly those of the file. OpenVINO GenAI's reader rounds the zero points of
    Q4_1 weights, which changes a token's log-probability by 0.8 nats on average, so such a file is
    converted once without rounding; other formats are read as OpenVINO GenAI reads them.
    Arithmetic is float32; cached keys and values are float16, which is within 0.005 nats per token
    of exact arithmetic.

    The seed decides a response whatever else is in the batch, up to rounding: sums over batches of
    different size differ in their last digits, which occasionally swaps tokens of nearly equal
    probability (at temperature 0.7 in 1 of 48 responses of 24 tokens, at 1 in about 1 of 10).

    Parameters
    ----------
    model : path, optional
        A GGUF file or the folder of an OpenVINO model; default: the embedded model, which is
        downloaded on first use.
    cache_blocks : int, optional
        Size of the key-value cache in blocks of 32 tokens (0.74 MB each for the embedded model);
        default: `JUPYTER_MOP_CACHE_BLOCKS` or 384. A smaller cache takes less memory and
        generates fewer responses at a time.

    Raises
    ------
    MissingPackageError
        OpenVINO GenAI is not installed.
    ModelError
        The model does not exist or cannot be read.
    """

    price = FREE

    def __init__(self, model: str | Path | None = None, *, cache_blocks: int | None = None) -> None:
        blocks = config.cache_blocks() if cache_blocks is None else cache_blocks
        self.path = None if model is None else Path(model).expanduser().absolute()
        self.cache_blocks = blocks
        self._turn = threading.RLock()  # a call has the key-value cache to itself
        self._pipeline = Pipeline(self.path or language_model_path(), cache_blocks=blocks)

    @cached_property
    def fingerprint(self) -> str:
        """A string that changes whenever the responses could."""
        return f"local:{self._pipeline.sha256[:16]}:genai-{self._pipeline.version}:f32-exact"

    @property
    def context_length(self) -> int:
        """Highest number of tokens of a prompt and its response together."""
        return min(self._pipeline.model_context, self._pipeline.cache_blocks * BLOCK)

    def count_tokens(self, prompt: Prompt, response: str = "") -> int:
        """Return the number of tokens of a prompt followed by a response."""
        return len(self._pipeline.encode([self._pipeline.render(prompt) + plain(response)])[0])

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request.

        Parameters
        ----------
        requests : sequence of GenerationRequest
            Prompts with the seed and the draw number of each response.
        params : SamplingParams
            Temperature (0: always the most likely token), nucleus mass and output limit.
        on_result : callable, optional
            Called with (index, completion) as each finishes, in any order.

        Returns
        -------
        list of Completion
            In the order of the requests.

        Raises
        ------
        PromptTooLongError
            A prompt with `max_tokens` exceeds the context length; nothing is generated then.
        """
        prompts = self._encode_prompts([request.prompt for request in requests])
        tokens = [prompts[request.prompt] for request in requests]
        for index, prompt in enumerate(tokens):
            self._check_length(index, len(prompt) + params.max_tokens)
        results: dict[int, Completion] = {}

        def report(index: int, output: Any) -> None:  # noqa: ANN401
            results[index] = self._completion(output)
            if on_result is not None:
                on_result(index, results[index])

        jobs = [
            Job(index, tokens[index], self._sampling(request, params))
            for index, request in enumerate(requests)
        ]
        pairs = [Pair(job.tokens, len(job.tokens)) for job in jobs]
        with self._turn:
            for window in self._plan(pairs):
                members = [jobs[member] for member in window.members]
                self._pipeline.run(members, report, waves=window.waves)
        return [results[index] for index in range(len(requests))]

    def stream(
        self, request: GenerationRequest, params: SamplingParams, *, on_text: OnText
    ) -> Completion:
        """Return the response that `generate` gives to a request, reported token by token.

        Raises
        ------
        PromptTooLongError
            The prompt with `max_tokens` exceeds the context length.
        """
        tokens = self._encode_prompts([request.prompt])[request.prompt]
        self._check_length(0, len(tokens) + params.max_tokens)
        results: list[Completion] = []

        def report(_index: int, output: Any) -> None:  # noqa: ANN401
            results.append(self._completion(output))

        def report_tokens(_index: int, generated: Sequence[int]) -> None:
            on_text(self._pipeline.decode(generated))

        job = Job(0, tokens, self._sampling(request, params))
        with self._turn:
            self._pipeline.run([job], report, on_tokens=report_tokens)
        return results[0]

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token, in nats, without an end token.

        Shared beginnings of prompts are computed once, in whatever order the requests are given,
        and identical requests are scored once. If the tokens of prompt and response together do
        not begin with the prompt's tokens, the response is tokenised separately.

        Parameters
        ----------
        requests : sequence of ScoreRequest
            Prompts and the responses to score.
        on_result : callable, optional
            Called with (index, scores) as each finishes, in any order.

        Returns
        -------
        list of TokenScores
            In the order of the requests.

        Raises
        ------
        DataError
            A response is empty.
        PromptTooLongError
            A prompt and its response exceed the context length; nothing is scored then.
        ModelError
            The model's log-probabilities are not finite.
        """
        repeats: dict[ScoreRequest, list[int]] = {}
        for index, request in enumerate(requests):
            repeats.setdefault(request, []).append(index)
        indices = list(repeats.values())
        pairs = self._encode_pairs(list(repeats), [group[0] for group in indices])
        results: dict[int, TokenScores] = {}

        def report(position: int, scores: TokenScores) -> None:
            for index in indices[position]:
                results[index] = scores
                if on_result is not None:
                    on_result(index, scores)

        with self._turn:
            self._score_pairs(pairs, report)
        return [results[index] for index in range(len(requests))]

    def _score_pairs(self, pairs: Sequence[Pair], report: OnScores) -> None:
        """Score all pairs; repeat with an empty cache those whose response was in the cache."""
        pending, is_empty = list(range(len(pairs))), False
        while pending:
            short = self._score_once(pairs, pending, report)
            if is_empty and len(short) == len(pending):
                raise ModelError(
                    "OpenVINO GenAI returned fewer log-probabilities than tokens.",
                    hint="Install the version of openvino-genai that jupyter-mop requires.",
                )
            if short:
                self._pipeline.forget()
            pending, is_empty = short, True

    def _score_once(
        self, pairs: Sequence[Pair], pending: Sequence[int], report: OnScores
    ) -> list[int]:
        """Score pairs with the current cache; return those with missing scores."""
        short: list[int] = []

        def collect(index: int, output: Any) -> None:  # noqa: ANN401
            scores = _response_scores(pairs[index], output.generated_log_probs)
            if scores is None:
                short.append(index)
            else:
                report(index, scores)

        config = self._pipeline.config(max_new_tokens=1, echo=True, logprobs=1)
        for window in self._plan([pairs[index] for index in pending]):
            members = [pending[member] for member in window.members]
            jobs = [Job(index, pairs[index].tokens, config) for index in members]
            self._pipeline.run(jobs, collect, waves=window.waves)
        return short

    def _plan(self, pairs: Sequence[Pair]) -> Iterator[Window]:
        half = self._pipeline.cache_blocks // 2
        return plan(pairs, max_blocks=half, max_members=_MAX_ADDED)

    def _sampling(self, request: GenerationRequest, params: SamplingParams) -> Any:  # noqa: ANN401
        stops = self._pipeline.stop_tokens
        options = {"max_new_tokens": params.max_tokens, "stop_token_ids": stops}
        if params.temperature == 0:
            return self._pipeline.config(**options)
        return self._pipeline.config(
            **options,
            do_sample=True,
            temperature=params.temperature,
            top_p=params.top_p,
            rng_seed=_engine_seed(request),
        )

    def _completion(self, output: Any) -> Completion:  # noqa: ANN401
        stops = self._pipeline.stop_tokens
        tokens = [token for token in output.generated_ids if token not in stops]
        reason = "length" if output.finish_reason.name == "LENGTH" else "stop"
        return Completion(self._pipeline.decode(tokens), len(tokens), reason)

    def _encode_prompts(self, prompts: Sequence[Prompt]) -> dict[Prompt, Tokens]:
        distinct = list(dict.fromkeys(prompts))
        texts = [self._pipeline.render(prompt) for prompt in distinct]
        return dict(zip(distinct, self._pipeline.encode(texts), strict=True))

    def _encode_pairs(self, requests: Sequence[ScoreRequest], indices: Sequence[int]) -> list[Pair]:
        """Return the tokens of each request; `indices` number the requests in errors."""
        for index, request in zip(indices, requests, strict=True):
            if not request.response:
                raise DataError(
                    f"The response of request {index} is empty.",
                    hint="Drop records without a response.",
                )
        prompts = self._encode_prompts([request.prompt for request in requests])
        texts = {prompt: self._pipeline.render(prompt) for prompt in prompts}
        responses = [plain(request.response) for request in requests]
        combined = self._pipeline.encode(
            [texts[r.prompt] + text for r, text in zip(requests, responses, strict=True)]
        )
        pairs = []
        for index, request, text, tokens in zip(
            indices, requests, responses, combined, strict=True
        ):
            pairs.append(self._pair(prompts[request.prompt], tokens, text))
            self._check_length(index, len(pairs[-1].tokens))
        return pairs

    def _pair(self, prompt: Tokens, combined: Tokens, response: str) -> Pair:
        if combined[: len(prompt)] != prompt or len(combined) == len(prompt):
            combined = prompt + self._pipeline.encode([response])[0]
        return Pair(combined, len(prompt))

    def _check_length(self, index: int, n_tokens: int) -> None:
        if n_tokens > self.context_length:
            raise PromptTooLongError(
                f"Request {index} needs {n_tokens:,} tokens with its response, but the model's "
                f"context length is {self.context_length:,}.",
                hint="Shorten the persona, the exemplar or the response.",
            )


def _response_scores(pair: Pair, log_probs: Sequence[float]) -> TokenScores | None:
    """Return the scores of the response's tokens, or None if some are missing.

    The list ends with the log-probability of one token generated after the response.
    """
    n_response = len(pair.tokens) - pair.n_prompt
    if len(log_probs) < n_response + 1:
        return None
    scores = tuple(float(value) for value in log_probs[-n_response - 1 : -1])
    if not all(map(math.isfinite, scores)):
        raise ModelError(
            "The model returned a log-probability that is not finite.",
            hint="Check the model file, or choose another model.",
        )
    return TokenScores(scores)


def _engine_seed(request: GenerationRequest) -> int:
    """Return a 32-bit seed that depends on the seed and the draw number."""
    digest = hashlib.sha256(f"{request.seed}:{request.draw}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
