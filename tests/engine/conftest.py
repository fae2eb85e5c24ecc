"""Small data for the engine: four words, three personas, and contexts that matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind."


@pytest.fixture
def backend() -> ToyBackend:
    return ToyBackend(WORDS, length=4)


@pytest.fixture
def encoder() -> ToyEncoder:
    return ToyEncoder(WORDS)


@pytest.fixture
def frame() -> pd.DataFrame:
    """120 records with two contexts: mornings are sunny, evenings are rainy."""
    rng = np.random.default_rng(0)
    topics = np.array(["sun at dawn", "rain at dusk"])[np.arange(120) % 2]
    odds = {"sun at dawn": [0.6, 0.15, 0.15, 0.1], "rain at dusk": [0.15, 0.6, 0.15, 0.1]}
    texts = [" ".join(rng.choice(WORDS, size=4, p=odds[topic])) for topic in topics]
    return pd.DataFrame({"topic": topics, "text": texts})


@pytest.fixture
def population(frame: pd.DataFrame) -> Population:
    return Population.from_frame(frame, context="topic", response="text")


@pytest.fixture
def mixture(backend: ToyBackend, encoder: ToyEncoder) -> MixtureOfPersonas:
    return MixtureOfPersonas(PERSONAS, backend, encoder, n_exemplars=6, n_records=120)
