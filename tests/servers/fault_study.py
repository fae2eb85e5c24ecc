"""A small study on a scripted server, in this process or in one that a test can kill."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from jupyter_mop import OpenAIBackend, Study, ToyEncoder
from jupyter_mop.backends.endpoint import capabilities as names
from jupyter_mop.backends.endpoint.capabilities import Capabilities, Finding
from jupyter_mop.errors import MopError

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain."
IN_FLIGHT = 4
slow = pytest.mark.skipif("MOP_FAULTS" not in os.environ, reason="slow: make faults runs it")


def new_study(store: Path | str, url: str) -> Study:
    """Return a study with personas and records whose endpoint is not probed."""
    backend = OpenAIBackend(url, "scripted", in_flight=IN_FLIGHT)
    found = (Finding("chat", works=True), Finding(names.SCORING, works=True))
    backend.__dict__["capabilities"] = Capabilities(url, "scripted", found, dialect="echo")
    study = Study(backend, ToyEncoder(WORDS), store=store)
    study.use_personas(PERSONAS)
    texts = [f"{a} {b}" for a in WORDS for b in WORDS] * 6
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 48, "said": texts})
    study.use_population(frame, context="topic", response="said")
    return study


def turn_clock_back() -> None:
    """Let the system clock go back by one more day each time it is read."""
    real, days = time.time, itertools.count(1)
    time.time = lambda: real() - 86_400 * next(days)


def limit_files(n_bytes: int) -> None:
    """Limit the size of files, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))


def main() -> None:
    """Simulate or resume; print the responses, one per line, or the error."""
    path, url, verb, n, fault = sys.argv[1:]
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # background processes of a shell ignore it
    study = new_study(path, url)
    assert study.runs() is not None  # opens the store
    if fault == "clock":
        turn_clock_back()
    elif fault == "disk":
        limit_files(800_000 + max(file.stat().st_size for file in Path(path).parent.iterdir()))
    try:
        simulation = study.simulate("s", int(n)) if verb == "simulate" else study.resume()
    except MopError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(3)
    print("\n".join(simulation.responses), flush=True)


if __name__ == "__main__":
    main()
