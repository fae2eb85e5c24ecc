"""Responses a second by workers of a Dask cluster: measured with 1 and 2, simulated beyond.

python tests/benchmarks/scaling.py prints the table and writes notebooks/results/scaling.csv; with
`endpoint` or `embedded` it measures that alone. Run it on a machine that does nothing else. Each
worker is a process bound to a processor of its own, as one on another machine would be, and
holds the embedded model, or a client of an endpoint that takes 100 ms and 8 calls at once. The
rows beyond are a simulation from measured rates: a job of 10,000 responses is dealt out to workers
as the fan-out deals it, each shard at a pace that was measured on one worker, and this process
spends on each answer what it was measured to spend.
"""

from __future__ import annotations

import heapq
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from jupyter_mop import OpenAIBackend, ToyBackend
from jupyter_mop.backends.cluster.backend import ClusterBackend
from jupyter_mop.backends.cluster.shards import shard_size
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "notebooks" / "results" / "scaling.csv"
MEASURED, SIMULATED = (1, 2), (2, 4, 8, 16, 32, 64)
ROUNDS, JOB = 2, 10_000
N_EMBEDDED, N_CALLS, N_TOY = 240, 2_000, 1_000
PARAMS = SamplingParams(max_tokens=24)
seeds = itertools.count()


def bind(dask_worker):
    """Bind a worker to a processor of its own, before it loads a model."""
    os.sched_setaffinity(0, {int(dask_worker.name) % os.cpu_count()})


def requests(n):
    """Return requests of five personas; no two runs share one."""
    prompts = [
        Prompt(
            (Message("system", f"You are film fan {i % 5}."), Message("user", "Say a sentence."))
        )
        for i in range(n)
    ]
    return [GenerationRequest(prompt, seed=next(seeds)) for prompt in prompts]


def cluster(n_workers):
    """Return a cluster of so many processes, each on its processor."""
    return LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0")


def measured(backend, client, n):
    """Return responses a second with the store under them, and seconds an answer of each shard."""
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
        model = CachedBackend(ClusterBackend(backend, client), store)
        model.generate(requests(16), PARAMS)  # each worker has opened its model
        since, began = time.time(), time.perf_counter()
        model.generate(requests(n), PARAMS)
        taken = time.perf_counter() - began
        tasks = client.get_task_stream(start=since)
    computed = [
        span["stop"] - span["start"]
        for task in tasks
        for span in task["startstops"]
        if span["action"] == "compute"
    ]
    return n / taken, [seconds * len(computed) / n for seconds in computed]


def dealt(paces, per_answer, n_workers, *, n=JOB):
    """Return responses a second of `n_workers`, each at paces from `paces`; no call is made."""
    rng, size = np.random.default_rng(0), shard_size(n, n_workers)
    free, here = [0.0] * n_workers, 0.0
    ended = []
    for start in range(0, n, size):
        count = min(size, n - start)
        end = heapq.heappop(free) + count * rng.choice(paces)
        heapq.heappush(free, end)
        ended.append((end, count))
    for end, count in sorted(ended):
        here = max(here, end) + count * per_answer
    return n / here


def best(turns):
    """Return the fastest turn: what else the machine does only ever slows one down."""
    return max(turns, key=lambda turn: turn[0])


def rows(name, found, per_answer):
    """Return the rows of one model: measured, then simulated from the paces of one worker."""
    rates = {w: rate for w, (rate, _) in found.items()}
    simulated = {w: dealt(found[1][1], per_answer, w) for w in (1, *SIMULATED)}
    table = [(w, rate, rate / rates[1], "measured") for w, rate in rates.items()]
    table += [(w, simulated[w], simulated[w] / simulated[1], "simulated") for w in SIMULATED]
    frame = pd.DataFrame(table, columns=["workers", "responses/s", "times one worker", "how"])
    frame.insert(0, "model", name)
    return frame


def main():
    """Measure, simulate, print and write."""
    command = [sys.executable, HERE / "throughput.py", "serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    models = {
        "toy": (ToyBackend(["good", "bad"]), N_TOY),
        "endpoint, 8 calls of 100 ms at once": (OpenAIBackend(url, "slow", in_flight=8), N_CALLS),
        "embedded, one processor each": (LocalBackend, N_EMBEDDED),
    }
    wanted = ("toy", *sys.argv[1:]) if sys.argv[1:] else tuple(models)
    models = {name: model for name, model in models.items() if name.startswith(wanted)}
    found = {name: {} for name in models}
    try:
        for n_workers in MEASURED:
            with cluster(n_workers) as workers, Client(workers) as client:
                client.run(bind)
                for name, (made, n) in models.items():
                    backend = made() if made is LocalBackend else made
                    turns = [measured(backend, client, n) for _ in range(ROUNDS)]
                    found[name][n_workers] = best(turns)
                    print(f"{n_workers} of {name}: {best(turns)[0]:.1f} responses/s", flush=True)
    finally:
        server.terminate()
        server.wait()
    here = 1 / best(found.pop("toy").values())[0]  # a toy's worker has next to nothing to do
    print(f"this process and its store: {1000 * here:.2f} ms an answer")
    table = pd.concat(rows(name, turns, here) for name, turns in found.items()).round(2)
    print(table.to_string(index=False))
    table.to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
