"""People of three ages who answer a scale and a question without order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jupyter_mop import Question, Survey, SurveyFidelity

SCALE, KIND = ["never", "often", "always"], ["tea", "milk", "juice", "soup"]
QUESTIONS = {"often": Question("How often?", SCALE, "scale"), "kind": Question("What?", KIND)}


def respondents(seed: int, n: int = 300) -> pd.DataFrame:
    """Return people of three ages with weights, who differ by age."""
    rng = np.random.default_rng(seed)
    age = rng.integers(3, size=n)
    often = (rng.random(n) < 0.2 + 0.2 * age).astype(int) + (rng.random(n) < 0.4)
    kind = (rng.random((n, 3)) < 0.4 + 0.1 * age[:, None]).sum(axis=1)
    return pd.DataFrame(
        {
            "age": np.array(["young", "middle", "old"])[age],
            "often": np.array(SCALE)[often],
            "kind": np.array(KIND)[kind],
            "w": rng.uniform(0.5, 1.5, n),
        }
    )


def survey(frame: pd.DataFrame) -> Survey:
    return Survey.from_frame(frame, QUESTIONS, context="age", weight="w")


def value(found: SurveyFidelity, *key: str) -> float:
    frame = found.frame.set_index(["measure", "question", "detail"])
    return float(frame.loc[key, "value"])
