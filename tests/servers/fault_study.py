"""A small study on a scripted server, in this process or as one that can be killed."""

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
    """Return a study with personas and records whose endpoint need not be probed."""
    backend = OpenAIBackend(url, "scripted", in_flight=IN_FLIGHT)
    found = (Finding("chat", works=True), Finding(names.SCORING, works=True))
    backend.__dict__["capabilities"] = Capabilities(url, "scripted", found, dialect="echo")
    study = Study(backend, ToyEncoder(WORDS), store=store)
    study.use_personas(PERSONAS)
    said = [f"{a} {b}" for a in WORDS for b in WORDS] * 6
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 48, "said": said})
    study.use_population(frame, context="topic", response="said")
    return study


def turn_clock_back() -> None:
    """Let the clock on the wall go back one more day whenever it is read."""
    real, days = time.time, itertools.count(1)
    time.time = lambda: real() - 86_400 * next(days)


def limit_files(n_bytes: int) -> None:
    """Let no file grow beyond this, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))


def main() -> None:
    """Simulate or resume; print what came of it, one response a line."""
    path, url, verb, n, trouble = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    study = new_study(path, url)
    assert study.runs() is not None  # the store is open
    if trouble == "clock":
        turn_clock_back()
    elif trouble == "disk":
        limit_files(800_000 + max(file.stat().st_size for file in Path(path).parent.iterdir()))
    try:
        made = study.simulate("s", int(n)) if verb == "simulate" else study.resume()
    except MopError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(3)
    print("\n".join(made.responses), flush=True)


if __name__ == "__main__":
    main()
