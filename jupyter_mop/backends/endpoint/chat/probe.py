"""Find the capabilities of a model at an endpoint with about a dozen short calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from jupyter_mop.backends.chat_templates import ChatTemplate
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint import defaults, prompt_logprobs
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.backends.endpoint.chat import answers, bodies
from jupyter_mop.backends.endpoint.chat.model_options import ModelOptions
from jupyter_mop.backends.endpoint.chat.models import list_models, no_model
from jupyter_mop.backends.endpoint.error_messages import NoRoomError, RefusedError
from jupyter_mop.backends.endpoint.server import Endpoint, Json
from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.errors import ModelError

Value = TypeVar("Value")

_PROMPT = Prompt(
    (Message("system", "You like poems."), Message("user", "Write the first line of one."))
)
_SHORT = Prompt((Message("user", "Is the sea deep? Answer yes or no."),))
_RESPONSE = "The sea is calm"
_N_SEED_TOKENS = 8
_SEEDS = (1, 1, 2)
_SAMPLING = {names.TEMPERATURE: 0.9, names.TOP_P: 0.95, bodies.SEED: 1, **defaults.ALL_TOKENS}


async def probe(
    endpoint: Endpoint, model: str, template: ChatTemplate, options: ModelOptions
) -> Capabilities:
    """Try each capability that the backend can use: about a dozen calls of a few tokens.

    A model that thinks is asked three times with room for its thinking, to measure it. Independent
    calls run concurrently, those about seeds too, as they do in use.

    Raises
    ------
    ModelError
        The server, the API key or the model is not valid.
    """
    calls = _Probe(endpoint, model, template, options)
    n_prompt, note = await calls.chat()
    parameters = await calls.parameters()
    thinking, tokens, (dialect, prompts, scoring), seeds, *others = await asyncio.gather(
        calls.thinking(),
        calls.tokens(),
        calls.likelihoods(n_prompt),
        _unless_refused(names.SEEDS, calls.seeds()),
        _unless_refused(names.MANY, calls.many()),
        calls.embeddings(),
    )
    n_top = tokens[0]
    if thinking and n_top:
        n_top = 0
        tokens = 0, Finding(names.TOKENS, False, "those of the thinking, not of the answer")
    temperature, top_p, all_tokens = parameters
    chat = Finding(names.CHAT, works=True, seen=note)
    thought = Finding(names.THINKING, bool(thinking), calls.thinking_note(thinking))
    findings = (chat, temperature, top_p, thought, tokens[1], prompts, scoring)
    return replace(
        calls.found,
        findings=(*findings, seeds, all_tokens, *others),
        dialect=dialect,
        n_top=n_top,
        thinking=thinking,
    )


class _Probe:
    """The calls that probe one model of an endpoint; `found` is what they have found so far."""

    def __init__(
        self, endpoint: Endpoint, model: str, template: ChatTemplate, options: ModelOptions
    ) -> None:
        self.endpoint = endpoint
        self.template = template
        self.options = options
        self.found = Capabilities(endpoint.name, model, ())
        self.refusals: dict[str, str] = {}

    async def chat(self) -> tuple[int, str]:
        """Return the tokens of the prompt and a note on the model and its messages."""
        try:
            answer = await self._learning(1)
        except RefusedError as error:
            if not bodies.is_no_room(error):
                raise await self._refusal(error) from None
            return 0, ""
        served = str(answer.get("model") or self.found.model)
        if not served.startswith(self.found.model):
            await self._check_listed(served)
        notes = ["" if served == self.found.model else f"answered by {served}"]
        notes += ["" if self.found.system_role else "no system role: personas begin the question"]
        n_prompt = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
        return n_prompt, "; ".join(filter(None, notes))

    async def parameters(self) -> list[Finding]:
        """Return which sampling parameters the model takes; refused ones are left out from now."""
        try:
            await self._learning(1, **_SAMPLING)
        except RefusedError as error:
            if not bodies.is_no_room(error):
                await self._try_each()
        temperature, top_p = map(self._parameter, (names.TEMPERATURE, names.TOP_P))
        switched = [name for name in defaults.ALL_TOKENS if name not in self.found.left_out]
        notes = [f"the server's {' and '.join(switched)} {_are(switched)} switched off"]
        notes = notes if switched else []
        notes += [
            f"{name} is refused: {self.refusals[name]}"
            for name in defaults.ALL_TOKENS
            if name in self.refusals
        ]
        all_tokens = Finding(names.ALL_TOKENS, bool(switched), "; ".join(notes))
        return [temperature, top_p, all_tokens]

    async def thinking(self) -> tuple[int, int] | None:
        """Return the least and most tokens of thinking that were seen; None without thinking."""
        first, most = defaults.THINKING_PROBE_TOKENS
        most = self.options.reasoning_tokens or most
        seen, reason = await self._thought(_SHORT, min(first, most))
        if not seen and reason == "length":  # its thinking may not show before its end
            seen, _ = await self._thought(_SHORT, min(defaults.HIDDEN_PROBE_TOKENS, most))
            counts = [seen]
        elif seen:
            counts = [n for n, _ in await asyncio.gather(*(self._thought(_PROMPT, most),) * 2)]
            counts += [seen] if reason != "length" else []
        else:
            return None
        return (min(counts), max(counts)) if any(counts) else None

    def thinking_note(self, thinking: tuple[int, int] | None) -> str:
        """Return in words how much the model thinks."""
        if thinking is None:
            return ""
        low, high = thinking
        amount = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        return f"{amount} tokens, which count as output; they are not part of the answer"

    async def tokens(self) -> tuple[int, Finding]:
        """Return how many of the most likely tokens the server reports."""
        seen = ""
        for n_top in defaults.TOP_TOKENS:
            try:
                answer = await self._chat(1, logprobs=True, top_logprobs=n_top)
                first = answers.first_tokens(answer)
            except RefusedError as error:
                seen = f"refused: {error.reason}"
            except (LookupError, TypeError, ValueError):
                seen = "the response has none"
                break
            else:
                if first is None:
                    return 0, Finding(names.TOKENS, False, "those of the thinking")
                if len(first.tokens) > 1:
                    seen = f"the {len(first.tokens)} most likely tokens"
                    return len(first.tokens), Finding(names.TOKENS, True, seen)
        return 0, Finding(names.TOKENS, False, seen)

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
                return dialect, Finding(names.PROMPTS, True, f"by {dialect}")
        return "", Finding(names.PROMPTS, False, "; ".join(seen))

    async def scoring(self, dialect: str, n_prompt: int) -> Finding:
        """Return whether responses can be scored: needs the chat template that the server uses."""
        if not dialect:
            return Finding(names.SCORING, False, "needs log-probabilities of a given text")
        prompt = self.template.render(_PROMPT)
        echo = await self.echoed(dialect, prompt + _RESPONSE)
        n_tokens = len((await self.echoed(dialect, prompt)).tokens)
        if n_prompt and n_tokens != n_prompt:
            return Finding(
                names.SCORING,
                False,
                f"the chat template {self.template.name!r} makes {n_tokens} tokens of a chat that "
                f"the server counts as {n_prompt}: give the model's own, --template NAME",
            )
        if echo.after(len(prompt), prompt + _RESPONSE) is None:
            return Finding(names.SCORING, False, "the response's tokens cannot be identified")
        return Finding(names.SCORING, True, f"with the chat template {self.template.name!r}")

    async def seeds(self) -> Finding:
        """Return whether the seed decides the response."""
        if bodies.SEED in self.found.left_out:
            refusal = self.refusals.get(bodies.SEED, "")
            return Finding(names.SEEDS, False, f"refused, left out: {refusal}")
        sent = (self._chat(_N_SEED_TOKENS, seed=seed, temperature=1) for seed in _SEEDS)
        first, again, other = map(_written, await asyncio.gather(*sent))
        if first != again:
            return Finding(names.SEEDS, False, "the same seed gave other text")
        if not first:
            return Finding(names.SEEDS, False, "taken, but there was no text to compare")
        if first == other:
            return Finding(names.SEEDS, False, "another seed gave the same text")
        return Finding(names.SEEDS, True, "the same seed gave the same text")

    async def many(self) -> Finding:
        """Return whether one call can return several responses."""
        n = len((await self._chat(1, n=2))["choices"])
        return Finding(names.MANY, n == 2, "" if n == 2 else f"requested 2, got {n}")  # noqa: PLR2004

    async def embeddings(self) -> Finding:
        """Return whether the model embeds texts."""
        body = {"model": self.found.model, "input": ["a"]}
        try:
            size = await self.endpoint.post(
                "/embeddings", body, lambda a: len(a["data"][0]["embedding"]), attempts=1
            )
        except ModelError as error:
            return Finding(names.EMBEDDINGS, False, getattr(error, "reason", "") or "it has none")
        return Finding(names.EMBEDDINGS, True, f"of dimension {size}")

    async def echoed(self, dialect: str, text: str) -> prompt_logprobs.Echo:
        """Return the server's tokens and log-probabilities of a text."""
        return await self.endpoint.post(
            "/completions",
            prompt_logprobs.request(dialect, self.found.model, text),
            lambda answer: prompt_logprobs.read(dialect, answer, text),
            attempts=1,
        )

    async def _thought(self, prompt: Prompt, limit: int) -> tuple[int, str]:
        """Return the tokens of thinking before one answer, and why the answer ended."""
        try:
            completion = await self._post(prompt, limit, answers.completion, self.options.sent)
        except NoRoomError as error:
            return (limit if error.thought else 0), "length"
        except ModelError:  # empty, filtered or refused: nothing was seen
            return 0, ""
        return completion.n_thinking, completion.finish_reason

    async def _learning(self, n_tokens: int, **settings: Any) -> Json:  # noqa: ANN401
        """Send a chat until it is taken, leaving out what the server refuses."""
        for _ in range(defaults.MAX_REFUSALS):
            body = self._body(_PROMPT, n_tokens, settings | self.options.sent)
            try:
                return await self._send(body, _chat)
            except RefusedError as error:
                found = bodies.learned(self.found, error, body)
                if found is None:
                    raise
                new = set(found.left_out) - set(self.found.left_out)
                self.refusals |= dict.fromkeys(new, error.reason)
                self.found = found
        raise AssertionError

    async def _try_each(self) -> None:
        """Try each sampling parameter alone, where a refusal of all of them names none."""
        for name, value in _SAMPLING.items():
            try:
                await self._learning(1, **{name: value})
            except RefusedError as error:
                self.refusals[name] = error.reason
                self.found = replace(self.found, left_out=(*self.found.left_out, name))

    def _parameter(self, name: str) -> Finding:
        if name in self.found.left_out:
            refusal = self.refusals.get(name, "")
            return Finding(name, False, f"refused, left out: {refusal}".rstrip(": "))
        return Finding(name, True)

    async def _chat(self, n_tokens: int, **settings: Any) -> Json:  # noqa: ANN401
        return await self._post(_PROMPT, n_tokens, _chat, settings | self.options.sent)

    async def _post(
        self,
        prompt: Prompt,
        n_tokens: int,
        read: Callable[[Json], Value],
        settings: Mapping[str, Any],
    ) -> Value:
        return await self._send(self._body(prompt, n_tokens, settings), read)

    def _body(self, prompt: Prompt, n_tokens: int, settings: Mapping[str, Any]) -> Json:
        return bodies.chat_body(self.found, prompt, n_tokens, settings)

    async def _send(self, body: Json, read: Callable[[Json], Value]) -> Value:
        path, attempts = "/chat/completions", defaults.PROBE_ATTEMPTS
        return await self.endpoint.post(path, body, read, attempts=attempts)

    def _text(self) -> str:
        return self.template.render(_PROMPT) + _RESPONSE

    async def _refusal(self, error: RefusedError) -> ModelError:
        """Return the error for a refused first chat: the model is unknown, or the refusal."""
        listed = await list_models(self.endpoint)
        if listed and self.found.model not in listed:
            return no_model(self.endpoint, self.found.model, listed)
        return error

    async def _check_listed(self, served: str) -> None:
        """Raise if the server answered with another model because it does not have this one."""
        listed = await list_models(self.endpoint)
        if listed and self.found.model not in listed and served in listed:
            raise no_model(self.endpoint, self.found.model, listed)


async def _unless_refused(what: str, attempt: Awaitable[Finding]) -> Finding:
    """Return the finding of `attempt`, or that the server refused it."""
    try:
        return await attempt
    except RefusedError as error:
        return Finding(what, False, f"refused: {error.reason}")


def _chat(answer: Json) -> Json:
    """Return a response that has an answer, of whatever shape."""
    answer["choices"][0]["message"]["content"]
    return answer


def _written(answer: Json) -> str:
    """Return all that the model wrote, thinking included."""
    text, thinking = answers.read_message(answer["choices"][0]["message"])
    return f"{thinking}{text or ''}"


def _are(things: list[str]) -> str:
    return "are" if len(things) > 1 else "is"
