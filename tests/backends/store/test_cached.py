from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from jupyter_mop.backends.protocols import (
    Backend,
    Completion,
    Encoder,
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    ScoreRequest,
    can_score,
    can_score_first_tokens,
)
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.errors import DataError

Value = TypeVar("Value")
WORDS = ["good", "bad", "long", "short"]
PARAMS = SamplingParams(temperature=1.0, top_p=1.0, max_tokens=8)


class BackwardsBackend(ToyBackend):
    """Answers in reverse order, as a server with many calls in flight may."""

    def generate(self, requests, params, *, on_result=None):
        def report(index: int, value: Completion) -> None:
            if on_result:
                on_result(len(requests) - 1 - index, value)

        return super().generate(requests[::-1], params, on_result=report)[::-1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def prompt(text: str) -> Prompt:
    return Prompt((Message("system", text), Message("user", "x")))


def draws(n: int, *, start: int = 0, text: str = "good") -> list[GenerationRequest]:
    return [GenerationRequest(prompt(text), seed=1, draw=draw) for draw in range(start, start + n)]


def scores(responses: Sequence[str], text: str = "good") -> list[ScoreRequest]:
    return [ScoreRequest(prompt(text), response) for response in responses]


def test_the_wrappers_are_a_backend_and_an_encoder(store: Store) -> None:
    toy, encoder = ToyBackend(WORDS), ToyEncoder(WORDS)
    cached, cached_encoder = CachedBackend(toy, store), CachedEncoder(encoder, store)
    assert isinstance(cached, Backend)
    assert isinstance(cached_encoder, Encoder)
    assert cached.backend is toy
    assert can_score(cached)
    assert not can_score_first_tokens(cached)
    assert (cached.fingerprint, cached_encoder.fingerprint) == (
        toy.fingerprint,
        encoder.fingerprint,
    )


@pytest.mark.parametrize("kind", [ToyBackend, BackwardsBackend])
def test_the_same_responses_are_generated_once(store: Store, kind: type[ToyBackend]) -> None:
    toy = kind(WORDS)
    cached = CachedBackend(toy, store)
    first = cached.generate(draws(10), PARAMS)
    assert first == ToyBackend(WORDS).generate(draws(10), PARAMS)
    assert cached.generate(draws(10), PARAMS) == first
    assert toy.n_generated == 10
    assert (cached.hits, cached.misses) == (10, 0)
    assert (cached.total_hits, cached.total_misses) == (10, 10)


def test_only_missing_answers_are_requested_and_the_order_stays(store: Store) -> None:
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    cached.score(scores(["bad", "long"]))
    requests = scores(["good", "bad", "short", "long", "bad long"])
    assert cached.score(requests) == ToyBackend(WORDS).score(requests)
    assert toy.n_scored == 5
    assert (cached.hits, cached.misses) == (2, 3)


def test_cached_scores_are_exact_to_the_last_bit(store: Store) -> None:
    requests = scores(["good bad long short"])
    fresh = CachedBackend(ToyBackend(WORDS), store).score(requests)
    assert CachedBackend(ToyBackend(WORDS), store).score(requests) == fresh
    assert fresh == ToyBackend(WORDS).score(requests)


def test_identical_requests_of_one_batch_are_made_once(store: Store) -> None:
    toy, seen = ToyBackend(WORDS), []
    cached = CachedBackend(toy, store)
    values = cached.score(scores(["good", "bad", "good"]), on_result=lambda *a: seen.append(a))
    assert values[0] == values[2] != values[1]
    assert toy.n_scored == 2
    assert sorted(index for index, _ in seen) == [0, 1, 2]
    assert all(values[index] == value for index, value in seen)


def test_cached_answers_are_reported_first(store: Store) -> None:
    cached = CachedBackend(ToyBackend(WORDS), store)
    cached.generate(draws(2, start=3), PARAMS)
    order: list[int] = []
    cached.generate(draws(6), PARAMS, on_result=lambda index, _: order.append(index))
    assert order == [3, 4, 0, 1, 2, 5]


def test_every_field_of_a_request_changes_its_key(store: Store) -> None:
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    variants = [
        (draws(1), PARAMS),
        (draws(1, start=1), PARAMS),
        (draws(1, text="bad"), PARAMS),
        ([GenerationRequest(prompt("good"), seed=2)], PARAMS),
        (draws(1), SamplingParams(0.9, 1.0, 8)),
        (draws(1), SamplingParams(1.0, 0.9, 8)),
        (draws(1), SamplingParams(1.0, 1.0, 2)),
    ]
    for requests, params in variants * 2:
        cached.generate(requests, params)
    assert toy.n_generated == len(variants)


def test_another_model_has_its_own_answers(store: Store) -> None:
    CachedBackend(ToyBackend(WORDS), store).score(scores(["good"]))
    other = ToyBackend(WORDS, persona_boost=0.5)
    assert CachedBackend(other, store).score(scores(["good"])) == other.score(scores(["good"]))


def test_numbers_of_any_type_give_the_same_key(store: Store) -> None:
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    cached.generate([GenerationRequest(prompt("good"), np.int64(3), np.int64(0))], PARAMS)
    cached.generate([GenerationRequest(prompt("good"), 3, 0)], SamplingParams(1, 1, 8))
    assert toy.n_generated == 1


def test_an_empty_batch_makes_no_requests(store: Store) -> None:
    cached = CachedBackend(ToyBackend(WORDS), store)
    assert cached.generate([], PARAMS) == []
    assert cached.score([]) == []
    assert CachedEncoder(ToyEncoder(WORDS), store).encode([]).shape == (0, 4)


def test_an_error_of_the_model_is_raised_and_nothing_is_stored(store: Store) -> None:
    cached = CachedBackend(ToyBackend(WORDS), store)
    with pytest.raises(DataError):
        cached.score(scores(["good", "unheard"]))
    assert store.counts().scores == 0


def test_an_interrupt_keeps_finished_answers(store: Store) -> None:
    toy, n_seen = ToyBackend(WORDS), 0

    def stop_at_four(_index: int, _value: Completion) -> None:
        nonlocal n_seen
        n_seen += 1
        if n_seen == 4:
            raise KeyboardInterrupt

    cached = CachedBackend(toy, store)
    with pytest.raises(KeyboardInterrupt):
        cached.generate(draws(10), PARAMS, on_result=stop_at_four)
    assert store.counts().completions == 4
    assert cached.generate(draws(10), PARAMS) == ToyBackend(WORDS).generate(draws(10), PARAMS)
    assert toy.n_generated == 10
    assert (cached.hits, cached.misses) == (4, 6)


def test_texts_are_encoded_once(store: Store) -> None:
    encoder, seen = ToyEncoder(WORDS), {}
    cached = CachedEncoder(encoder, store)
    cached.encode(["good", "bad"])
    texts = ["long", "good", "long", "short", "bad"]
    vectors = cached.encode(
        texts, on_result=lambda at, values: seen.update(zip(at, values, strict=True))
    )
    expected = ToyEncoder(WORDS).encode(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, expected)
    np.testing.assert_array_equal([seen[index] for index in range(5)], expected)
    assert encoder.n_encoded == 4
    assert (cached.hits, cached.misses) == (3, 2)
    np.testing.assert_array_equal(cached.encode(texts), expected)
    assert (cached.total_hits, cached.total_misses) == (8, 4)
    vectors[0] = 0


WORKER = """
import sys, time
from jupyter_mop.backends.protocols import *
from jupyter_mop.backends.store.cached import CachedBackend
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend

path, start, stop, pause = sys.argv[1], *map(float, sys.argv[2:])
prompt = Prompt((Message("system", "good"), Message("user", "x")))
requests = [GenerationRequest(prompt, seed=1, draw=d) for d in range(int(start), int(stop))]

def report(index, value):
    print(index, flush=True)
    time.sleep(pause)

with Store(path) as store:
    cached = CachedBackend(ToyBackend(["good", "bad", "long", "short"]), store)
    cached.generate(requests, SamplingParams(1.0, 1.0, 8), on_result=report)
"""


def work(store: Store, start: int, stop: int, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WORKER)]
    arguments = map(str, [store.path, start, stop, pause])
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_continues_where_it_stopped(store: Store, how: signal.Signals) -> None:
    worker = work(store, 0, 1000, 0.01)
    assert worker.stdout
    for line in worker.stdout:
        if int(line) == 20:
            break
    worker.send_signal(how)
    n_reported = 21 + worker.stdout.read().count("\n")
    worker.wait(timeout=60)
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    assert cached.generate(draws(1000), PARAMS) == ToyBackend(WORDS).generate(draws(1000), PARAMS)
    assert n_reported <= cached.hits <= n_reported + 1
    assert toy.n_generated == 1000 - cached.hits


def test_two_processes_share_one_store(store: Store) -> None:
    workers = [work(store, 0, 300, 0), work(store, 100, 400, 0)]
    for worker in workers:
        assert len(worker.communicate(timeout=60)[0].splitlines()) == 300
        assert worker.returncode == 0
    assert store.counts().completions == 400
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    assert cached.generate(draws(400), PARAMS) == ToyBackend(WORDS).generate(draws(400), PARAMS)
    assert toy.n_generated == 0


N_THREADS = 8


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Switch between threads as often as possible."""
    seconds = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(seconds)


def at_once(work: Callable[[int], Value]) -> list[Value]:
    """Return `work(thread)` of each thread; all of them start together."""
    barrier = threading.Barrier(N_THREADS)

    def started(thread: int) -> Value:
        barrier.wait(30)
        return work(thread)

    with ThreadPoolExecutor(N_THREADS) as threads:
        return list(threads.map(started, range(N_THREADS)))


@pytest.mark.usefixtures("busy_threads")
def test_threads_get_every_response_right_and_the_model_computes_it_once(store: Store) -> None:
    toy = ToyBackend(WORDS)
    cached = CachedBackend(toy, store)
    shared = draws(60)

    def work(thread: int) -> tuple[list[str], list[str]]:
        own = draws(30, text=WORDS[thread % 4], start=1000 * (thread + 1))
        texts = [completion.text for completion in cached.generate(shared + own, PARAMS)]
        again = [completion.text for completion in cached.generate(own + shared[::-1], PARAMS)]
        truth = ToyBackend(WORDS).generate(shared + own, PARAMS)
        assert texts == [completion.text for completion in truth]
        return texts, again

    for texts, again in at_once(work):
        assert again == texts[60:] + texts[:60][::-1]
    n_answers = 60 + 30 * N_THREADS
    assert toy.n_generated == cached.total_misses == cached.usage.calls == n_answers
    assert cached.total_hits + cached.total_misses == N_THREADS * 2 * 90
    assert store.counts().completions == n_answers


@pytest.mark.usefixtures("busy_threads")
def test_threads_get_every_score_and_vector_right_and_they_are_computed_once(store: Store) -> None:
    toy = ToyBackend(WORDS)
    cached, encoder = CachedBackend(toy, store), CachedEncoder(ToyEncoder(WORDS), store)
    requests = scores([f"{a} {b}" for a in WORDS for b in WORDS])
    texts = [request.response for request in requests]
    totals = [score.total for score in ToyBackend(WORDS).score(requests)]

    def work(thread: int) -> list[float]:
        vectors = encoder.encode(texts[thread:] + texts[:thread])
        np.testing.assert_array_equal(np.roll(vectors, thread, axis=0), truth)
        return [score.total for score in cached.score(requests)]

    truth = ToyEncoder(WORDS).encode(texts)
    assert at_once(work) == [totals] * N_THREADS
    assert (toy.n_scored, encoder.total_misses) == (16, 16)
    assert (store.counts().scores, store.counts().vectors) == (16, 16)


def test_a_cached_response_is_returned_while_another_thread_asks_the_model(store: Store) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Waiting(ToyBackend):
        def generate(self, requests, params, *, on_result=None):
            asked.set()
            assert go_on.wait(30)
            return super().generate(requests, params, on_result=on_result)

    first = CachedBackend(ToyBackend(WORDS), store).generate(draws(3), PARAMS)
    cached = CachedBackend(Waiting(WORDS), store)
    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(cached.generate, draws(6), PARAMS)
        assert asked.wait(30)
        assert cached.generate(draws(3), PARAMS) == first
        assert not pending.done()
        go_on.set()
        assert pending.result()[:3] == first
