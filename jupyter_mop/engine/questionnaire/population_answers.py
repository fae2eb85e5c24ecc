"""The answers to several closed questions, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jupyter_mop.engine.survey.answer_distances import distances
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.rendering import Viewed

DISTANCE = "TV"


@dataclass(frozen=True, eq=False, repr=False)
class PopulationAnswers(Viewed, Mapping[str, PopulationAnswer]):
    """The answers to several closed questions: a mapping from the questions' names.

    Create one with `Study.ask_all`, or with several questions in a `%%mop_ask` cell.

    Attributes
    ----------
    answers : mapping of str to PopulationAnswer
        In the order of the questions.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.data.population import Population
    >>> from jupyter_mop.engine.survey.asking import ask
    >>> from jupyter_mop.engine.survey.question import Question
    >>> frame = pd.DataFrame({"age": "old", "drink": ["tea", "milk"] * 5})
    >>> people = Population.from_frame(frame, context="age", response="drink")
    >>> question, toy = Question("Drink?", ["tea", "milk"]), ToyBackend(["tea", "milk"])
    >>> answers = PopulationAnswers({"drink": ask(question, people, "a: Hello.", toy)})
    >>> list(answers), answers.frame["people"].tolist()
    (['drink'], [0.5, 0.5])
    """

    answers: Mapping[str, PopulationAnswer]

    def __getitem__(self, name: str) -> PopulationAnswer:
        return self.answers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def __repr__(self) -> str:
        said = [repr(self[name]) for name in self.worst_first]
        return "\n".join([f"PopulationAnswers of {len(self)} questions, worst first:", *said])

    @property
    def worst_first(self) -> list[str]:
        """The names by total variation from people, largest first; then those without people."""
        off = {name: _distance(answer) for name, answer in self.items()}
        return sorted(self, key=lambda name: np.inf if np.isnan(off[name]) else -off[name])

    @property
    def frame(self) -> pd.DataFrame:
        """The shares: question (its name), option, share and people (NaN if unknown)."""
        frames = [
            answer.by().rename(columns={"target": "people"}).assign(question=name)
            for name, answer in self.items()
        ]
        columns = ["question", "option", "share", "people"]
        return pd.concat(frames, ignore_index=True)[columns]


def _distance(answer: PopulationAnswer) -> float:
    """Return the distance of an answer from the known one, or NaN if none is known."""
    target = answer.target()
    if target is None:
        return np.nan
    return distances(answer.question, target, answer.shares())[DISTANCE]
