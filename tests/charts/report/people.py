"""A small study with texts that attack a page, for the tests of reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from jupyter_mop import Study, ToyBackend, ToyEncoder

ATTACK = "<script>window.ran = 1</script><img src=x onerror=window.ran=1>"
MONEY = "$5 for tea and $6"
WORDS = ["sun", "rain", "wind", "fog", "yes", "no"]
REAL_TEXT = "a real person wrote this very sentence about the weather yesterday"


def people(n: int = 240) -> pd.DataFrame:
    """Return records with a topic, a text and a closed answer."""
    rng = np.random.default_rng(0)
    chances = {"dawn": [0.6, 0.2, 0.1, 0.1], "dusk": [0.1, 0.2, 0.6, 0.1]}
    rows = []
    for i in range(n):
        topic = ["dawn", "dusk"][i % 2]
        said = " ".join(rng.choice(WORDS[:4], size=4, p=chances[topic]))
        rows.append((topic, said, rng.choice(["yes", "no"], p=[0.95, 0.05])))
    return pd.DataFrame(rows, columns=["topic", "said", "again"])


def study_of(folder: Path, frame: pd.DataFrame, response: str = "said") -> Study:
    """Return a study of the records, with personas of which one is a voice."""
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=folder / f"{response}.sqlite")
    study.use_personas(
        f"sunny: You say sun. {MONEY}. {ATTACK}\nwindy: You say wind.\n"
        f"voice: You write like this: {REAL_TEXT}"
    )
    study.use_population(frame, context="topic", response=response)
    return study


def measured_study(folder: Path, *, is_fitted: bool = True) -> Study:
    """Return a study whose simulation was compared and diagnosed and has hostile texts."""
    study = study_of(folder, people())
    if is_fitted:
        study.fit("How is it at {topic}?", n_exemplars=12, n_records=60)
    simulation = study.simulate("learned", 60)
    frame = simulation.frame.copy()
    frame.loc[:40, "response"] = f"{MONEY} {ATTACK}"
    study.simulations["learned"] = replace(simulation, frame=frame)
    study.align("learned", by="topic")
    study.diagnose("learned")
    return study
