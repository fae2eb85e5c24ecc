"""Print one line per benchmark: name, figure, what was asked; exit with 1 where one misses.

Ratios are against the engines driven by hand (raw.py), in turns in the same run: the best turn of
each side, and for scoring all turns together.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import batches
import first_minutes
import gate
import numpy as np
import questionnaire
import raw
import reweighting
import throughput
from memory import peak_memory
from workload import PARAMS, PERSONAS, block, prompt_for, reviews

from jupyter_mop.backends.model_files import encoder_paths, language_model_path
from jupyter_mop.backends.openvino.backend import LocalBackend
from jupyter_mop.backends.openvino.encoder import MiniLMEncoder
from jupyter_mop.backends.protocols import GenerationRequest, ScoreRequest

IMPORT = """
import time
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""
LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "jupyter_mop")
print(time.perf_counter() - began)
"""
MEGABYTE = 10**6


def seconds(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def best(counts_and_times):
    """The fastest turn: what else the machine does only ever slows one down."""
    return max(count / taken for count, taken in counts_and_times)


def rate(counts_and_times):
    counts, times = zip(*counts_and_times, strict=True)
    return sum(counts) / sum(times)


def generation(backend, pipeline, frame, in_flight, rounds):
    """Tokens per second here and by hand, the same prompts and seeds."""
    ours, by_hand = [], []
    for turn in range(rounds):
        requests = [
            GenerationRequest(
                prompt_for(f"{PERSONAS[i % 5]} {turn} {in_flight}", frame.iloc[i % 8], i % 2), i
            )
            for i in range(in_flight)
        ]
        prompts = backend._encode_prompts([request.prompt for request in requests])
        tokens = [prompts[request.prompt] for request in requests]
        configs = [backend._sampling(request, PARAMS) for request in requests]

        def here(requests=requests):
            return sum(c.n_tokens for c in backend.generate(requests, PARAMS))

        def hand(tokens=tokens, configs=configs):
            return sum(len(o.generated_ids) for o in raw.run(pipeline, tokens, configs))

        for function, kept in ((here, ours), (hand, by_hand))[:: 1 if turn % 2 else -1]:
            taken, count = seconds(function)
            kept.append((count, taken))
    return best(ours), best(by_hand)


def scoring(backend, pipeline, frame, *, shared):
    """Pairs per second here and by hand without prefix reuse, which does a tenth of the pairs."""
    rng = np.random.default_rng(0)
    ours, by_hand = [], []
    for persona in PERSONAS:
        requests = block(frame, persona) if shared else unshared(frame, persona)
        taken, scores = seconds(lambda requests=requests: backend.score(requests))
        ours.append((len(requests), taken))
        step = 10 if shared else 2
        chosen = rng.permutation(len(requests))[: len(requests) // step]
        pairs = backend._encode_pairs([requests[i] for i in chosen], list(chosen))
        taken, totals = seconds(lambda pairs=pairs: raw.score(pipeline, pairs))
        by_hand.append((len(pairs), taken))
        gaps = np.subtract([scores[i].total for i in chosen], totals)
        assert np.abs(gaps).max() < 0.2, gaps
    return rate(ours), rate(by_hand)


def unshared(frame, persona):
    """Pairs whose prompts differ from the first block on."""
    return [
        ScoreRequest(prompt_for(f"{index} {record.text} {persona}", record, index % 2), record.text)
        for index, record in enumerate(frame.iloc[48:80].itertuples())
    ]


def encoding(frame):
    encoder = MiniLMEncoder()
    model = raw.load_encoder(encoder_paths().model)
    texts = list(frame.text[:512])
    ours, by_hand = [], []
    for turn in range(6):
        if turn % 2:
            ours.append((512, seconds(lambda: encoder.encode(texts))[0]))
        else:
            taken, _ = seconds(lambda: raw.encode(model, encoder._tokenizer, texts))
            by_hand.append((512, taken))
    return best(ours), best(by_hand)


def starting(code):
    """Return the seconds that code prints, each time in a new process: the best of five."""
    command = [sys.executable, "-c", code]
    turns = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(5)]
    return min(float(turn.stdout.split()[-1]) for turn in turns)


def slider_to_screen():
    """Return the 95th percentile of 200 moves in Chromium, in ms, in the best of three turns."""
    test = Path(__file__).parents[1] / "e2e" / "test_alignment_page.py"
    command = [sys.executable, "-m", "pytest", "-qs", str(test), "-k", "timed"]
    turns = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(3)]
    found = [re.search(r"95th percentile ([\d.]+) ms", turn.stdout) for turn in turns]
    return min(float(match[1]) for match in found)


def hardware():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    return f"{os.cpu_count()} cores, {model}, {platform.platform()}"


class Report:
    def __init__(self):
        self.missed = False

    def ratio(self, name, figures, asked=None, unit=""):
        ours, by_hand = figures
        met = asked is None or ours / by_hand >= asked
        self._line(name, f"{ours / by_hand:.2f}", f">= {asked:.2f}" if asked else "-", met)
        print(f"{'':12}{ours:.1f} against {by_hand:.1f} {unit}", flush=True)

    def limit(self, name, value, asked, unit, digits=0):
        told = f"{value:.{digits}f} {unit}".strip()
        self._line(name, told, f"< {asked} {unit}".strip(), value < asked)

    def _line(self, name, figure, asked, met):
        self.missed |= not met
        verdict = "no demand" if asked == "-" else "pass" if met else "FAIL"
        print(f"{name:52}{figure:>10}{asked:>12}  {verdict}", flush=True)


def main():
    print(hardware())
    report, frame = Report(), reviews()
    ours, numpy = (starting(IMPORT.format(module=name)) for name in ("jupyter_mop", "numpy"))
    report.limit("import jupyter_mop against import numpy", ours / numpy, 1.5, "", 2)
    report.limit("load_ext", starting(LOAD), 1, "s", 2)
    report.limit("peak memory, everything in one process", peak_memory() / MEGABYTE, 1200, "MB")
    report.ratio("encoder, 512 sentences", encoding(frame), 0.9, "texts/s")
    backend = LocalBackend()
    tokenizer, folder = backend._pipeline.tokenizer, backend._pipeline._path
    pipeline = raw.load(folder, tokenizer, prefix_caching=True)
    for in_flight, rounds in ((1, 6), (16, 4), (64, 4), (128, 2)):
        figures = generation(backend, pipeline, frame, in_flight, rounds)
        asked = 0.95 if in_flight == 64 else None
        report.ratio(f"generation, {in_flight} in flight", figures, asked, "tokens/s")
    pipeline = raw.load(language_model_path(), tokenizer, prefix_caching=True, options={})
    figures = generation(backend, pipeline, frame, 64, 2)
    report.ratio("generation, 64, against the rounded weights", figures, None, "tokens/s")
    pipeline = raw.load(folder, tokenizer, prefix_caching=False)
    figures = scoring(backend, pipeline, frame, shared=True)
    report.ratio("scoring 5 personas x 8 exemplars x 40 records", figures, 2.3, "pairs/s")
    figures = scoring(backend, pipeline, frame, shared=False)
    report.ratio("scoring, nothing shared", figures, None, "pairs/s")
    few, many = reweighting.updates()
    report.limit("a weight moved, 20 personas, all figures", 1000 * max(few, many), 5, "ms", 2)
    report.limit("a weight moved, 10**6 against 10**3 responses", many / few, 1.2, "", 2)
    report.limit("slider to screen, 20 personas, 2,000 points", slider_to_screen(), 16, "ms", 1)
    first_minutes.add_rows(report)
    throughput.add_rows(report)
    gate.add_rows(report)
    questionnaire.add_rows(report)
    batches.add_rows(report)
    return int(report.missed)


if __name__ == "__main__":
    sys.exit(main())
