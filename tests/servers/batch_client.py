"""A process that asks an endpoint in a batch, to be killed: address, store, number of results."""

from __future__ import annotations

import os
import signal
import sys

from jupyter_mop.backends.batch.backend import BatchBackend
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.capabilities import CHAT, Capabilities, Finding
from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
)
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import BatchPending

PARAMS = SamplingParams(max_tokens=8)


def requests(n: int) -> list[GenerationRequest]:
    prompt = Prompt((Message("user", "What of the sea?"),))
    return [GenerationRequest(prompt, seed=i) for i in range(n)]


def batched(url: str, store: Store) -> CachedBackend:
    """Return a model in batches that need not probe the server."""
    backend = OpenAIBackend(url, "scripted")
    found = Capabilities("here", "scripted", (Finding(CHAT, works=True),))
    backend.__dict__["capabilities"] = found
    return CachedBackend(BatchBackend(backend, store), store)


if __name__ == "__main__":
    url, path, n_results = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seen: list[int] = []

    def on_result(index: int, _: Completion) -> None:
        seen.append(index)
        if len(seen) == n_results:
            os.kill(os.getpid(), signal.SIGKILL)

    with Store(path) as store:
        sys.stdin.readline()  # the test knows this process before it begins
        try:
            batched(url, store).generate(requests(30), PARAMS, on_result=on_result)
        except BatchPending as pending:
            print(pending, flush=True)
