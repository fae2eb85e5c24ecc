"""Processor time to write and read the lines of a batch; run it alone: batches.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from jupyter_mop.backends.batch.lines import read_lines, write_lines
from jupyter_mop.backends.batch.outcomes import read_outcome
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import Capabilities
from jupyter_mop.backends.endpoint.chat.answers import completion
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.store.batch import completion_key

N_LINES, MAX_SECONDS = 2_000, 1.0
QUESTION = "Write a sentence of a review of a film that you have seen. " * 20


def processor_seconds():
    """Return the seconds for 2,000 requests with their keys, and for as many answers read."""
    backend = OpenAIBackend("http://127.0.0.1:9/v1", "m")
    backend.__dict__["capabilities"] = Capabilities("here", "m", ())
    params, model = SamplingParams(), backend.fingerprint
    prompts = [Prompt((Message("user", f"{QUESTION}{i}"),)) for i in range(N_LINES)]
    requests = [GenerationRequest(prompt, seed=1) for prompt in prompts]
    start = time.process_time()
    bodies = {completion_key(model, r, params): backend.body(r, params, 0) for r in requests}
    [(keys, _)] = write_lines(bodies)
    written = time.process_time() - start
    message = {"role": "assistant", "content": "It has a slow and quiet charm. " * 5}
    usage = {"prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    lines = (
        {"custom_id": key, "response": {"status_code": 200, "body": body}, "error": None}
        for key in reversed(keys)
    )
    content = "\n".join(map(json.dumps, lines)).encode()
    start = time.process_time()
    outcomes = read_lines([content])
    found = [read_outcome(outcomes[key], completion, "here") for key in keys]
    assert {answer.n_tokens for answer in found} == {40}
    return written, time.process_time() - start


def add_rows(report):
    """Add a row to the table of all benchmarks."""
    seconds = sum(processor_seconds())
    report.limit(f"{N_LINES:,} batch lines, CPU", seconds, MAX_SECONDS, "s", 2)


if __name__ == "__main__":
    written, read = processor_seconds()
    print(f"{N_LINES:,} lines written in {written:.3f} s, read in {read:.3f} s of processor time")
    sys.exit(written + read > MAX_SECONDS)
