"""Calls a second to an endpoint that takes 100 ms, on loopback: ours, the client by hand, EDSL.

Run it alone: python tests/benchmarks/throughput.py. Every side runs in a process of its own, one
after the other, in turns; the server is a process too. EDSL is installed in an environment of its
own, kept in build/.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

CALLS, LATENCY = 2_000, 0.1
ROUNDS = 3
EDSL = "edsl==1.0.9"
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 0,
    "model": "slow",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "It has a slow and quiet charm."},
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29},
}


def serve():
    """Answer every chat after 100 ms; print the port."""
    from aiohttp import web

    text = json.dumps(ANSWER)

    async def chat(request):
        await request.read()
        await asyncio.sleep(LATENCY)
        return web.Response(text=text, content_type="application/json")

    async def models(_request):
        return web.json_response({"object": "list", "data": [{"id": "slow", "object": "model"}]})

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def timed(function):
    """Print the wall time, the CPU time of this process, and its peak memory."""
    before, began = time.process_time(), time.perf_counter()
    function()
    taken, cpu = time.perf_counter() - began, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": taken, "cpu": cpu, "peak": peak}))


def ours(url, in_flight, n=CALLS):
    """Draw with the whole path: limits, meter, retries, store."""
    from jupyter_mop import OpenAIBackend
    from jupyter_mop.backends.base import GenerationRequest, Message, Prompt, SamplingParams
    from jupyter_mop.backends.cached import CachedBackend
    from jupyter_mop.backends.capabilities import Capabilities, Finding
    from jupyter_mop.backends.store import Store

    backend = OpenAIBackend(url, "slow", in_flight=in_flight)
    found = (Finding("chat", works=True), Finding("seed", works=True))
    backend.__dict__["capabilities"] = Capabilities(url, "slow", found)

    def requests(first, count):
        return [
            GenerationRequest(Prompt((Message("user", f"Write sentence {i} of a review."),)), i)
            for i in range(first, first + count)
        ]

    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
        model = CachedBackend(backend, store)
        model.generate(requests(n, in_flight), SamplingParams())  # connections stand
        timed(lambda: model.generate(requests(0, n), SamplingParams()))


def by_hand(url, in_flight):
    """The openai client on its aiohttp transport, as many at once, nothing kept."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    async def run():
        client = AsyncOpenAI(
            base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient()
        )

        async def work(todo):
            for i in todo:
                await client.chat.completions.create(
                    model="slow",
                    messages=[{"role": "user", "content": f"Write sentence {i} of a review."}],
                    max_tokens=48,
                    seed=i,
                )

        async def all_of(n):
            todo = iter(range(n))
            await asyncio.gather(*(work(todo) for _ in range(in_flight)))

        await all_of(in_flight)
        before, began = time.process_time(), time.perf_counter()
        await all_of(CALLS)
        taken, cpu = time.perf_counter() - began, time.process_time() - before
        print(json.dumps({"seconds": taken, "cpu": cpu, "peak": 0}))
        await client.close()

    asyncio.run(run())


def side(name, url, in_flight, python=sys.executable):
    """Run one side in a process of its own and return what it says."""
    command = [str(python), __file__, name, url, str(in_flight)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(told.splitlines()[-1])


def in_turns(names, url, in_flight):
    """Return each side's best turn."""
    turns = {name: [] for name in names}
    for turn in range(ROUNDS):
        for name in list(names)[:: 1 if turn % 2 else -1]:
            turns[name].append(side(name, url, in_flight))
    return {name: min(told, key=lambda turn: turn["seconds"]) for name, told in turns.items()}


def add_rows(report):
    """Report both numbers in flight against what was asked."""
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        few = min(side("ours", url, 32)["seconds"] for _ in range(ROUNDS))
        report.limit("2,000 calls, 32 in flight, against the ideal", few / ideal(32), 1.15, "", 2)
        many = in_turns(["ours", "by_hand"], url, 200)
        rates = [CALLS / many[name]["seconds"] for name in ("ours", "by_hand")]
        report.ratio("2,000 calls, 200 in flight, against the client", rates, 0.9, "calls/s")
        cpus = [many[name]["cpu"] / CALLS * 1000 for name in ("ours", "by_hand")]
        report.limit("CPU of a call against the client's", cpus[0] / cpus[1], 0.5, "", 2)
        print(f"{'':12}{cpus[0]:.2f} against {cpus[1]:.2f} ms", flush=True)
    finally:
        server.terminate()
        server.wait()


def ideal(in_flight):
    return CALLS / in_flight * LATENCY


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:]:
        {"ours": ours, "by_hand": by_hand}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    else:
        from run import Report, hardware

        print(hardware())
        report = Report()
        add_rows(report)
        sys.exit(int(report.missed))
