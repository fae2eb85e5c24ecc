"""The gate's own time, model calls aside, by size; and against the same gate in PyTorch.

The likelihoods are a table: each record was said by a persona and after an exemplar drawn from a
random gate, and what is near those in a space of few dimensions explains it better.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jupyter_mop import config
from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.learning import Learner
from jupyter_mop.engine.likelihood import Answers
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate

D, RANK, L2, SIZE = 384, 8, 0.01, 16
FULL = (5_000, 200, 10_000)
PAIRED = (2_000, 100, 2_000)
LADDER = [
    (1_250, 50, 2_500), (2_500, 50, 2_500), (5_000, 50, 2_500),
    (1_250, 100, 2_500), (1_250, 200, 2_500), (1_250, 50, 5_000), (1_250, 50, 10_000), FULL,
]  # fmt: skip
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
class TableLearner(Learner):
    """Looks likelihoods up where the real one asks a model; counts the seconds of doing so."""

    world: World = None
    clock: list = None

    def ask(self, what, population, components):  # noqa: ARG002  as the real one
        began = time.perf_counter()
        rows = np.array([int(text.split()[1]) for text in population.contexts])
        personas, exemplars = self.world.factors
        i = rows[components.record]
        log_lik = -60 + 3 * (self.world.by_persona[i] * personas[components.persona]).sum(1)
        log_lik += 3 * (self.world.by_exemplar[i] * exemplars[components.exemplar]).sum(1)
        self.clock.append(time.perf_counter() - began)
        return Answers(components, log_lik, np.full(len(components), 20))


def learner(world):
    return TableLearner(
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
    """Return start, evidence to learn from, to stop on and, if asked for, to judge by."""
    asker, start, n = learner(world), world.start(), len(world.population)
    ends = n - judged - (n - judged) // 4, n - judged
    records, held_out, fresh = (
        world.population.take(range(*part)) for part in ((0, ends[0]), ends, (ends[1], n))
    )
    train, stop, _ = asker.gather(records, held_out, start, size=SIZE, l2=L2)
    judge = asker.everything("judge", fresh, n_exemplars=8, random_state=1)[0] if judged else None
    return start, train, stop, judge, sum(asker.clock)


def own_seconds(n, n_personas, n_exemplars):
    """Return the seconds of choosing what to ask and learning from it, the answers aside."""
    world = World.random(n, n_personas, n_exemplars)
    began = time.perf_counter()
    start, train, stop, _, asking = gathered(world)
    gate = start.path(train, l2=L2).best(stop)
    taken = time.perf_counter() - began - asking
    return taken, start.loss(stop) - gate.loss(stop)


def growth():
    """Return a frame: n, K, J, seconds, and what learning gained in nats per held-out record."""
    rows = [(*size, *own_seconds(*size)) for size in LADDER]
    return pd.DataFrame(rows, columns=["n", "K", "J", "seconds", "gain"])


def against_torch(size=PAIRED, *, judged=500):
    """Return held-out log-likelihoods (ours, torch's) and seconds (ours, torch's), same evidence.

    None where PyTorch cannot be installed.
    """
    python = torch_python()
    if python is None:
        return None
    start, train, stop, judge, _ = gathered(World.random(*size), judged=judged)
    began = time.perf_counter()
    ours = start.fit(train, stop, l2=L2)
    taken = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, l2=L2, **gate_arrays(start), **arrays("train_", train),
                 **arrays("stop_", stop))  # fmt: skip
        script = Path(__file__).with_name("torch_gate.py")
        subprocess.run([python, script, source, target], check=True)
        with np.load(target) as found:
            theirs, torch_taken = start.with_theta(found["theta"]), float(found["seconds"])
    return (-ours.loss(judge), -theirs.loss(judge)), (taken, torch_taken), -start.loss(judge)


def add_rows(report):
    """Print the gate's rows with a `Report` of run.py."""
    print(growth().to_string(index=False, float_format="%.2f"), flush=True)
    name = "gate, 5,000 records, 200 personas, 10,000 exemplars"
    report.limit(name, own_seconds(*FULL)[0], 60, "s")
    found = against_torch()
    if found is None:
        print("the gate in PyTorch: not measured, since PyTorch cannot be installed", flush=True)
        return
    (ours, theirs), (taken, torch_taken), _ = found
    report.limit("gate, seconds against PyTorch's", taken / torch_taken, 0.5, "", 2)
    report.limit("gate, held-out nats per record lost to PyTorch's", theirs - ours, 0.001, "", 3)


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


def torch_python():
    """Return the Python of an environment with PyTorch for the CPU, or None."""
    folder = config.cache_dir() / "benchmarks" / "torch"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-qqq", "--retries", "1"]
        for what in (["numpy"], [TORCH, "--index-url", TORCH_INDEX]):
            if subprocess.run([*pip, *what], check=False).returncode:
                return None
        (folder / "ready").touch()
    return str(python)


if __name__ == "__main__":
    if sys.argv[1:] == ["growth"]:
        print(growth().to_string(index=False, float_format="%.2f"))
    elif sys.argv[1:] == ["torch"]:
        print(against_torch())
    else:
        print(own_seconds(*FULL))
