"""Personalities of the scripted server: each behaves as public reports say that a model does.

A personality takes the body of a request and gives the reply. Its answer to a question with listed
options is one of them, drawn by the seed; its answer to anything else is a short text of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from scripted_server import Reply

Json = dict[str, Any]
Answer = Callable[[Json], Reply]

_OPTION = re.compile(r"^- (.+)$", re.MULTILINE)
N_PROBED = 16
_LIMITS = ("max_tokens", "max_completion_tokens")
WORDS = ("sun", "rain", "wind", "fog")
THOUGHTS = ("They", "could", "say", "no", ",", "but", "this", "one", "would", "rather", "not")


class Personality(NamedTuple):
    """How a server behaves, where that was seen, and what the right outcome is.

    `sentence` is what an error must say; None where every verb works.
    """

    answer: Answer
    seen_at: str
    sentence: str | None = None


def refusal(message: str, status: int = 400, **fields: Any) -> Reply:
    """Refuse a request as OpenAI's servers do."""
    return Reply(status, {"error": {"message": message, "type": "invalid_request_error", **fields}})


def words_for(body: Json) -> list[str]:
    """Return the words of the answer to a request: an option it lists, or some weather."""
    question = str(body["messages"][-1]["content"])
    digest = hashlib.sha256(repr((body["messages"], body.get("seed"))).encode()).digest()
    options = _OPTION.findall(question)
    if options or "yes or no" in question:
        options = options or ["yes", "no"]
        if "Of 100 people" in question:
            return [f"{option}: {100 / len(options):.1f}%" for option in options]
        return str(options[digest[0] % len(options)]).split()
    return [WORDS[byte % len(WORDS)] for byte in digest[:3]]


def n_thoughts(body: Json) -> int:
    """Return how many words a model thinks before it answers this request: 40 to 103."""
    return 40 + hashlib.sha256(repr(body["messages"]).encode()).digest()[1] % 64


def completion(body: Json, *, think: int = 0, shape: str = "hidden", **fields: Any) -> Reply:
    """Answer a chat, with `think` words of thinking before it, within the output limit."""
    limit = next((body[name] for name in _LIMITS if name in body), 10_000)
    words = words_for(body)
    thoughts = [THOUGHTS[i % len(THOUGHTS)] for i in range(min(think, limit))]
    said = words[: limit - len(thoughts)]
    is_over = len(thoughts) < think or len(said) == len(words)
    reason = "length" if len(thoughts) + len(said) < think + len(words) else "stop"
    n_tokens = len(thoughts) + len(said)
    choice = {
        "index": 0,
        "message": {"role": "assistant", **_shaped(shape, thoughts, said, think)},
        "finish_reason": reason,
    }
    usage: Json = {"prompt_tokens": 9, "completion_tokens": n_tokens, "total_tokens": 9 + n_tokens}
    if shape == "hidden" and think:
        usage["completion_tokens_details"] = {"reasoning_tokens": len(thoughts)}
    assert is_over or reason == "length"
    answer = {"object": "chat.completion", "model": "scripted", "choices": [choice], "usage": usage}
    if body.get("logprobs"):
        first = (thoughts + said)[:1] or [""]
        top = [{"token": first[0], "logprob": -0.1}, {"token": "no", "logprob": -2.4}]
        choice["logprobs"] = {"content": [{"token": first[0], "top_logprobs": top}]}
    answer["choices"] *= body.get("n") or 1
    return Reply(body=answer | fields)


def _shaped(shape: str, thoughts: list[str], said: list[str], think: int) -> Json:
    """Return a message with its thinking where this kind of server puts it."""
    thought, text = " ".join(thoughts), " ".join(said)
    is_closed = think and len(thoughts) == think
    if shape in {"reasoning_content", "reasoning"}:
        return {"content": text or None, shape: thought}
    if shape == "block" and think:
        return {"content": f"<think>{thought}" + f"</think>\n\n{text}" * bool(is_closed)}
    if shape == "end of block" and think:
        return {"content": thought + f"</think>\n\n{text}" * bool(is_closed)}
    if shape == "parts":
        inner = [{"type": "text", "text": thought}]
        parts = [{"type": "thinking", "thinking": inner}] * bool(thought)
        return {"content": parts + [{"type": "text", "text": text}] * bool(text)}
    return {"content": text or (None if think else "")}


def only_chat(answer: Answer) -> Answer:
    """Refuse completions and embeddings, as servers of chat models do."""

    def reply(body: Json) -> Reply:
        return answer(body) if "messages" in body else refusal("Not Found", 404)

    return reply


def everything(body: Json) -> Reply:
    """Take every parameter, and embed texts."""
    if "input" in body:
        rows = [[1.0 + text.count(word) for word in WORDS] for text in body["input"]]
        data = [{"index": i, "embedding": row} for i, row in enumerate(rows)]
        return Reply(body={"object": "list", "data": data, "usage": {"prompt_tokens": len(rows)}})
    return only_chat(completion)(body)


def without(*names: str, words: str = "Unrecognized request argument supplied: {}") -> Answer:
    """Refuse these parameters, one after the other, and answer."""

    def reply(body: Json) -> Reply:
        for name in names:
            if name in body:
                return refusal(words.format(name), param=name, code="unsupported_parameter")
        return completion(body)

    return reply


def gpt_5(body: Json) -> Reply:
    """Think unseen; take no temperature, nucleus, log-probabilities or `max_tokens`."""
    if "max_tokens" in body:
        words = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        return refusal(words, param="max_tokens", code="unsupported_parameter")
    if body.get("temperature", 1) != 1:
        words = (
            "Unsupported value: 'temperature' does not support 0.9 with this model. "
            "Only the default (1) value is supported."
        )
        return refusal(words, param="temperature", code="unsupported_value")
    refused = without("top_p", "logprobs", "top_k", "min_p")(body)
    return completion(body, think=n_thoughts(body)) if refused.status == 200 else refused


def claude(body: Json) -> Reply:
    """Take temperature or nucleus, not both; ignore the seed."""
    if {"temperature", "top_p"} <= set(body):
        words = (
            "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )
        return refusal(words)
    return without("min_p", words="{}: Extra inputs are not permitted")(body)


def thinking(shape: str) -> Answer:
    """Think, where this kind of server shows it."""
    return lambda body: completion(body, think=n_thoughts(body), shape=shape)


def endless(body: Json) -> Reply:
    """Think without end: no limit is enough."""
    return completion(body, think=10**6, shape="reasoning_content")


def no_system(body: Json) -> Reply:
    """Refuse system messages, as Gemma's template does in vLLM."""
    if body["messages"][0]["role"] == "system":
        return Reply(400, {"object": "error", "message": "System role not supported", "code": 400})
    return completion(body)


def failing_template(body: Json) -> Reply:
    """Fail with 500 at system messages, as Gemma's template does in SGLang."""
    reply = no_system(body)
    return reply._replace(status=500) if reply.status != 200 else reply


def alternating(body: Json) -> Reply:
    """Refuse consecutive messages of one role."""
    roles = [message["role"] for message in body["messages"] if message["role"] != "system"]
    if any(one == other for one, other in itertools.pairwise(roles)):
        words = "Conversation roles must alternate user/assistant/user/assistant/..."
        return Reply(400, {"object": "error", "message": words, "code": 400})
    return completion(body)


def in_parts(body: Json) -> Reply:
    """Answer with a list of parts, without thinking."""
    return completion(body, shape="parts")


def no_usage(body: Json) -> Reply:
    """Report no token counts."""
    reply = completion(body)
    del reply.body["usage"]
    return reply


def every(n: int, fault: Callable[[Json], Reply]) -> Answer:
    """Answer, but give `fault` to one in n requests after those that probe."""
    numbers = itertools.count()

    def reply(body: Json) -> Reply:
        number = next(numbers)
        is_fault = not hashlib.sha256(str(number).encode()).digest()[0] % n
        return fault(body) if number > N_PROBED and is_fault else completion(body)

    return reply


def error_body(_: Json) -> Reply:
    """Report an error with the status 200, as a gateway does."""
    return Reply(body={"error": {"message": "Provider returned error", "code": 502}})


def error_reason(body: Json) -> Reply:
    """End an answer with an error, as a gateway does."""
    reply = completion(body)
    reply.body["choices"][0] |= {
        "finish_reason": "error",
        "error": {"message": "Upstream idle timeout", "code": 504},
    }
    return reply


def empty_answer(body: Json) -> Reply:
    """Answer without text."""
    reply = completion(body)
    reply.body["choices"][0]["message"]["content"] = ""
    return reply


def empty_body(_: Json) -> Reply:
    """Send nothing at all."""
    return Reply(body="")


def always(reply: Reply) -> Answer:
    """Give the same reply to everything."""
    return lambda _: reply


GEMINI = [{"error": {"code": 400, "message": "Invalid value at 'contents'", "status": "INVALID"}}]
CONTEXT = "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."
REGION = "Country, region, or territory not supported"
UNVERIFIED = "Your organization must be verified to use this model."
PERSONALITIES: dict[str, Personality] = {
    "takes everything": Personality(everything, "vLLM, llama.cpp"),
    "thinks unseen, own temperature": Personality(only_chat(gpt_5), "gpt-5, o-series"),
    "temperature or top_p": Personality(only_chat(claude), "Claude's compatible endpoint"),
    "thinks in reasoning_content": Personality(
        only_chat(thinking("reasoning_content")), "DeepSeek, vLLM"
    ),
    "thinks in reasoning": Personality(only_chat(thinking("reasoning")), "Ollama, OpenRouter"),
    "thinks in a block": Personality(only_chat(thinking("block")), "DeepSeek-R1, Qwen3"),
    "block begun by the template": Personality(
        only_chat(thinking("end of block")), "DeepSeek-R1 in vLLM, Qwen3-Thinking"
    ),
    "thinks in parts": Personality(only_chat(thinking("parts")), "Magistral"),
    "thinks without end": Personality(only_chat(endless), "any", "thinking"),
    "content in parts": Personality(only_chat(in_parts), "Mistral"),
    "no system role": Personality(only_chat(no_system), "Gemma in vLLM, llama.cpp"),
    "no system role, told by a 500": Personality(only_chat(failing_template), "Gemma in SGLang"),
    "roles must alternate": Personality(only_chat(alternating), "Mistral, Gemma in vLLM"),
    "no token counts": Personality(only_chat(no_usage), "LM Studio, gateways"),
    "now and then an error in a 200": Personality(only_chat(every(5, error_body)), "OpenRouter"),
    "now and then an answer ends in an error": Personality(
        only_chat(every(5, error_reason)), "OpenRouter"
    ),
    "now and then an empty answer": Personality(only_chat(every(12, empty_answer)), "any"),
    "now and then an empty body": Personality(only_chat(every(5, empty_body)), "gateways"),
    "no balance": Personality(
        always(refusal("Insufficient Balance", 402)), "DeepSeek", "no credit left (402: Insuff"
    ),
    "billing limit": Personality(
        always(refusal("You exceeded your current quota", 429, code="insufficient_quota")),
        "OpenAI",
        "no credit left (429: You exceeded",
    ),
    "region": Personality(always(refusal(REGION, 403)), "OpenAI", f"denies access (403: {REGION}"),
    "unverified organisation": Personality(
        always(refusal(UNVERIFIED.rstrip("."), 403)), "OpenAI", "must be verified"
    ),
    "context length": Personality(
        always(Reply(400, {"object": "error", "message": CONTEXT, "code": 400})),
        "vLLM",
        "exceed the model's context length: This model's maximum",
    ),
    "error as a list": Personality(always(Reply(400, GEMINI)), "Gemini", "Invalid value at"),
    "error as a string": Personality(
        always(Reply(404, {"error": "model 'scripted' not found"})),
        "Ollama",
        "'scripted' not found",
    ),
    "error as detail": Personality(
        always(Reply(422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]})),
        "FastAPI",
        "body.model: Field required",
    ),
}
