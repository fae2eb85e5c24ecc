"""A completions server on loopback that reports the embedded model's own log-probabilities.

It follows OpenAI's `echo` with `logprobs`, or vLLM's `prompt_logprobs`, and its chat template is
the model's own. It stands for a server that scores a given text.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jupyter_mop.backends.model_files import language_model_path
from jupyter_mop.backends.openvino.pipeline import Job, Pipeline
from jupyter_mop.backends.protocols import Message, Prompt

MODEL = "smollm2"


class UncachedPipeline(Pipeline):
    """The embedded model without its prefix cache, so that every token has a score."""

    def _record_tail(self, *_: object) -> None:
        """Record nothing: without a cache there is no tail to restore."""

    def _load(self) -> Any:
        scheduler = self._genai.SchedulerConfig()
        scheduler.num_kv_blocks = self.cache_blocks
        scheduler.max_num_batched_tokens = 256
        scheduler.enable_prefix_caching = False
        scheduler.dynamic_split_fuse = True
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
            "KV_CACHE_PRECISION": "f16",
        }
        return self._genai.ContinuousBatchingPipeline(
            str(self._path), self.tokenizer, scheduler, "CPU", **options
        )


class ModelServer:
    """The server; `dialect` is "echo", "prompt_logprobs", or "" for a server without scores."""

    def __init__(self) -> None:
        self.dialect = "echo"
        self.n_calls = 0
        self._pipeline = UncachedPipeline(language_model_path(), cache_blocks=64)
        self._lock = threading.Lock()
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send(*answer(self.path, body))

            def send(self, status: int, value: dict[str, Any]) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.n_calls += 1
            if body["model"] != MODEL:
                return 404, {"error": {"message": "no such model", "code": "model_not_found"}}
            if path == "/v1/completions":
                return 200, self._completion(body)
            if path == "/v1/chat/completions":
                return 200, self._chat(body)
            return 404, {"error": {"message": f"no {path} here"}}

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body["prompt"]
        tokens, log_probs, generated = self._score(text)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length", "text": generated}
        if body.get("echo") and self.dialect == "echo":
            choice["text"] = text + generated
            choice["logprobs"] = {
                "tokens": [*self._pieces(tokens), generated],
                "text_offset": [*self._offsets(tokens), len(text)],
                "token_logprobs": [None, *log_probs],
            }
        if "prompt_logprobs" in body and self.dialect == "prompt_logprobs":
            rows = zip(tokens[1:], self._pieces(tokens)[1:], log_probs[:-1], strict=True)
            choice["prompt_logprobs"] = [None] + [
                {str(t): {"logprob": v, "rank": 1, "decoded_token": piece}} for t, piece, v in rows
            ]
        return {"choices": [choice], "usage": usage(len(tokens), 1)}

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        # One token is enough: the tests are about scores.
        turns = tuple(Message(m["role"], m["content"]) for m in body["messages"])
        tokens = self._pipeline.encode([self._pipeline.render(Prompt(turns))])[0]
        config = self._pipeline.config(max_new_tokens=1, stop_token_ids=self._pipeline.stop_tokens)
        output = self._run(tokens, config)
        message = {"role": "assistant", "content": self._pipeline.decode(output.generated_ids)}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        return {
            "choices": [choice],
            "model": MODEL,
            "usage": usage(len(tokens), len(output.generated_ids)),
        }

    def _score(self, text: str) -> tuple[tuple[int, ...], list[float], str]:
        """Return the tokens, the log-probabilities from the second to the next, and the next."""
        tokens = self._pipeline.encode([text])[0]
        output = self._run(tokens, self._pipeline.config(max_new_tokens=1, echo=True, logprobs=1))
        log_probs = [float(v) for v in output.generated_log_probs][-len(tokens) :]
        return tokens, log_probs, self._text(output.generated_ids[-1:])

    def _run(self, tokens: tuple[int, ...], config: Any) -> Any:
        outputs: list[Any] = []
        self._pipeline.run([Job(0, tokens, config)], lambda _, output: outputs.append(output))
        return outputs[0]

    def _text(self, tokens: Any) -> str:
        return str(self._pipeline.tokenizer.decode(list(tokens), skip_special_tokens=False))

    def _pieces(self, tokens: tuple[int, ...]) -> list[str]:
        return [self._text([token]) for token in tokens]

    def _offsets(self, tokens: tuple[int, ...]) -> list[int]:
        return [len(self._text(tokens[:i]).rstrip("\ufffd")) for i in range(len(tokens))]


def usage(n_prompt: int, n_completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_completion,
        "total_tokens": n_prompt + n_completion,
    }
