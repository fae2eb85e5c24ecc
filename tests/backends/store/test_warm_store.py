"""A store stays warm: one that an earlier layout of the package wrote still has every answer.

`data/answers.sqlite` was written before the modules moved; `data/requests.json` holds what was
asked then, and the answers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jupyter_mop.backends.protocols import (
    GenerationRequest,
    Message,
    Prompt,
    SamplingParams,
    ScoreRequest,
)
from jupyter_mop.backends.store.batch import COMPLETIONS
from jupyter_mop.backends.store.cached import CachedBackend, CachedEncoder
from jupyter_mop.backends.store.sqlite_store import Store
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder

DATA = Path(__file__).parent / "data"
ASKED = json.loads((DATA / "requests.json").read_text(encoding="utf-8"))
WORDS = ["sun", "rain", "wind"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    shutil.copy(DATA / "answers.sqlite", tmp_path)
    with Store(tmp_path / "answers.sqlite") as store:
        yield store


def prompt(turns: list[list[str]]) -> Prompt:
    return Prompt(tuple(Message(*turn) for turn in turns))


def test_the_fingerprints_are_the_same() -> None:
    assert [ToyBackend(WORDS).fingerprint, ToyEncoder(WORDS).fingerprint] == ASKED["fingerprints"]


@pytest.mark.parametrize("call", ASKED["calls"], ids=lambda call: call["kind"])
def test_every_answer_is_found(call: dict, store: Store) -> None:
    backend, encoder = (
        CachedBackend(ToyBackend(WORDS), store),
        CachedEncoder(ToyEncoder(WORDS), store),
    )
    requests = call["requests"]
    if call["kind"] == "generate":
        asked = [GenerationRequest(prompt(turns), *rest) for turns, *rest in requests]
        completions = backend.generate(asked, SamplingParams(**call["params"]))
        found = [json.loads(COMPLETIONS.pack(completion)) for completion in completions]
    elif call["kind"] == "score":
        asked = [ScoreRequest(prompt(turns), response) for turns, response in requests]
        found = [list(score.log_probs) for score in backend.score(asked)]
    else:
        found = encoder.encode(requests)
        np.testing.assert_allclose(found, call["answers"], atol=1e-6)
    assert call["kind"] == "encode" or found == call["answers"]
    assert (backend.misses, encoder.misses) == (0, 0)
