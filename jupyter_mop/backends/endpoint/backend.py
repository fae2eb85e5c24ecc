"""A backend for OpenAI-compatible endpoints: OpenAI, vLLM, llama.cpp, Ollama, gateways."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from jupyter_mop.backends.chat_templates import ChatTemplate, find_template, plain
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.prices import find as find_price
from jupyter_mop.backends.cost.token_counts import measured_characters
from jupyter_mop.backends.cost.usage import Meter
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults, prompt_logprobs
from jupyter_mop.backends.endpoint.capabilities import Capabilities, only_model, probe
from jupyter_mop.backends.endpoint.error_messages import FilteredError, MalformedError
from jupyter_mop.backends.endpoint.event_loop import run, run_all
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.backends.protocols import (
    Completion,
    FirstTokens,
    GenerationRequest,
    OnCompletion,
    OnFirstTokens,
    OnScores,
    Prompt,
    SamplingParams,
    ScoreRequest,
    TokenScores,
)
from jupyter_mop.errors import DataError, ModelError

_N_SEEDS = 2**31


class OpenAIBackend:
    """A language model behind an OpenAI-compatible endpoint.

    The endpoint is probed on first use with about ten calls of a few tokens: see `capabilities`.
    Calls run concurrently, temporary failures are repeated, and each response is reported as soon
    as it arrives. The `openai` client uses its aiohttp transport if aiohttp is installed
    (`pip install "openai[aiohttp]"`), which handles eight times as many calls per second with 200
    in flight as the default transport.

    Responses can be scored if the endpoint reports log-probabilities of a given text: the chat is
    rendered with `chat_template`, and the log-probabilities of the response's tokens are read. A
    template that gives another number of tokens than the server's own is not used. Turn markers
    inside personas, exemplars and responses are split by a space, so that no text can end its turn.

    Parameters
    ----------
    base_url : str
        Address of the endpoint, for example "http://localhost:8080/v1".
    model : str, optional
        Name of the model on the server; default: the only model that it lists.
    api_key : str, optional
        Default: the environment variable OPENAI_API_KEY, which is safer. The key is never
        displayed or stored.
    chat_template : str or ChatTemplate, optional
        "chatml" (the default), "llama-3", or the model's own; used for scores only.
    timeout : float
        Limit for one response, in seconds.
    in_flight : int
        Highest number of concurrent calls. The actual number adapts: it grows from 16 while
        latency stays low and is halved when the server is overloaded.
    requests_per_minute, tokens_per_minute : float, optional
        Rate limits of the server, if known.
    hedge_after : float, optional
        Seconds after which a call without a response is sent a second time; default: never. The
        first response is used, and both calls are charged.

    Raises
    ------
    DataError
        The address or the chat template is not valid, or a rate or time is not positive.
    ModelError
        On first use: the server cannot be reached, requires an API key, or lacks the model.

    Examples
    --------
    >>> OpenAIBackend("http://localhost:8080/v1", "smollm2")
    OpenAIBackend('http://localhost:8080/v1', 'smollm2')
    """

    def __init__(
        self,
        base_url: str = defaults.OPENAI_URL,
        model: str | None = None,
        *,
        api_key: str | None = None,
        chat_template: str | ChatTemplate | None = None,
        timeout: float = defaults.TIMEOUT_SECONDS,
        in_flight: int = defaults.IN_FLIGHT,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        hedge_after: float | None = None,
    ) -> None:
        self.endpoint = Endpoint(
            base_url,
            api_key,
            timeout=timeout,
            in_flight=in_flight,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            hedge_after=hedge_after,
        )
        self.chat_template = find_template(chat_template)
        self._model = model

    def __repr__(self) -> str:
        return f"OpenAIBackend({self.endpoint.base_url!r}, {self._model!r})"

    @cached_property
    def model(self) -> str:
        """Name of the model on the server."""
        return self._model or run(only_model(self.endpoint))

    @cached_property
    def capabilities(self) -> Capabilities:
        """The capabilities found by probing the endpoint."""
        return run(probe(self.endpoint, self.model, self.chat_template))

    @property
    def meter(self) -> Meter:
        """The meter of all calls so far."""
        return self.endpoint.meter

    @property
    def price(self) -> Price | None:
        """The price of the model's tokens in the price table; None if it is not listed."""
        return find_price(self.endpoint.name.partition("/")[0], self.model)

    @property
    def characters_per_token(self) -> float | None:
        """Characters per token by the server's own counts; None if there are too few."""
        return measured_characters(self.meter)

    @property
    def can_score(self) -> bool:
        """Whether the endpoint reports the log-likelihood of a given response."""
        return self.capabilities.can(names.SCORING)

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the endpoint reports the most likely first tokens of a response."""
        return self.capabilities.n_top > 0

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the responses could; it contains no API key."""
        template = self.chat_template
        facts = repr((template.turn, template.answer, template.begin, defaults.ALL_TOKENS))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
        return f"openai:{self.endpoint.name}:{self.model}:{template.name}-{digest}"

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request.

        A response refused by a content filter or by the model has the `finish_reason`
        "content_filter" or "refusal".

        Parameters
        ----------
        requests : sequence of GenerationRequest
            Prompts with the seed and the draw number of each response.
        params : SamplingParams
            Temperature, nucleus mass and output limit.
        on_result : callable, optional
            Called with (index, completion) as each finishes, in any order.

        Returns
        -------
        list of Completion
            In the order of the requests.

        Raises
        ------
        ModelError
            The endpoint failed repeatedly; finished responses have been reported.
        """
        if not requests:
            return []
        found = self.capabilities
        settings = {"temperature": params.temperature, "top_p": params.top_p}
        settings |= {found.limit_parameter: params.max_tokens}
        settings |= defaults.ALL_TOKENS if found.can(names.ALL_TOKENS) else {}
        sends_seeds = not found.seen(names.SEEDS).startswith("refused")

        async def generate_one(request: GenerationRequest) -> Completion:
            body = settings | self._chat(request.prompt)
            if sends_seeds:
                body["seed"] = _seed(request)
            try:
                return await self.endpoint.post("/chat/completions", body, _completion)
            except FilteredError:
                return Completion("", 0, "content_filter")

        return run_all(requests, generate_one, on_result, max_in_flight=self.endpoint.in_flight)

    def score(
        self, requests: Sequence[ScoreRequest], *, on_result: OnScores | None = None
    ) -> list[TokenScores]:
        """Return log p(response | prompt) per token, in nats, without an end token.

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
            A response is empty, or its start merges with the end of the prompt into one token.
        ModelError
            The endpoint has no log-probabilities of a given text, or it failed repeatedly.
        """
        for index, request in enumerate(requests):
            if not request.response:
                raise DataError(
                    f"The response of request {index} is empty.",
                    hint="Drop records without a response.",
                )
        if requests and not self.can_score:
            raise ModelError(
                f"The endpoint {self.endpoint.name} cannot score responses: "
                f"{self.capabilities.seen(names.SCORING)}.",
                hint=f"{self.capabilities.seen(names.PROMPTS)}.",
            )
        return run_all(requests, self._score, on_result, max_in_flight=self.endpoint.in_flight)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the most likely first tokens of a response to each prompt, in nats.

        Parameters
        ----------
        prompts : sequence of Prompt
        on_result : callable, optional
            Called with (index, tokens) as each finishes, in any order.

        Returns
        -------
        list of FirstTokens
            In the order of the prompts.

        Raises
        ------
        ModelError
            The endpoint reports no log-probabilities, or it failed repeatedly.
        """
        if prompts and not self.can_score_first_tokens:
            raise ModelError(
                f"The endpoint {self.endpoint.name} reports no log-probabilities of output tokens.",
                hint="Leave `method` out: answers are sampled then.",
            )
        settings = {"logprobs": True, "top_logprobs": self.capabilities.n_top if prompts else 0}

        async def first(prompt: Prompt) -> FirstTokens:
            limit = {self.capabilities.limit_parameter: 1}
            body = settings | self._chat(prompt) | limit | {"temperature": 1}
            return await self.endpoint.post("/chat/completions", body, _first_tokens)

        return run_all(prompts, first, on_result, max_in_flight=self.endpoint.in_flight)

    async def _score(self, request: ScoreRequest) -> TokenScores:
        prompt = self.chat_template.render(request.prompt)
        text = prompt + self.chat_template.plain(request.response)
        echo = await self._echoed(text)
        scores = echo.after(len(prompt), text)
        if scores is None:
            prompt_tokens = (await self._echoed(prompt)).tokens
            is_prefix = echo.tokens[: len(prompt_tokens)] == prompt_tokens
            scores = echo.since(len(prompt_tokens)) if is_prefix else None
        if scores is None:
            raise DataError(
                "The tokenizer merges the start of the response "
                f"{request.response[:40]!r} with the end of the prompt.",
                hint="Strip white space from the start of the responses.",
            )
        return scores

    async def _echoed(self, text: str) -> prompt_logprobs.Echo:
        dialect = self.capabilities.dialect
        return await self.endpoint.post(
            "/completions",
            prompt_logprobs.request(dialect, self.model, text),
            lambda answer: prompt_logprobs.read(dialect, answer, text),
        )

    def _chat(self, prompt: Prompt) -> Json:
        turns = [{"role": turn.role, "content": plain(turn.content)} for turn in prompt.messages]
        return {"model": self.model, "messages": turns}


def _seed(request: GenerationRequest) -> int:
    """Return a 31-bit seed that depends on the seed and the draw number."""
    digest = hashlib.sha256(f"{request.seed}:{request.draw}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % _N_SEEDS


def _completion(answer: Json) -> Completion:
    """Read a chat completion; the text of a refusal is the model's own."""
    choice = answer["choices"][0]
    message, reason = choice["message"], str(choice.get("finish_reason") or "stop")
    n_tokens = int((answer.get("usage") or {}).get("completion_tokens") or 0)
    if message.get("refusal"):
        return Completion(_without_surrogates(str(message["refusal"])), n_tokens, "refusal")
    text = message["content"]
    if not isinstance(text or "", str):
        raise MalformedError("content that is not text")
    return Completion(_without_surrogates(text or ""), n_tokens, reason)


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which tables and files cannot hold, by a question mark."""
    return text.encode("utf-8", "replace").decode()


def _first_tokens(answer: Json) -> FirstTokens:
    top: list[dict[str, Any]] = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    pairs = [(str(token["token"]), float(token["logprob"])) for token in top]
    tokens, log_probs = zip(*pairs, strict=True)
    return FirstTokens(tokens, log_probs)
