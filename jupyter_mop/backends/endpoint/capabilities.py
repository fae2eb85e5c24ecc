"""The capabilities of an endpoint, found by probing it with about ten short calls."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.endpoint import defaults, prompt_logprobs
from jupyter_mop.backends.endpoint.error_messages import RefusedError
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.errors import ModelError
from jupyter_mop.rendering import Rendered

CHAT = "chat"
TOKENS = "log-probabilities of output tokens"
PROMPTS = "log-probabilities of a given text"
SCORING = "scores of chat responses"
SEEDS = "seeds"
ALL_TOKENS = "sampling from all tokens"
MANY = "several responses per call"
EMBEDDINGS = "embeddings"

_PROMPT = Prompt(
    (Message("system", "You like poems."), Message("user", "Write the first line of one."))
)
_RESPONSE = "The sea is calm"
_N_SEED_TOKENS = 8
_SEEDS = (1, 1, 2)
_N_LISTED = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One capability: its name, whether it works, and what was observed."""

    what: str
    works: bool
    seen: str = ""

    @property
    def outcome(self) -> str:
        """Whether it works: "yes" or "no"."""
        return "yes" if self.works else "no"


@dataclass(frozen=True, slots=True)
class Capabilities(Rendered):
    """The capabilities of a model at an endpoint; each one was tried with a call.

    Attributes
    ----------
    endpoint, model : str
        Address of the endpoint, without a key, and name of the model.
    findings : tuple of Finding
        One for each capability.
    dialect : str
        How log-probabilities of a given text are requested: "echo", "prompt_logprobs" or "".
    limit_parameter : str
        Parameter for the output limit: "max_tokens" or "max_completion_tokens".
    n_top : int
        Number of most likely first tokens that are reported; 0 if none are.

    Examples
    --------
    >>> found = (Finding("chat", works=True), Finding("seeds", works=False, seen="ignored"))
    >>> Capabilities("localhost:8080/v1", "smol", found)
    localhost:8080/v1, model smol
      chat   yes
      seeds  no   ignored
    >>> Capabilities("localhost:8080/v1", "smol", found).can("seeds")
    False
    """

    endpoint: str
    model: str
    findings: tuple[Finding, ...]
    dialect: str = ""
    limit_parameter: str = "max_tokens"
    n_top: int = 0

    def can(self, what: str) -> bool:
        """Return whether a capability was tried and works."""
        return any(finding.works for finding in self.findings if finding.what == what)

    def seen(self, what: str) -> str:
        """Return what was observed when a capability was tried."""
        return next((finding.seen for finding in self.findings if finding.what == what), "")

    def __repr__(self) -> str:
        width = max((len(finding.what) for finding in self.findings), default=0)
        lines = [f"{f.what:<{width}}  {f.outcome:<3}  {f.seen}".rstrip() for f in self.findings]
        return "\n  ".join([f"{self.endpoint}, model {self.model}", *lines])


async def list_models(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the server lists; none if it has no list."""
    try:
        return await endpoint.get("/models", _model_names)
    except RefusedError:
        return []


async def only_model(endpoint: Endpoint) -> str:
    """Return the server's model if it lists exactly one.

    Raises
    ------
    ModelError
        The server lists no model or several.
    """
    listed = await list_models(endpoint)
    if len(listed) != 1:
        raise ModelError(
            f"The server at {endpoint.name} lists {len(listed)} models, so `model` must be given.",
            hint=f"Give it: --model {listed[0] if listed else 'NAME'}. {_choice(listed)}".strip(),
        )
    return listed[0]


async def probe(endpoint: Endpoint, model: str, template: ChatTemplate) -> Capabilities:
    """Try each capability that the backend can use: about ten calls of at most a dozen tokens.

    Independent calls run concurrently, those about seeds too, as they do in use.

    Raises
    ------
    ModelError
        The server, the API key or the model is not valid.
    """
    calls = _Probe(endpoint, model, template)
    limit_parameter, n_prompt, note = await calls.chat()
    (n_top, tokens), (dialect, prompts, scoring), *others = await asyncio.gather(
        calls.tokens(),
        calls.likelihoods(n_prompt),
        _unless_refused(SEEDS, calls.seeds()),
        _unless_refused(ALL_TOKENS, calls.all_tokens()),
        _unless_refused(MANY, calls.many()),
        calls.embeddings(),
    )
    chat = Finding(CHAT, works=True, seen=note)
    return Capabilities(
        endpoint.name,
        model,
        (chat, tokens, prompts, scoring, *others),
        dialect=dialect,
        limit_parameter=limit_parameter,
        n_top=n_top,
    )


class _Probe:
    """The calls that probe one model of an endpoint."""

    def __init__(self, endpoint: Endpoint, model: str, template: ChatTemplate) -> None:
        self.endpoint = endpoint
        self.model = model
        self.template = template
        self.limit_parameter = "max_tokens"

    async def chat(self) -> tuple[str, int, str]:
        """Return the output limit's parameter, the tokens of the prompt and a note on the model."""
        try:
            answer = await self._chat(1)
        except RefusedError as error:
            if "max_completion_tokens" not in error.reason:
                raise await self._refusal(error) from None
            self.limit_parameter = "max_completion_tokens"
            answer = await self._chat(1)
        served = str(answer.get("model") or self.model)
        if not served.startswith(self.model):
            await self._check_listed(served)
        note = "" if served == self.model else f"answered by {served}"
        n_prompt = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
        return self.limit_parameter, n_prompt, note

    async def tokens(self) -> tuple[int, Finding]:
        """Return how many of the most likely tokens the server reports."""
        seen = ""
        for n_top in defaults.TOP_TOKENS:
            try:
                answer = await self._chat(1, logprobs=True, top_logprobs=n_top)
                n_reported = len(answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"])
            except RefusedError as error:
                seen = f"refused: {error.reason}"
            except (LookupError, TypeError):
                seen = "the response has none"
                break
            else:
                if n_reported > 1:
                    seen = f"the {n_reported} most likely tokens"
                    return n_reported, Finding(TOKENS, True, seen)
        return 0, Finding(TOKENS, False, seen)

    async def likelihoods(self, n_prompt: int) -> tuple[str, Finding, Finding]:
        """Return the dialect for a given text, its finding and the finding about responses."""
        dialect, prompts = await self.prompts()
        return dialect, prompts, await self.scoring(dialect, n_prompt)

    async def prompts(self) -> tuple[str, Finding]:
        """Return how the server reports log-probabilities of a given text."""
        seen = []
        for dialect in prompt_logprobs.DIALECTS:
            try:
                await self.echoed(dialect, self._text())
            except RefusedError as error:
                seen.append(f"{dialect} is refused: {error.reason}")
            except ModelError:
                seen.append(f"{dialect} is accepted, but covers only generated text")
            else:
                return dialect, Finding(PROMPTS, True, f"by {dialect}")
        return "", Finding(PROMPTS, False, "; ".join(seen))

    async def scoring(self, dialect: str, n_prompt: int) -> Finding:
        """Return whether responses can be scored: needs the chat template that the server uses."""
        if not dialect:
            return Finding(SCORING, False, "needs log-probabilities of a given text")
        prompt = self.template.render(_PROMPT)
        echo = await self.echoed(dialect, prompt + _RESPONSE)
        n_tokens = len((await self.echoed(dialect, prompt)).tokens)
        if n_prompt and n_tokens != n_prompt:
            return Finding(
                SCORING,
                False,
                f"the chat template {self.template.name!r} makes {n_tokens} tokens of a chat that "
                f"the server counts as {n_prompt}: give the model's own, --template NAME",
            )
        if echo.after(len(prompt), prompt + _RESPONSE) is None:
            return Finding(SCORING, False, "the response's tokens cannot be identified")
        return Finding(SCORING, True, f"with the chat template {self.template.name!r}")

    async def seeds(self) -> Finding:
        """Return whether the seed decides the response."""
        answers = await asyncio.gather(
            *(self._chat(_N_SEED_TOKENS, seed=seed, temperature=1) for seed in _SEEDS)
        )
        first, again, other = (str(a["choices"][0]["message"]["content"]) for a in answers)
        if first != again:
            return Finding(SEEDS, False, "the same seed gave other text")
        if first == other:
            return Finding(SEEDS, False, "another seed gave the same text")
        return Finding(SEEDS, True, "the same seed gave the same text")

    async def all_tokens(self) -> Finding:
        """Return whether the server's own sampling limits can be switched off.

        llama.cpp samples from the 40 most likely tokens by default, whatever `top_p` is; other
        servers take limits from the model's files.
        """
        await self._chat(1, **defaults.ALL_TOKENS)
        return Finding(ALL_TOKENS, True, "the server's top_k and min_p are switched off")

    async def many(self) -> Finding:
        """Return whether one call can return several responses."""
        n = len((await self._chat(1, n=2))["choices"])
        return Finding(MANY, n == 2, "" if n == 2 else f"requested 2, got {n}")  # noqa: PLR2004

    async def embeddings(self) -> Finding:
        """Return whether the model embeds texts."""
        body = {"model": self.model, "input": ["a"]}
        try:
            size = await self.endpoint.post(
                "/embeddings", body, lambda a: len(a["data"][0]["embedding"]), attempts=1
            )
        except ModelError as error:
            return Finding(EMBEDDINGS, False, getattr(error, "reason", "") or "it has none")
        return Finding(EMBEDDINGS, True, f"of dimension {size}")

    async def echoed(self, dialect: str, text: str) -> prompt_logprobs.Echo:
        """Return the server's tokens and log-probabilities of a text."""
        return await self.endpoint.post(
            "/completions",
            prompt_logprobs.request(dialect, self.model, text),
            lambda answer: prompt_logprobs.read(dialect, answer, text),
            attempts=1,
        )

    async def _chat(self, n_tokens: int, **options: Any) -> Json:  # noqa: ANN401
        turns = [{"role": m.role, "content": m.content} for m in _PROMPT.messages]
        body = {"model": self.model, "messages": turns, self.limit_parameter: n_tokens, **options}
        return await self.endpoint.post(
            "/chat/completions", body, _chat, attempts=defaults.PROBE_ATTEMPTS
        )

    def _text(self) -> str:
        return self.template.render(_PROMPT) + _RESPONSE

    async def _refusal(self, error: RefusedError) -> ModelError:
        """Return the error for a refused first chat: the model is unknown, or the refusal."""
        listed = await list_models(self.endpoint)
        if listed and self.model not in listed:
            return self._no_model(listed)
        return error

    async def _check_listed(self, served: str) -> None:
        """Raise if the server answered with another model because it does not have this one."""
        listed = await list_models(self.endpoint)
        if listed and self.model not in listed and served in listed:
            raise self._no_model(listed)

    def _no_model(self, listed: Sequence[str]) -> ModelError:
        close = difflib.get_close_matches(self.model, listed, 1, cutoff=0)
        return ModelError(
            f"The server at {self.endpoint.name} has no model {self.model!r}.",
            hint=f"Did you mean {close[0]!r}? {_choice(listed)}".strip(),
        )


def _choice(listed: Sequence[str]) -> str:
    more = ", ..." if len(listed) > _N_LISTED else ""
    return f"It has {', '.join(listed[:_N_LISTED])}{more}." if listed else ""


async def _unless_refused(what: str, attempt: Awaitable[Finding]) -> Finding:
    """Return the finding of `attempt`, or that the server refused it."""
    try:
        return await attempt
    except RefusedError as error:
        return Finding(what, False, f"refused: {error.reason}")


def _chat(answer: Json) -> Json:
    answer["choices"][0]["message"]["content"]
    return answer


def _model_names(answer: Json) -> list[str]:
    return list(dict.fromkeys(str(model["id"]) for model in answer["data"]))
