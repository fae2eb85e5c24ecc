"""A server on loopback with scripted replies: responses, faults and delays, in order."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from batch_api import BatchApi


class Reply(NamedTuple):
    """A reply; `cut` closes the connection after half of it, `shut` sends nothing."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    seconds: float = 0.0
    cut: bool = False
    shut: bool = False


class Seen(NamedTuple):
    """One request: its time, path, body and headers."""

    at: float
    path: str
    body: dict[str, Any]
    headers: dict[str, str]


def chat(text: str | None = "fine", reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Return a chat completion as sent by OpenAI's servers."""
    return {
        "object": "chat.completion",
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": reason,
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }


def unique_reply(body: dict[str, Any], seconds: float = 0.0) -> Reply:
    """Reply with a text that no other request gets."""
    return Reply(body=chat(f"answer {body['seed']}"), seconds=seconds)


class ScriptedServer:
    """A server that replies with `script` in order, then with `default` or what it returns."""

    def __init__(self, port: int = 0) -> None:
        self.script: list[Reply] = []
        self.default: Reply | Callable[[dict[str, Any]], Reply] = Reply(body=chat())
        self.batches: BatchApi | None = None
        self.seen: list[Seen] = []
        self.in_flight = self.max_in_flight = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                listed = {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
                server.note(self.path, {}, self.headers)
                found = server.batches.get(self.path) if server.batches else None
                self.reply(found or Reply(body=listed))

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                kind = self.headers["content-type"]
                found = server.batches.post(self.path, content, kind) if server.batches else None
                if found:
                    self.reply(found)
                    return
                body = json.loads(content)
                reply = server.record(self.path, body, self.headers)
                with server.counted():
                    time.sleep(reply.seconds)
                    self.reply(reply)

            def reply(self, reply: Reply) -> None:
                if reply.shut:
                    self.close_connection = True
                    return
                raw = isinstance(reply.body, str)
                data = (reply.body if raw else json.dumps(reply.body)).encode()
                self.send_response(reply.status)
                sent = {"content-type": "application/json", "content-length": str(len(data))}
                for name, value in (sent | dict(reply.headers)).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if reply.cut else data)
                self.close_connection = reply.cut

            def log_message(self, *_: object) -> None:
                pass

        self._http = _Quiet(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def note(self, path: str, body: dict[str, Any], headers: Any) -> None:
        lower = {name.lower(): value for name, value in headers.items()}
        self.seen.append(Seen(time.monotonic(), path, body, lower))

    def record(self, path: str, body: dict[str, Any], headers: Any) -> Reply:
        with self._lock:
            self.note(path, body, headers)
            is_scripted = path.endswith(("/completions", "/embeddings"))
            if self.script and is_scripted:
                return self.script.pop(0)
            return self.default(body) if callable(self.default) else self.default

    def counted(self) -> _Count:
        return _Count(self)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Count:
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def __enter__(self) -> None:
        with self.server._lock:
            self.server.in_flight += 1
            highest = max(self.server.max_in_flight, self.server.in_flight)
            self.server.max_in_flight = highest

    def __exit__(self, *_: object) -> None:
        with self.server._lock:
            self.server.in_flight -= 1


class _Quiet(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect, which the tests do."""


if __name__ == "__main__":  # arguments: port, seconds before each reply
    served = ScriptedServer(int(sys.argv[1]))
    served.default = lambda body: unique_reply(body, float(sys.argv[2]))
    print("ready", flush=True)
    threading.Event().wait()
