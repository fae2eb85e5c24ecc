"""The gate's own time, model calls aside, by size; and against the same gate in PyTorch.

The likelihoods are a table: each record was said by a persona and after an exemplar drawn from a
random gate, and what is near those in a space of few dimensions explains it better.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from environments import python_with
from peak import peak_bytes

from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.mixture.component_likelihood import ComponentLogLikelihoods, ComponentScorer
from jupyter_mop.engine.mixture.component_selection import select_components
from jupyter_mop.engine.mixture.fitting import ask_model, fit_gate

D, RANK, L2, SIZE = 384, 8, 0.01, 16
FULL = (5_000, 200, 10_000)
LADDER = [  # all above the size up to which the gate takes everything at once
    (1_250, 50, 2_500), (2_500, 50, 2_500), (5_000, 50, 2_500),
    (1_250, 100, 2_500), (1_250, 200, 2_500), (1_250, 50, 5_000), (1_250, 50, 10_000),
]  # fmt: skip
PENALTIES = [0.001, 0.003, 0.01]  # to choose from by the records to stop on
TORCH = "torch>=2.6"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def units(rng, *shape):
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@dataclass(frozen=True)
class World:
    """Records, personas and exemplars in a low-rank space, and how likely each response is."""

    population: Population
    exemplars: list
    personas: list
    vectors: dict
    by_persona: np.ndarray
    by_exemplar: np.ndarray
    factors: tuple

    @classmethod
    def random(cls, n, n_personas, n_exemplars, *, seed=0):
        """Draw a world in which personas and exemplars suit contexts."""
        rng = np.random.default_rng(seed)
        basis = units(rng, RANK, D)
        contexts, personas, exemplars = (
            units(rng, count, RANK) for count in (n, n_personas, n_exemplars)
        )
        who = (4 * contexts @ personas.T + rng.gumbel(size=(n, n_personas))).argmax(1)
        what = np.concatenate(
            [
                (4 * some @ exemplars.T + rng.gumbel(size=(len(some), n_exemplars))).argmax(1)
                for some in np.array_split(contexts, 1 + n // 500)
            ]
        )
        names = [f"context {i}" for i in range(n)]
        pool = [Exemplar({"x": f"pool {j}"}, f"response {j}") for j in range(n_exemplars)]
        people = [Persona(f"p{k}", f"persona {k}") for k in range(n_personas)]
        frame = pd.DataFrame({"x": names, "y": [f"response {i}" for i in range(n)]})
        texts = [*names, *(p.description for p in people), *(e.text for e in pool)]
        latent = np.concatenate([contexts, personas, exemplars])
        vectors = latent @ basis + 0.02 * rng.normal(size=(len(latent), D))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return cls(
            Population.from_frame(frame, context="x", response="y"),
            pool,
            people,
            dict(zip(texts, vectors, strict=True)),
            personas[who],
            exemplars[what],
            (personas, exemplars),
        )

    def encode(self, texts):
        return np.array([self.vectors[text] for text in texts])

    def start(self):
        return Gate.start(
            self.encode([p.description for p in self.personas]),
            self.encode([e.text for e in self.exemplars]),
            rank=RANK,
        )


@dataclass(frozen=True)
class TableScorer(ComponentScorer):
    """Looks likelihoods up where the real one asks a model; counts the seconds of doing so."""

    world: World = None
    clock: list = None

    def ask(self, step, population, components):  # noqa: ARG002  as the real one
        began = time.perf_counter()
        rows = np.array([int(text.split()[1]) for text in population.contexts])
        personas, exemplars = self.world.factors
        i = rows[components.record]
        log_lik = -60 + 3 * (self.world.by_persona[i] * personas[components.persona]).sum(1)
        log_lik += 3 * (self.world.by_exemplar[i] * exemplars[components.exemplar]).sum(1)
        self.clock.append(time.perf_counter() - began)
        return ComponentLogLikelihoods(components, log_lik, np.full(len(components), 20))


def table_scorer(world):
    return TableScorer(
        world.personas,
        world.exemplars,
        PromptTemplate("{x}"),
        ToyBackend(["a", "b"]),
        world.encode,
        None,
        world,
        [],
    )


def gathered(world, *, judged=0):
    """Return start, scores to learn from, to stop on and, if asked for, to judge by."""
    asker, start, n = table_scorer(world), world.start(), len(world.population)
    n_personas, pool = len(asker.personas), asker.exemplars
    records, fresh = (
        world.population.take(range(*part)) for part in ((0, n - judged), (n - judged, n))
    )
    scores = ask_model(asker, select_components(records, pool, n_personas, size=SIZE))[0]
    stop = np.arange(len(records)) % 4 == 3
    judge = None
    if judged:
        shared = select_components(fresh, pool, n_personas, size=8 * n_personas, random_state=1)
        judge = ask_model(asker, shared)[0]
    train, held_out = (scores.take(np.flatnonzero(rows)) for rows in (~stop, stop))
    return start, train, held_out, judge, sum(asker.clock)


def own_seconds(n, n_personas, n_exemplars):
    """Return wall and processor seconds of a whole fit, and the nats gained.

    The answers aside; the gain is per held-out record.
    """
    world = World.random(n, n_personas, n_exemplars)
    asker, start = table_scorer(world), world.start()
    began, cpu = time.perf_counter(), time.process_time()
    fit = fit_gate(asker, world.population, start, n_components=SIZE)
    taken, asking = time.perf_counter() - began, sum(asker.clock)
    return taken - asking, time.process_time() - cpu - asking, fit.cross_validation.gain()[0]


def at_full_size():
    """Return seconds, processor seconds, nats gained and peak memory in bytes, by itself."""
    found = subprocess.run(
        [sys.executable, __file__, "full"], check=True, capture_output=True, text=True
    )
    return json.loads(found.stdout)


def use_full_size():
    """Print what `at_full_size` returns."""
    figures = own_seconds(*FULL)
    print(json.dumps([*figures, peak_bytes()]))


def growth():
    """Return a frame: n, K, J, seconds, processor seconds, nats gained per held-out record."""
    own_seconds(200, 5, 50)  # loads the libraries
    rows = [(*size, *own_seconds(*size)) for size in LADDER]
    return pd.DataFrame(rows, columns=["n", "K", "J", "seconds", "processor", "gain"])


def best_of_ours(start, train, stop):
    """Return the gate, its settings and the seconds of learning it, chosen by `stop`.

    The seconds are wall and processor time.
    """
    tried = []
    for l2 in PENALTIES:
        began = np.array([time.perf_counter(), time.process_time()])
        gate = start.fit(train, stop, l2=l2)
        taken = [time.perf_counter(), time.process_time()] - began
        tried.append((gate.loss(stop), l2, taken, gate))
    _, l2, taken, gate = min(tried, key=lambda found: found[0])
    return gate, [l2], taken


def best_of_torch(python, start, train, stop):
    """Return PyTorch's gate, its settings and the seconds of learning it, chosen alike."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        sides = arrays("train_", train) | arrays("stop_", stop)
        np.savez(source, penalties=PENALTIES, **gate_arrays(start), **sides)
        script = Path(__file__).with_name("torch_gate.py")
        subprocess.run([python, script, source, target], check=True)
        with np.load(target) as found:
            gate = start.with_theta(found["theta"])
            return gate, found["settings"].tolist(), found["seconds"]


def against_torch(size=FULL, *, judged=1_000):
    """Return a frame: of ours and PyTorch's, the settings, seconds and nats per judged record.

    Both learn from the same evidence and choose by the same records when to stop and with which
    settings; the time is that of the one fit chosen. None where PyTorch cannot be installed.
    """
    # The build for processors alone is smaller; where its index does not answer, the usual one.
    python = python_with("torch", ["numpy"], [TORCH, "--extra-index-url", TORCH_INDEX])
    if python is None:
        return None
    start, train, stop, judge, _ = gathered(World.random(*size), judged=judged)
    found = {
        "ours": best_of_ours(start, train, stop),
        "PyTorch": best_of_torch(python, start, train, stop),
    }
    rows = [
        (name, settings, *taken, -gate.loss(judge), start.loss(judge) - gate.loss(judge))
        for name, (gate, settings, taken) in found.items()
    ]
    return pd.DataFrame(rows, columns=["gate", "settings", "seconds", "processor", "nats", "gain"])


def add_rows(report):
    """Print the gate's rows with a `Report` of run.py."""
    print(growth().to_string(index=False, float_format="%.2f"), flush=True)
    wall, processor, _, peak = at_full_size()
    print(f"gate, 5,000 x 200 x 10,000: {wall:.0f} s by the clock", flush=True)
    report.limit("gate, 5,000 x 200 x 10,000, processor time", processor, 60, "s")
    report.limit("gate, the same, peak memory", peak / 10**6, 2000, "MB")
    found = against_torch()
    if found is None:
        print("the gate in PyTorch: not measured, since PyTorch cannot be installed", flush=True)
        return
    print(found.to_string(index=False, float_format="%.3f"), flush=True)
    ours, theirs = found.to_dict("records")
    share, lost = ours["processor"] / theirs["processor"], theirs["nats"] - ours["nats"]
    report.limit("gate, the same, processor time of a fit, PyTorch's = 1", share, 0.5, "", 2)
    report.limit("gate, held-out nats lost to PyTorch's", lost, 0.001, "", 3)


def gate_arrays(gate):
    return {
        name: getattr(gate, name) for name in ("personas", "exemplars", "w_x", "w_g", "w_e", "b")
    }


def arrays(prefix, evidence):
    c, pool = evidence.components, evidence.pool
    found = {
        "contexts": evidence.contexts,
        "record": c.record,
        "persona": c.persona,
        "column": np.searchsorted(pool, c.exemplar),
        "log_lik": evidence.log_lik,
        "excluded": evidence.excluded[:, pool],
        "pool": pool,
    }
    return {prefix + name: values for name, values in found.items()}


if __name__ == "__main__":
    if sys.argv[1:] == ["full"]:
        use_full_size()
    else:
        print({"growth": growth, "torch": against_torch}[sys.argv[1]]().to_string())
