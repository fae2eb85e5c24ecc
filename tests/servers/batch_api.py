"""OpenAI's batch API for the scripted server: files, batches, and results line by line.

A batch is run when it is looked at, by the server's own answer to each line. Faults are set by the
test: lines that fail or expire, the order of the results, a process that is killed at a step.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripted_server import Reply

Json = dict[str, Any]
Answer = Callable[[Json], Reply]
Outcome = tuple[int, Any]  # HTTP status and body; status 0: the line was never run


@dataclass
class BatchApi:
    """The state of the API.

    Attributes
    ----------
    files : dict of str to bytes
    batches : dict of str to dict
        Batches as the API shows them, in the order of their creation.
    asked : list of str
        The key of every line that has been run.
    n_polls : int
        How often a batch is looked at before it is done.
    fault : callable, optional
        Called with (number of the line among all, body); returns what happens to it instead of an
        answer: (status, body), or (0, error) for a line that was not run.
    refusal : str
        Why every batch is refused when it is validated.
    end : str
        How a batch ends.
    is_absent : bool
        Whether the server has no such API.
    kill : tuple of (str, int), optional
        The process to kill at a step: "upload", "create" or "created".
    """

    answer: Answer
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Json] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    n_polls: int = 0
    fault: Callable[[int, Json], Outcome | None] = lambda _number, _body: None
    refusal: str = ""
    end: str = "completed"
    kill: tuple[str, int] | None = None
    is_absent: bool = False
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _polls: dict[str, int] = field(default_factory=dict)

    def get(self, path: str) -> Reply | None:
        """Answer a GET request, or return None if it is not for this API."""
        path = path.partition("?")[0]
        if path.endswith("/batches"):
            data = list(reversed(self.batches.values()))
            return Reply(body={"object": "list", "data": data, "has_more": False})
        name = path.rpartition("/")[2]
        if "/batches/" in path:
            return Reply(body=self._polled(name)) if name in self.batches else _unknown(name)
        if path.endswith("/content"):
            return Reply(body=self.files[path.split("/")[-2]].decode())
        return None

    def post(self, path: str, content: bytes, content_type: str) -> Reply | None:
        """Answer a POST request, or return None if it is not for this API."""
        if self.is_absent:
            return Reply(404, {"error": {"message": "Not Found"}})
        if path.endswith("/files"):
            self._kill("upload")
            head = f"content-type: {content_type}\n\n".encode()
            parts = email.message_from_bytes(head + content, policy=email.policy.HTTP).iter_parts()
            named = {part.get_param("name", header="content-disposition"): part for part in parts}
            assert named["purpose"].get_content().strip() == "batch"
            file_id = self._add_file(named["file"].get_payload(decode=True))
            return Reply(body=self._file(file_id))
        if path.endswith("/batches"):
            self._kill("create")
            batch = self._created(json.loads(content))
            self._kill("created")
            return Reply(body=batch)
        return None

    def _created(self, body: Json) -> Json:
        number = len(self.batches)
        batch = {
            "id": f"batch_{number}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "created_at": number,
            "metadata": body["metadata"],
            "status": "validating",
        }
        self.batches[f"batch_{number}"] = batch
        return batch

    def _polled(self, name: str) -> Json:
        batch = self.batches[name]
        if batch["status"] in {self.end, "failed"}:
            return batch
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        self._polls[name] = self._polls.get(name, 0) + 1
        if self._polls[name] <= self.n_polls:
            return batch | {"status": "in_progress", "request_counts": counts}
        if self.refusal:
            errors = {"object": "list", "data": [{"code": "refused", "message": self.refusal}]}
            batch |= {"status": "failed", "errors": errors}
            return batch
        return self._run(batch, lines, counts)

    def _run(self, batch: Json, lines: list[Json], counts: Json) -> Json:
        """Run every line; answers and failures go to files of their own, in another order."""
        good, bad = [], []
        for line in lines:
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            status, body = self.fault(next(self._numbers), line["body"]) or self._run_line(line)
            result: Json = {"id": "r", "custom_id": line["custom_id"], "error": None}
            if status:
                result["response"] = {"status_code": status, "request_id": "q", "body": body}
            else:
                result |= {"response": None, "error": body}
            (good if status == 200 else bad).append(json.dumps(result))
        for name, made in (("output_file_id", good), ("error_file_id", bad)):
            random.Random(1).shuffle(made)  # noqa: S311
            if made:
                batch[name] = self._add_file("\n".join(made).encode())
        counts |= {"completed": len(good), "failed": len(bad)}
        batch |= {"status": self.end, "request_counts": counts}
        return batch

    def _run_line(self, line: Json) -> Outcome:
        self.asked.append(line["custom_id"])
        reply = self.answer(line["body"])
        return reply.status, reply.body

    def _add_file(self, content: bytes) -> str:
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = content
        return file_id

    def _file(self, file_id: str) -> Json:
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(self.files[file_id]),
            "created_at": 0,
            "filename": "requests.jsonl",
            "purpose": "batch",
            "status": "processed",
        }

    def _kill(self, step: str) -> None:
        if self.kill and self.kill[0] == step:
            os.kill(self.kill[1], signal.SIGKILL)
            os.waitid(os.P_PID, self.kill[1], os.WEXITED | os.WNOWAIT)


def _unknown(name: str) -> Reply:
    return Reply(404, {"error": {"message": f"No batch found with id '{name}'."}})
