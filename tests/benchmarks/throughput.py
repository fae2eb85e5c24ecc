"""Calls a second to an endpoint that takes 100 ms, on loopback: ours, the client by hand, EDSL.

Run it alone: python tests/benchmarks/throughput.py. Every side runs in a process of its own, one
after the other, in turns; the server is a process too. EDSL has an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pandas as pd
from aiohttp import web
from environments import python_with
from openai import AsyncOpenAI, DefaultAioHttpClient
from peak import peak_bytes

from jupyter_mop import OpenAIBackend, Study, ToyEncoder
from jupyter_mop.backends.endpoint.capabilities import CHAT, SEEDS, Capabilities, Finding
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store

CALLS, LATENCY = 2_000, 0.1
ROUNDS = 5
ROWS = 20_000, 100_000
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


def ours(url, in_flight, *, is_kept=True):
    """Draw as a study does: with limits, meter, retries and, where asked, the store."""
    backend = known(url, in_flight)
    with tempfile.TemporaryDirectory() as folder, Store(f"{folder}/store.sqlite") as store:
        model = CachedBackend(backend, store) if is_kept else backend
        model.generate(requests(CALLS, in_flight), SamplingParams())  # the connections stand
        before, began = time.process_time(), time.perf_counter()
        said = model.generate(requests(0, CALLS), SamplingParams())
        taken, cpu = time.perf_counter() - began, time.process_time() - before
    assert len(said) == CALLS
    print(json.dumps({"seconds": taken, "cpu": cpu}))


def rows(url, n):
    """Simulate n rows as a notebook does; print the peak memory and the size of the rows."""
    said = pd.DataFrame({"topic": ["dawn", "dusk"] * 40, "said": [f"word {i}" for i in range(80)]})
    with tempfile.TemporaryDirectory() as folder:
        study = Study(known(url, 200), ToyEncoder(["dawn", "dusk"]), store=f"{folder}/store.sqlite")
        study.use_personas("sunny: You say sun.\nrainy: You say rain.")
        study.use_population(said, context="topic", response="said")
        study.simulate("warm", 200, weights="uniform", random_state=1)
        before = peak_bytes()
        made = study.simulate("rows", n, weights="uniform")
        peak = peak_bytes()
    size = int(made.frame.memory_usage(deep=True).sum())
    print(json.dumps({"more": peak - before, "rows": size}))


def known(url, in_flight):
    """Return a backend that need not probe the server."""
    backend = OpenAIBackend(url, "slow", in_flight=in_flight)
    found = (Finding(CHAT, works=True), Finding(SEEDS, works=True))
    backend.__dict__["capabilities"] = Capabilities(url, "slow", found)
    return backend


def requests(first, count):
    return [
        GenerationRequest(Prompt((Message("user", f"Write sentence {i} of a review."),)), i)
        for i in range(first, first + count)
    ]


def by_hand(url, in_flight):
    """The openai client on its aiohttp transport, as many at once, nothing kept."""

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
        print(json.dumps({"seconds": taken, "cpu": cpu}))
        await client.close()

    asyncio.run(run())


def side(*command):
    """Run one side in a process of its own and return what it says."""
    told = subprocess.run(
        [str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return json.loads(told.splitlines()[-1])


def in_turns(commands):
    """Return each side's least seconds and least seconds of CPU."""
    turns = {name: [] for name in commands}
    for turn in range(ROUNDS):
        for name in list(commands)[:: 1 if turn % 2 else -1]:
            turns[name].append(side(*commands[name]))
    return {
        name: tuple(min(turn[what] for turn in told) for what in ("seconds", "cpu"))
        for name, told in turns.items()
    }


def add_rows(report):
    """Report both numbers in flight against what was asked."""
    here = sys.executable, __file__
    server = subprocess.Popen([*here, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        sides = ("ours", "unkept", "hand")
        few, _ = in_turns({"few": [*here, "ours", url, 32]})["few"]
        ideal = CALLS / 32 * LATENCY
        report.limit("2,000 calls, 32 in flight, against the ideal", few / ideal, 1.15, "", 2)
        turns = in_turns({name: [*here, name, url, 200] for name in sides})
        rates = {name: CALLS / seconds for name, (seconds, _) in turns.items()}
        cpus = {name: 1000 * cpu / CALLS for name, (_, cpu) in turns.items()}
        pair = rates["ours"], rates["hand"]
        report.ratio("2,000 calls, 200 in flight, against the client", pair, 0.9, "calls/s")
        report.limit(
            "CPU of a call against the client's", cpus["unkept"] / cpus["hand"], 0.5, "", 2
        )
        print(
            f"{'':12}{cpus['unkept']:.2f} ms, {cpus['ours']:.2f} with the store, against "
            f"{cpus['hand']:.2f}",
            flush=True,
        )
        add_memory(report, [*here, "rows", url])
        python = python_with("edsl", [EDSL, "openai"])
        if python:
            script = Path(__file__).with_name("edsl_calls.py")
            rival = CALLS / side(python, script, url, CALLS)["seconds"]
            report.ratio(
                "2,000 calls, 200 in flight, against EDSL", (rates["ours"], rival), 4, "calls/s"
            )
        else:
            print("EDSL could not be installed: not compared", flush=True)
    finally:
        server.terminate()
        server.wait()


def add_memory(report, command):
    """Report what a simulation of many rows takes beside the rows, and how that grows."""
    told = [side(*command, n) for n in ROWS]
    beyond = [(one["more"] - one["rows"]) / 1e6 for one in told]
    report.limit(f"{ROWS[1]:,} rows, peak memory beside them", beyond[1], 100, "MB")
    growth = 1e3 * (beyond[1] - beyond[0]) / (ROWS[1] - ROWS[0])
    own = told[1]["rows"] / ROWS[1] / 1e3
    print(f"{'':12}a row takes {own:.2f} kB, and {growth:.2f} kB while it is made")


def main():
    """Do what the command line names, or everything."""
    from run import Report, hardware  # noqa: PLC0415  it needs the embedded model's libraries

    print(hardware())
    report = Report()
    add_rows(report)
    return int(report.missed)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(main())
    elif sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "hand":
        by_hand(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "rows":
        rows(sys.argv[2], int(sys.argv[3]))
    else:
        ours(sys.argv[2], int(sys.argv[3]), is_kept=sys.argv[1] == "ours")
