"""A backend for OpenAI-compatible endpoints: OpenAI, vLLM, llama.cpp, Ollama, gateways."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

from jupyter_mop.backends.chat_templates import ChatTemplate, find_template
from jupyter_mop.backends.cost.prices import Price
from jupyter_mop.backends.cost.prices import find as find_price
from jupyter_mop.backends.cost.token_counts import measured_characters
from jupyter_mop.backends.cost.usage import Meter
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults, prompt_logprobs
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.endpoint.chat import answers, bodies
from jupyter_mop.backends.endpoint.chat.model_options import ModelOptions
from jupyter_mop.backends.endpoint.chat.models import only_model
from jupyter_mop.backends.endpoint.chat.probe import probe
from jupyter_mop.backends.endpoint.chat.thinking_room import ThinkingRoom
from jupyter_mop.backends.endpoint.error_messages import (
    EmptyAnswerError,
    FilteredError,
    NoRoomError,
    RefusedError,
)
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
from jupyter_mop.errors import DataError, ModelError, PromptTooLongError
from jupyter_mop.options import takes_options

Value = TypeVar("Value")

_N_SEEDS = 2**31
EMPTY = "empty"
MAX_EMPTY_PARTS = 3  # at most one of so many answers may have no text
_IN_FINGERPRINT = (names.TEMPERATURE, names.TOP_P)


@takes_options(ModelOptions)
class OpenAIBackend:
    """A language model behind an OpenAI-compatible endpoint.

    The endpoint is probed on first use with about a dozen calls of a few tokens: see
    `capabilities`. Parameters that the model refuses are left out. Thinking is not part of a
    response: the output limit leaves room for it, and an answer that stays empty is an error.
    Calls run concurrently, temporary failures are repeated, and each response is reported as soon
    as it arrives. The candidates of a draw (requests with one prompt and draw number) share a call
    if the server gives several responses in one. The `openai` client uses its aiohttp transport if
    aiohttp is installed (`pip install "openai[aiohttp]"`), which handles eight times as many calls
    per second with 200 in flight as the default transport.

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
    **options

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

    needs_text = True  # an answer without text is a failure, which is not cached

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
        **options: Any,  # noqa: ANN401  those of ModelOptions
    ) -> None:
        self.options = ModelOptions.of(options)
        self.endpoint = Endpoint(
            base_url,
            api_key,
            timeout=timeout,
            in_flight=in_flight,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            hedge_after=self.options.hedge_after,
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
        return run(probe(self.endpoint, self.model, self.chat_template, self.options))

    @cached_property
    def thinking(self) -> ThinkingRoom:
        """The room for thinking beside the answer, and the thinking seen so far."""
        return ThinkingRoom(self.options.reasoning_tokens, self.capabilities.thinking)

    @property
    def hidden_tokens(self) -> tuple[float, int]:
        """Expected tokens of thinking before an answer, and the room for it; no call is made."""
        if "capabilities" not in self.__dict__:
            return 0.0, self.options.reasoning_tokens or 0
        return self.thinking.expected, self.thinking.tokens

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
        """A string that changes whenever the responses could; it contains no API key.

        What the model refuses is part of it as soon as the endpoint has been probed.
        """
        template = self.chat_template
        facts = repr((template.turn, template.answer, template.begin, defaults.ALL_TOKENS))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
        parts = ["openai", self.endpoint.name, self.model, f"{template.name}-{digest}"]
        return ":".join([*parts, *self._deviations()])

    @property
    def facts(self) -> dict[str, Any]:
        """What the provenance of a result says of this model: parameters that were not sent."""
        left_out = self._known.left_out
        sent = {"options": self.options.sent} if self.options.sent else {}
        refused = {"refused": list(left_out)} if left_out else {}
        unsent = {name: "not sent" for name in _IN_FINGERPRINT if name in left_out}
        return unsent | refused | sent

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        params: SamplingParams,
        *,
        on_result: OnCompletion | None = None,
    ) -> list[Completion]:
        """Generate one response for each request.

        A response refused by a content filter or by the model has the `finish_reason`
        "content_filter" or "refusal", one that has no text in any attempt "empty".

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
            The endpoint failed repeatedly, the room for thinking is too small, or more than a
            third of the answers have no text; finished responses have been reported.
        """
        if not requests:
            return []
        _ = self.capabilities  # probed before the calls, which run in another thread
        groups = self.grouped(requests)

        async def generate_group(indices: list[int]) -> list[Completion]:
            return await self._group([requests[index] for index in indices], params)

        def report(position: int, completions: list[Completion]) -> None:
            for index, completion in zip(groups[position], completions, strict=True):
                if on_result:
                    on_result(index, completion)

        in_flight = self.endpoint.in_flight
        lists = run_all(groups, generate_group, report, max_in_flight=in_flight)
        answered = dict(zip(chain(*groups), chain(*lists), strict=True))
        found = [answered[index] for index in range(len(requests))]
        self._check_text(found)
        return found

    def grouped(self, requests: Sequence[GenerationRequest]) -> list[list[int]]:
        """Return the indices of the requests that share a call; no call is made."""
        known = self._known
        if not known.can(names.MANY) or bodies.N_CHOICES in known.left_out:
            return [[index] for index in range(len(requests))]
        groups: dict[tuple[Prompt, int], list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault((request.prompt, request.draw), []).append(index)
        most = defaults.MAX_CHOICES
        return [
            group[i : i + most] for group in groups.values() for i in range(0, len(group), most)
        ]

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
        settings = self._first_token_settings if prompts else {}

        async def first(prompt: Prompt) -> FirstTokens:
            return await self._post(prompt, 1, settings, self.read_first_tokens)

        return run_all(prompts, first, on_result, max_in_flight=self.endpoint.in_flight)

    def body(self, request: GenerationRequest, params: SamplingParams, room: int) -> Json:
        """Return the body of the request for a response, with `room` tokens for thinking."""
        settings = self._settings(params) | {bodies.SEED: _seed(request)}
        n_tokens = params.max_tokens + room
        return bodies.chat_body(self.capabilities, request.prompt, n_tokens, settings)

    def first_tokens_body(self, prompt: Prompt) -> Json:
        """Return the body of the request for the first tokens of a response."""
        return bodies.chat_body(self.capabilities, prompt, 1, self._first_token_settings)

    def read_first_tokens(self, answer: Json) -> FirstTokens:
        """Read the first tokens of an answer; raise a ModelError if they begin its thinking."""
        found = answers.first_tokens(answer)
        if found is None:
            raise ModelError(
                f"The model at {self.endpoint.name} begins with its thinking, so that the "
                "first token is not that of an answer.",
                hint="Use --method sampled.",
            )
        return found

    def _settings(self, params: SamplingParams) -> Json:
        settings = {"temperature": params.temperature, "top_p": params.top_p}
        settings |= defaults.ALL_TOKENS if self.capabilities.can(names.ALL_TOKENS) else {}
        return settings | self.options.sent

    @property
    def _first_token_settings(self) -> Json:
        settings = {"logprobs": True, "top_logprobs": self.capabilities.n_top, "temperature": 1}
        return settings | self.options.sent

    async def _group(
        self, group: Sequence[GenerationRequest], params: SamplingParams
    ) -> list[Completion]:
        """Return the responses to requests with one prompt: of one call, the rest one by one."""
        if len(group) == 1:
            return [await self._one(group[0], params)]
        found = await self._several(group, params)
        alone = [self._one(r, params) for r, done in zip(group, found, strict=True) if not done]
        others = iter(await asyncio.gather(*alone))
        return [done or next(others) for done in found]

    async def _several(
        self, group: Sequence[GenerationRequest], params: SamplingParams
    ) -> list[Completion | None]:
        """Return the responses of one call, with the first request's seed; None if missing."""
        n, limit = len(group), params.max_tokens + self.thinking.tokens
        sent = self._settings(params) | {bodies.SEED: _seed(group[0]), bodies.N_CHOICES: n}
        try:
            found = await self._post(group[0].prompt, limit, sent, answers.completions)
        except (FilteredError, EmptyAnswerError):
            found = []
        except RefusedError:  # for another reason, if single calls are refused too
            known = self.capabilities
            left_out = (*known.left_out, bodies.N_CHOICES)
            self.__dict__["capabilities"] = replace(known, left_out=left_out)
            found = []
        for done in filter(None, found):
            self.thinking.see(done.n_thinking)
        return [*found, *[None] * n][:n]

    async def _one(self, request: GenerationRequest, params: SamplingParams) -> Completion:
        """Return the response to one request; one that no attempt gave has no text."""
        sent = self._settings(params) | {bodies.SEED: _seed(request)}
        try:
            completion = await self._answered(request.prompt, params.max_tokens, sent)
        except FilteredError:
            return Completion("", 0, "content_filter")
        except EmptyAnswerError:
            return Completion("", 0, EMPTY)
        self.thinking.see(completion.n_thinking)
        return completion

    async def _answered(
        self, prompt: Prompt, max_tokens: int, settings: Mapping[str, Any]
    ) -> Completion:
        """Return an answer; if its thinking used up the limit, ask again with more room."""
        room: int | None = self.thinking.tokens
        failure: NoRoomError | None = None
        while room is not None:
            limit = max_tokens + room
            try:
                return await self._post(prompt, limit, settings, answers.completion)
            except NoRoomError as error:
                failure = error
                room = self.thinking.larger(room) if error.thought else None
            except (RefusedError, PromptTooLongError) as error:
                raise failure or error from None  # the larger limit is more than the model takes
        assert failure is not None  # noqa: S101  the loop ends after one
        raise failure

    async def _post(
        self,
        prompt: Prompt,
        n_tokens: int,
        settings: Mapping[str, Any],
        read: Callable[[Json], Value],
    ) -> Value:
        """Send a chat; what the model refuses is learned once and left out from then on."""
        for _ in range(defaults.MAX_REFUSALS):
            found = self.capabilities
            body = bodies.chat_body(found, prompt, n_tokens, settings)
            try:
                return await self.endpoint.post("/chat/completions", body, read)
            except RefusedError as error:
                if self.capabilities is found:  # else another call has learned something
                    learned = bodies.learned(found, error, body)
                    if learned is None:
                        raise
                    self.__dict__["capabilities"] = learned
                refusal = error
        raise refusal

    def _check_text(self, completions: Sequence[Completion]) -> None:
        """Raise a ModelError if more than a third of the answers have no text."""
        n_empty = sum(completion.finish_reason == EMPTY for completion in completions)
        if n_empty > len(completions) / MAX_EMPTY_PARTS:
            raise ModelError(
                f"{n_empty:,} of {len(completions):,} answers of {self.endpoint.name} have no "
                f"text, each in {defaults.MALFORMED_ATTEMPTS} attempts.",
                hint="Check the server's log and its chat template; answers with text are cached.",
            )

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

    @property
    def _known(self) -> Capabilities:
        """What is known of the model without a call."""
        return self.__dict__.get("capabilities") or Capabilities(self.endpoint.name, "", ())

    def _deviations(self) -> list[str]:
        """Return in short what changes the responses: options, and what the model refuses."""
        found, options = self._known, json.dumps(self.options.sent, sort_keys=True)
        left_out = [name for name in _IN_FINGERPRINT if name in found.left_out]
        named = {
            f"without-{'-'.join(left_out)}": left_out,
            "no-system-role": not found.system_role,
            hashlib.sha256(options.encode()).hexdigest()[:8]: self.options.sent,
        }
        return [name for name, applies in named.items() if applies]


def _seed(request: GenerationRequest) -> int:
    """Return a 31-bit seed that depends on the seed and the draw number."""
    digest = hashlib.sha256(f"{request.seed}:{request.draw}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % _N_SEEDS
