"""Ask an endpoint for each thing once, with a few tokens, and see whether it does it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Sequence
from typing import Any

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import prompt_logprobs
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.backends.endpoint.defaults import ALL_TOKENS, PROBE_ATTEMPTS, TOP_TOKENS
from jupyter_mop.backends.endpoint.failures import RefusedError
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.errors import ModelError

_ASKED = Prompt(
    (Message("system", "You like poems."), Message("user", "Write the first line of one."))
)
_ANSWER = "The sea is calm"
_N_DRAWN = 8
_SEEDS = (1, 1, 2)
_SHOWN = 6


async def list_models(endpoint: Endpoint) -> list[str]:
    """Return the names of the models that the server lists, none where it keeps no list."""
    try:
        return await endpoint.get("/models", _names)
    except RefusedError:
        return []


async def only_model(endpoint: Endpoint) -> str:
    """Return the server's model where it has one alone.

    Raises
    ------
    ModelError
        Where there is a choice, or no list.
    """
    listed = await list_models(endpoint)
    if len(listed) != 1:
        raise ModelError(
            f"The server at {endpoint.name} lists {len(listed)} models, and none was named.",
            hint=f"Name one: --model {listed[0] if listed else 'NAME'}. {_choice(listed)}".strip(),
        )
    return listed[0]


async def probe(endpoint: Endpoint, model: str, template: ChatTemplate) -> Capabilities:
    """Try what the backend could use: about ten calls of at most a dozen tokens.

    What does not depend on another answer is asked at once, seeds too: draws are asked at once.

    Raises
    ------
    ModelError
        Where there is no such server, key or model.
    """
    probing = _Probing(endpoint, model, template)
    limit, n_prompt, says = await probing.chat()
    (n_top, tokens), (dialect, prompts, scoring), *others = await asyncio.gather(
        probing.tokens(),
        probing.likelihoods(n_prompt),
        _unless_refused(names.SEEDS, probing.seeds()),
        _unless_refused(names.ALL_TOKENS, probing.all_tokens()),
        _unless_refused(names.MANY, probing.many()),
        probing.embeddings(),
    )
    return Capabilities(
        endpoint.name,
        model,
        (
            Finding(names.CHAT, works=True, seen=says),
            tokens,
            prompts,
            scoring,
            *others,
        ),
        dialect=dialect,
        limit=limit,
        n_top=n_top,
    )


class _Probing:
    """The calls of one probe."""

    def __init__(self, endpoint: Endpoint, model: str, template: ChatTemplate) -> None:
        self.endpoint = endpoint
        self.model = model
        self.template = template
        self.limit = "max_tokens"

    async def chat(self) -> tuple[str, int, str]:
        """Return what limits an answer, the tokens of the prompt and which model answered."""
        try:
            answer = await self._chat(1)
        except RefusedError as error:
            if "max_completion_tokens" not in error.said:
                raise await self._wrong(error) from None
            self.limit = "max_completion_tokens"
            answer = await self._chat(1)
        served = str(answer.get("model") or self.model)
        if not served.startswith(self.model):
            await self._check_listed(served)
        seen = "" if served == self.model else f"answered by {served}"
        return self.limit, int((answer.get("usage") or {}).get("prompt_tokens") or 0), seen

    async def tokens(self) -> tuple[int, Finding]:
        """Return how many likeliest tokens the server tells of."""
        seen = ""
        for n_top in TOP_TOKENS:
            try:
                answer = await self._chat(1, logprobs=True, top_logprobs=n_top)
                told = len(answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"])
            except RefusedError as error:
                seen = f"refused: {error.said}"
            except (LookupError, TypeError):
                seen = "it gives none"
                break
            else:
                if told > 1:
                    return told, Finding(names.TOKENS, True, f"the {told} likeliest of each")
        return 0, Finding(names.TOKENS, False, seen)

    async def likelihoods(self, n_prompt: int) -> tuple[str, Finding, Finding]:
        """Return how a given text is scored, what was seen, and whether replies can be scored."""
        dialect, prompts = await self.prompts()
        return dialect, prompts, await self.scoring(dialect, n_prompt)

    async def prompts(self) -> tuple[str, Finding]:
        """Return how the server gives log-probabilities of a text that it is given."""
        seen = []
        for dialect in prompt_logprobs.DIALECTS:
            try:
                await self.echoed(dialect, self._text())
            except RefusedError as error:
                seen.append(f"{dialect} is refused: {error.said}")
            except ModelError:
                seen.append(f"it accepts {dialect} and gives only what it wrote itself")
            else:
                return dialect, Finding(names.PROMPTS, True, f"by {dialect}")
        return "", Finding(names.PROMPTS, False, "; ".join(seen))

    async def scoring(self, dialect: str, n_prompt: int) -> Finding:
        """Return whether replies can be scored: the template must be the one the server uses."""
        if not dialect:
            return Finding(names.SCORING, False, "needs log-probabilities of a given text")
        asked = self.template.render(_ASKED)
        found = await self.echoed(dialect, asked + _ANSWER)
        alone = len((await self.echoed(dialect, asked)).tokens)
        if n_prompt and alone != n_prompt:
            return Finding(
                names.SCORING,
                False,
                f"the chat template {self.template.name!r} makes {alone} tokens of a chat that the "
                f"server reads as {n_prompt}: give the model's own, --template NAME",
            )
        if found.after(len(asked), asked + _ANSWER) is None:
            return Finding(names.SCORING, False, "the reply's own tokens cannot be told apart")
        return Finding(names.SCORING, True, f"with the chat template {self.template.name!r}")

    async def seeds(self) -> Finding:
        """Return whether a seed decides an answer."""
        answers = await asyncio.gather(
            *(self._chat(_N_DRAWN, seed=seed, temperature=1) for seed in _SEEDS)
        )
        first, again, other = (str(a["choices"][0]["message"]["content"]) for a in answers)
        if first != again:
            return Finding(names.SEEDS, False, "the same seed gave other words")
        if first == other:
            return Finding(names.SEEDS, False, "another seed gave the same words")
        return Finding(names.SEEDS, True, "the same seed gave the same words")

    async def all_tokens(self) -> Finding:
        """Return whether limits of the server's own on what may be drawn can be switched off.

        llama.cpp's draws from the 40 likeliest tokens where nothing is said, whatever nucleus is
        asked for; others take limits from the model's files.
        """
        await self._chat(1, **ALL_TOKENS)
        return Finding(names.ALL_TOKENS, True, "its own top_k and min_p are switched off")

    async def many(self) -> Finding:
        """Return whether one call can give several answers."""
        n = len((await self._chat(1, n=2))["choices"])
        return Finding(names.MANY, n == 2, "" if n == 2 else f"asked for 2, got {n}")  # noqa: PLR2004

    async def embeddings(self) -> Finding:
        """Return whether the model embeds texts."""
        body = {"model": self.model, "input": ["a"]}
        try:
            size = await self.endpoint.post(
                "/embeddings", body, lambda a: len(a["data"][0]["embedding"]), attempts=1
            )
        except ModelError as error:
            return Finding(names.EMBEDDINGS, False, getattr(error, "said", "") or "it gives none")
        return Finding(names.EMBEDDINGS, True, f"of {size} numbers")

    async def echoed(self, dialect: str, text: str) -> prompt_logprobs.Echo:
        """Return what the server says of a text."""
        return await self.endpoint.post(
            "/completions",
            prompt_logprobs.request(dialect, self.model, text),
            lambda answer: prompt_logprobs.read(dialect, answer, text),
            attempts=1,
        )

    async def _chat(self, n_tokens: int, **options: Any) -> Json:  # noqa: ANN401
        turns = [{"role": m.role, "content": m.content} for m in _ASKED.messages]
        body = {"model": self.model, "messages": turns, self.limit: n_tokens, **options}
        return await self.endpoint.post("/chat/completions", body, _chat, attempts=PROBE_ATTEMPTS)

    def _text(self) -> str:
        return self.template.render(_ASKED) + _ANSWER

    async def _wrong(self, error: RefusedError) -> ModelError:
        """Return what is wrong where the first chat was refused: the model, or the address."""
        listed = await list_models(self.endpoint)
        if listed and self.model not in listed:
            return self._no_model(listed)
        return error

    async def _check_listed(self, served: str) -> None:
        """Raise where the server answers to any name: its list must hold the one that is asked."""
        listed = await list_models(self.endpoint)
        if listed and self.model not in listed and served in listed:
            raise self._no_model(listed)

    def _no_model(self, listed: Sequence[str]) -> ModelError:
        near = difflib.get_close_matches(self.model, listed, 1, cutoff=0)
        return ModelError(
            f"The server at {self.endpoint.name} has no model {self.model!r}.",
            hint=f"Did you mean {near[0]!r}? {_choice(listed)}".strip(),
        )


def _choice(listed: Sequence[str]) -> str:
    more = ", ..." if len(listed) > _SHOWN else ""
    return f"It has {', '.join(listed[:_SHOWN])}{more}." if listed else ""


async def _unless_refused(what: str, trying: Awaitable[Finding]) -> Finding:
    """Return what is found by `trying`, or that the server refused it."""
    try:
        return await trying
    except RefusedError as error:
        return Finding(what, False, f"refused: {error.said}")


def _chat(answer: Json) -> Json:
    answer["choices"][0]["message"]["content"]
    return answer


def _names(answer: Json) -> list[str]:
    """Return every name that the list knows, aliases too."""
    listed = [(str(model["id"]), model.get("aliases") or []) for model in answer["data"]]
    return list(dict.fromkeys([name for name, _ in listed]))
