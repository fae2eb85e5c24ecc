from __future__ import annotations

import os
import pickle
import signal
from collections import Counter
from dataclasses import replace
from functools import partial

import cloudpickle
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from slow_toy import SlowToy

from jupyter_mop import Study, ToyBackend, ToyEncoder
from jupyter_mop.backends.cluster import worker
from jupyter_mop.backends.cluster.backend import ClusterBackend, ClusterEncoder, split_into_shards
from jupyter_mop.backends.cluster.shards import MAX_SHARD_SIZE, MIN_SHARD_SIZE
from jupyter_mop.backends.endpoint.backend import OpenAIBackend
from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder
from jupyter_mop.backends.openvino.encoder import CallableEncoder, MiniLMEncoder
from jupyter_mop.backends.protocols import (
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    ScoreRequest,
)
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.errors import DataError, ModelError

WORDS = ["sun", "rain", "wind"]
PARAMS = SamplingParams()


def prompt(k, i=0):
    turns = [Message("system", f"persona {k}: {WORDS[k % 3]}"), Message("user", f"day {i}")]
    return Prompt(tuple(turns))


def requests(n):
    return [GenerationRequest(prompt(i % 5, i % 7), seed=i) for i in range(n)]


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_answers_are_those_of_the_model_and_reported_once(client):
    model, batch = ToyBackend(WORDS), requests(300)
    cluster, reported = ClusterBackend(model, client), Counter()
    completions = cluster.generate(batch, PARAMS, on_result=lambda i, v: reported.update([(i, v)]))
    assert completions == model.generate(batch, PARAMS)
    assert reported == Counter(enumerate(completions))
    to_score = [ScoreRequest(prompt(i % 5), WORDS[i % 3]) for i in range(50)]
    assert cluster.score(to_score) == model.score(to_score)
    assert cluster.generate([], PARAMS) == []


def test_both_workers_work(client):
    seen = set()
    backend = ClusterBackend(SlowToy(["who", "works"], seconds=0.02), client)
    addresses = list(client.nthreads())
    backend.generate(requests(64), PARAMS, on_result=lambda *_: seen.update(busy(client)))
    assert seen == set(addresses)


def busy(client):
    return [address for address, tasks in client.processing().items() if tasks]


def test_cached_answers_are_shared_with_the_model_itself(client, tmp_path):
    model, batch = ToyBackend(WORDS), requests(40)
    with Store(tmp_path / "store.sqlite") as store:
        local, cluster = (CachedBackend(b, store) for b in (model, ClusterBackend(model, client)))
        local.generate(batch[:20], PARAMS)
        completions = cluster.generate(batch, PARAMS)
        assert cluster.misses == 20
        assert local.generate(batch, PARAMS) == completions
        assert local.misses == 0


def test_a_killed_worker_loses_no_answer_and_repeats_none(client, tmp_path):
    model = SlowToy(["killed", "alive"], seconds=0.02)
    batch, reported = requests(200), Counter()
    victim = next(iter(client.run(os.getpid).values()))

    def kill(index, _):
        reported[index] += 1
        if reported.total() == 30:
            os.kill(victim, signal.SIGKILL)

    with Store(tmp_path / "store.sqlite") as store:
        backend = CachedBackend(ClusterBackend(model, client), store)
        completions = backend.generate(batch, PARAMS, on_result=kill)
        assert store.counts().completions == len({(r.prompt, r.seed) for r in batch})
    assert completions == ToyBackend(["killed", "alive"]).generate(batch, PARAMS)
    assert reported == Counter(range(200))
    client.wait_for_workers(2)
    assert victim not in client.run(os.getpid).values()


def test_an_interrupt_keeps_finished_answers_and_cancels_the_rest(client, tmp_path):
    model = SlowToy(["stopped", "going"], seconds=0.02)
    batch, reported = requests(400), []

    def stop(index, _):
        reported.append(index)
        if len(reported) == 30:
            signal.raise_signal(signal.SIGINT)

    with Store(tmp_path / "store.sqlite") as store:
        backend = CachedBackend(ClusterBackend(model, client), store)
        with pytest.raises(KeyboardInterrupt):
            backend.generate(batch, PARAMS, on_result=stop)
        n_stored = store.counts().completions
        assert 30 <= n_stored < 200
        assert backend.generate(batch, PARAMS) == ToyBackend(model.vocabulary).generate(
            batch, PARAMS
        )
        assert backend.misses == 400 - n_stored
    assert not any(client.processing().values())


def test_an_error_of_the_model_is_raised_unchanged(client):
    batch = [ScoreRequest(prompt(0), "sun")] * 7 + [ScoreRequest(prompt(1), "snow")]
    with pytest.raises(DataError, match="The word 'snow' is not in"):
        ClusterBackend(ToyBackend(WORDS), client).score(batch)


def test_a_model_that_a_worker_cannot_open_is_named(client, tmp_path):
    backend, missing = ClusterBackend(ToyBackend(WORDS), client), tmp_path / "none.gguf"
    recipe = worker.Recipe("local", "none", partial(worker._open_local, missing, 64))
    backend._recipe = recipe
    with pytest.raises(ModelError, match=r"worker of the cluster cannot open .*none.gguf does not"):
        backend.generate(requests(2), PARAMS)


def test_a_worker_that_opens_another_model_is_reported(client):
    backend = ClusterBackend(ToyBackend(WORDS), client)
    backend._recipe = replace(backend._recipe, fingerprint="another")
    with pytest.raises(ModelError, match="opened another model"):
        backend.generate(requests(2), PARAMS)


def test_no_key_leaves_the_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1")
    for backend in (OpenAIBackend("http://h/v1", "m", api_key="sk-planted-2"),
                    OpenAIBackend("http://h/v1", "m", in_flight=3, reasoning_tokens=9,
                                  reasoning_effort="low")):  # fmt: skip
        recipe = worker.recipe_for(backend)
        assert b"sk-planted" not in pickle.dumps(recipe)
        assert b"sk-planted" not in cloudpickle.dumps(backend)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-workers-own")
        opened = pickle.loads(pickle.dumps(recipe)).open()  # noqa: S301  its own
        assert opened.endpoint._key.text == "sk-workers-own"
        assert (opened.fingerprint, opened.endpoint.in_flight) == (
            backend.fingerprint,
            backend.endpoint.in_flight,
        )
        assert opened.options == backend.options
        monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1")


def test_shards_hold_each_request_once_and_keep_components_together():
    prompts = [prompt(i % 5, i % 7) for i in range(200)]
    split = split_into_shards(prompts, n_threads=1)
    assert sorted(index for shard in split for index in shard) == list(range(200))
    assert [{index % 5 for index in shard} for shard in split] == [{k} for k in range(5)]
    many = split_into_shards([prompt(0, i) for i in range(1000)], n_threads=1)
    assert max(map(len, many)) == MAX_SHARD_SIZE
    few = split_into_shards([prompt(i) for i in range(20)], n_threads=8)
    assert list(map(len, few)) == [MIN_SHARD_SIZE, MIN_SHARD_SIZE, 20 - 2 * MIN_SHARD_SIZE]


def test_an_invalid_client_or_model_is_refused(client):
    with pytest.raises(DataError, match="Client, got a str"):
        ClusterBackend(ToyBackend(WORDS), "tcp://nowhere")
    with pytest.raises(DataError, match="cannot open a object"):
        ClusterBackend(object(), client)


def test_a_cluster_without_workers_is_refused():
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        pytest.raises(ModelError, match="has no workers"),
    ):
        ClusterBackend(ToyBackend(WORDS), client)


TEXTS = [f"{WORDS[i % 3]} {'and on ' * (i % 9)}" for i in range(150)]


def counted_letters(texts):
    return [[text.count(letter) + 1.0 for letter in "aeiou"] for text in texts]


def test_vectors_are_those_of_the_encoder_and_reported_once(client, tmp_path):
    encoder, reported = CallableEncoder(counted_letters, fingerprint="letters"), {}
    cluster = ClusterEncoder(encoder, client)
    vectors = cluster.encode(
        TEXTS, on_result=lambda at, rows: reported.update(zip(at, rows, strict=True))
    )
    assert (vectors == encoder.encode(TEXTS)).all()
    assert vectors.dtype == "float32"
    assert all((reported[i] == vectors[i]).all() for i in range(len(TEXTS)))
    assert ClusterEncoder(ToyEncoder(WORDS), client).encode([]).shape[0] == 0
    with Store(tmp_path / "store.sqlite") as store:
        cached = CachedEncoder(cluster, store)
        cached.encode(TEXTS)
        local = CachedEncoder(encoder, store)
        assert (local.encode(TEXTS) == vectors).all()
        assert (cached.misses, local.misses) == (len(set(TEXTS)), 0)


def one_too_few(texts):
    return [[1.0, 0.0]] * (len(texts) - 1)


def test_an_encoders_error_on_a_worker_is_raised_unchanged(client):
    encoder = CallableEncoder(one_too_few, fingerprint="short")
    with pytest.raises(DataError, match="returned shape"):
        ClusterEncoder(encoder, client).encode(TEXTS)
    with pytest.raises(DataError, match="cannot open a object"):
        ClusterEncoder(object(), client)


@pytest.mark.model
def test_a_worker_opens_the_embedded_encoder_beside_the_model(client):
    encoder, backend = MiniLMEncoder(), ClusterBackend(ToyBackend(WORDS), client)
    backend.generate(requests(32), PARAMS)
    vectors = ClusterEncoder(encoder, client).encode(TEXTS)
    assert (vectors == encoder.encode(TEXTS)).all()
    kinds = client.run(lambda: sorted(worker._open_models))
    assert set(map(tuple, kinds.values())) == {(False, True)}


def test_no_key_of_an_encoder_leaves_the_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1")
    encoder = OpenAIEncoder("http://h/v1", "m", api_key="sk-planted-2")
    recipe = worker.recipe_for_encoder(encoder)
    assert b"sk-planted" not in pickle.dumps(recipe)
    opened = pickle.loads(pickle.dumps(recipe)).open()  # noqa: S301  its own
    assert opened.fingerprint == encoder.fingerprint


def test_a_study_aligns_on_a_cluster(client, tmp_path):
    frame = pd.DataFrame({"topic": "weather", "said": TEXTS * 3})
    made = {}
    for name, on in {"here": None, "there": client}.items():
        encoder = CallableEncoder(counted_letters, fingerprint="letters")
        study = Study(ToyBackend(WORDS), encoder, store=tmp_path / f"{name}.sqlite")
        study.use_personas("a: You say sun.\nb: You say rain.")
        study.use_population(frame, context="topic", response="said")
        study.simulate("s", 110)
        made[name] = study.align(client=on).frame
        assert study.encoder.encoder is encoder
        study.store.close()
    assert made["here"].equals(made["there"])


def test_a_study_simulates_on_a_cluster_and_its_run_record_balances(client, tmp_path):
    frame = pd.DataFrame({"topic": "weather", "said": WORDS * 40})
    made = {}
    for name, on in {"here": None, "there": client}.items():
        study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / f"{name}.sqlite")
        study.use_personas("a: You say sun.\nb: You say rain.")
        study.use_population(frame, context="topic", response="said")
        study.fit(n_records=24, n_exemplars=6, n_components=4, client=on)
        made[name] = study.simulate("s", 60, client=on)
        (run,) = [run for run in study.runs() if run.verb == "simulate"]
        assert (run.state, run.requested, run.finished) == ("finished", 60, 60)
        with pytest.raises(DataError, match="budget"), study.within(5.0):
            study.simulate("t", 10, client=client)
        study.store.close()
    here, there = (made[name].provenance["cost"] for name in ("here", "there"))
    assert made["here"].frame.equals(made["there"].frame)
    assert there["calls"] == here["calls"] == 60
