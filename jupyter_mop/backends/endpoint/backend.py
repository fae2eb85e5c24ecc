"""Any OpenAI-compatible endpoint: OpenAI itself, vLLM, llama.cpp's server, Ollama, a gateway."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from jupyter_mop.backends.chat_templates import ChatTemplate, find_template, plain
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.prices import find as find_price
from jupyter_mop.backends.cost.token_counts import measured
from jupyter_mop.backends.cost.usage import Meter
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults, prompt_logprobs
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.endpoint.event_loop import run, run_all
from jupyter_mop.backends.endpoint.failures import FilteredError, MalformedError
from jupyter_mop.backends.endpoint.probing import only_model, probe
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

_SEEDS = 2**31


class OpenAIBackend:
    """A language model behind an OpenAI-compatible endpoint.

    What the endpoint can do is tried on first use, with about ten calls of a few tokens:
    `capabilities`. Many calls are under way at once, each is tried again after a failure that may
    pass by itself, and each answer is handed out as it comes. The calls go through the `openai`
    client on its aiohttp transport where aiohttp is installed (`pip install "openai[aiohttp]"`):
    with 200 calls in flight it carries eight times as many as the client's own.

    Replies are scored where the endpoint gives log-probabilities of a given text: the chat is
    rendered with `chat_template` into the text that the model would read, and the log-probabilities
    of the reply's tokens are taken. A template that does not make as many tokens of a chat as the
    server's own is not used. Markers of turns inside personas, exemplars and responses are parted
    by a space, so that no text can end its own turn.

    Parameters
    ----------
    base_url : str
        Such as "http://localhost:8080/v1".
    model : str, optional
        Its name there; default: the only one that the server lists.
    api_key : str, optional
        Better left out: the environment variable OPENAI_API_KEY is used. It is never shown or kept.
    chat_template : str or ChatTemplate, optional
        "chatml" (the default), "llama-3", or the model's own: for scores only.
    timeout : float
        Seconds that one answer may take.
    in_flight : int
        The most calls at once. How many there are is learned: they grow from 16 while the latency
        holds, and are halved when the server has too much to do.
    requests_per_minute, tokens_per_minute : float, optional
        What the server allows, where that is known.
    hedge_after : float, optional
        Seconds after which a call that has no answer is made a second time. The first answer
        counts, and both calls are paid for; default: never.

    Raises
    ------
    DataError
        For an address that is none, a chat template that is not known, or a rate or time that is no
        positive number.
    ModelError
        On first use: there is no server, it wants a key, it has no such model.
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
        """The model's name on the server."""
        return self._model or run(only_model(self.endpoint))

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the endpoint was found to do."""
        return run(probe(self.endpoint, self.model, self.chat_template))

    @property
    def meter(self) -> Meter:
        """What the calls have cost so far."""
        return self.endpoint.meter

    @property
    def price(self) -> Price | None:
        """What the tokens cost by the table of prices; None where it does not say."""
        return find_price(self.endpoint.name.partition("/")[0], self.model)

    @property
    def characters_per_token(self) -> float | None:
        """What the server's own counts come to; None where it has not told of enough."""
        return measured(self.meter)

    @property
    def can_score(self) -> bool:
        """Whether replies can be scored."""
        return self.capabilities.can(names.SCORING)

    @property
    def can_score_first_tokens(self) -> bool:
        """Whether the endpoint tells how likely the first tokens of a reply are."""
        return self.capabilities.n_top > 0

    @property
    def fingerprint(self) -> str:
        """A string that changes whenever the answers could; no key is in it."""
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
        """Draw one response for each request.

        What a content filter or the model itself refused is kept as such: the `finish_reason` is
        "content_filter" or "refusal" then.

        Parameters
        ----------
        requests : sequence of GenerationRequest
            Prompts with the seed and the number of each draw.
        params : SamplingParams
            Temperature, nucleus mass, longest answer in tokens.
        on_result : callable, optional
            Called with (index, completion) as each finishes, in any order.

        Returns
        -------
        list of Completion
            In the order of the requests.

        Raises
        ------
        ModelError
            The endpoint failed and stayed so; what was finished has been handed out.
        """
        if not requests:
            return []
        found = self.capabilities
        fixed = {"temperature": params.temperature, "top_p": params.top_p}
        fixed |= {found.limit: params.max_tokens}
        fixed |= defaults.ALL_TOKENS if found.can(names.ALL_TOKENS) else {}
        sends_seeds = not found.seen(names.SEEDS).startswith("refused")

        async def draw(request: GenerationRequest) -> Completion:
            body = fixed | self._chat(request.prompt)
            if sends_seeds:
                body["seed"] = _seed(request)
            try:
                return await self.endpoint.post("/chat/completions", body, _completion)
            except FilteredError:
                return Completion("", 0, "content_filter")

        return run_all(requests, draw, on_result, at_once=self.endpoint.in_flight)

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
            A response is empty, or its first characters make one token with the prompt's last.
        ModelError
            The endpoint gives no log-probabilities of a given text, or failed and stayed so.
        """
        for index, request in enumerate(requests):
            if not request.response:
                raise DataError(
                    f"The response of request {index} is empty.",
                    hint="Drop records without a response.",
                )
        if requests and not self.can_score:
            raise ModelError(
                f"The endpoint {self.endpoint.name} cannot score replies: "
                f"{self.capabilities.seen(names.SCORING)}.",
                hint=f"{self.capabilities.seen(names.PROMPTS)}.",
            )
        return run_all(requests, self._score, on_result, at_once=self.endpoint.in_flight)

    def first_tokens(
        self, prompts: Sequence[Prompt], *, on_result: OnFirstTokens | None = None
    ) -> list[FirstTokens]:
        """Return the likeliest first tokens of a reply to each prompt, in nats.

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
            The endpoint tells of no log-probabilities, or failed and stayed so.
        """
        if prompts and not self.can_score_first_tokens:
            raise ModelError(
                f"The endpoint {self.endpoint.name} gives no log-probabilities of what it writes.",
                hint="Leave the method out: answers are drawn then.",
            )
        asked = {"logprobs": True, "top_logprobs": self.capabilities.n_top if prompts else 0}

        async def tell(prompt: Prompt) -> FirstTokens:
            body = asked | self._chat(prompt) | {self.capabilities.limit: 1, "temperature": 1}
            return await self.endpoint.post("/chat/completions", body, _first_tokens)

        return run_all(prompts, tell, on_result, at_once=self.endpoint.in_flight)

    async def _score(self, request: ScoreRequest) -> TokenScores:
        asked = self.chat_template.render(request.prompt)
        whole = asked + self.chat_template.plain(request.response)
        found = await self._echoed(whole)
        scores = found.after(len(asked), whole)
        if scores is None:
            alone = (await self._echoed(asked)).tokens
            same = found.tokens[: len(alone)] == alone
            scores = found.since(len(alone)) if same else None
        if scores is None:
            raise DataError(
                f"The response {request.response[:40]!r} makes one token with the prompt's end.",
                hint="Strip white space from the beginning of the responses.",
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
    """Return 31 bits that depend on the seed and on the number of the draw."""
    digest = hashlib.sha256(f"{request.seed}:{request.draw}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % _SEEDS


def _completion(answer: Json) -> Completion:
    """Read a chat completion; a refusal is kept in its own words."""
    choice = answer["choices"][0]
    message, reason = choice["message"], str(choice.get("finish_reason") or "stop")
    n_tokens = int((answer.get("usage") or {}).get("completion_tokens") or 0)
    if message.get("refusal"):
        return Completion(_whole(str(message["refusal"])), n_tokens, "refusal")
    text = message["content"]
    if not isinstance(text or "", str):
        raise MalformedError("an answer that is no text")
    return Completion(_whole(text or ""), n_tokens, reason)


def _whole(text: str) -> str:
    """Return `text` with a mark for half a character, which tables and files cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _first_tokens(answer: Json) -> FirstTokens:
    told: list[dict[str, Any]] = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    pairs = [(str(token["token"]), float(token["logprob"])) for token in told]
    tokens, log_probs = zip(*pairs, strict=True)
    return FirstTokens(tokens, log_probs)
