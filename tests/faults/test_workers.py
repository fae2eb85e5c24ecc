"""A worker of a cluster that is killed while it responds."""

from __future__ import annotations

import itertools
import os
import signal

from distributed import Client, LocalCluster
from fault_study import WORDS, new_study, slow
from slow_toy import SlowToy

N = 120


@slow
def test_a_killed_worker_of_a_cluster_loses_no_answer(path, server, check_record):
    study = new_study(path, server.url)
    study.use_backend(SlowToy(WORDS, seconds=0.02))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        answers = itertools.count(1)

        def kill(*_):
            if next(answers) == 20:
                os.kill(victim, signal.SIGKILL)

        there = study.simulate("there", N, client=client, on_step=lambda *_: kill)
    assert next(answers) == N + 1
    check_record(study.store, study.runs()[-1], "finished")
    n_requests = study.backend.total_misses
    here = study.simulate("here", N)
    assert here.responses == there.responses
    assert study.backend.total_misses == n_requests == N
    study.store.close()
