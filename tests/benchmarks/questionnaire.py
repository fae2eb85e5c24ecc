"""The joint fit of a large survey, and respondents drawn from it, in seconds of processor time.

Run: python tests/benchmarks/questionnaire.py
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from jupyter_mop import Persona, Question, Survey, fit_survey
from jupyter_mop.backends.protocols import TokenScores

N_PEOPLE, N_QUESTIONS, N_CLASSES, N_OPTIONS = 2000, 20, 10, 5


class Tables:
    """A model whose option probabilities are a random table of personas and questions."""

    fingerprint = "tables"
    can_score = True
    price = None

    def __init__(self, logits):
        self.logits = logits  # (Q, K, A)

    def generate(self, requests, params, *, on_result=None):
        raise NotImplementedError

    def score(self, requests, *, on_result=None):
        found = [TokenScores((self._log_prob(request),)) for request in requests]
        for i, score in enumerate(found):
            if on_result:
                on_result(i, score)
        return found

    def _log_prob(self, request):
        system, user = (message.content for message in request.prompt.messages)
        q, k = int(user.split()[0]), int(system)
        row = self.logits[q, k] - np.logaddexp.reduce(self.logits[q, k])
        return float(row[int(request.response.split()[-1])])


def people(seed=0):
    """Return a survey, the personas and the model that knows them up to its habits."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(N_QUESTIONS, N_CLASSES, N_OPTIONS))
    habits = 0.5 * rng.normal(size=(N_QUESTIONS, 1, N_OPTIONS))
    kind = rng.integers(N_CLASSES, size=N_PEOPLE)
    options = [f"option {a}" for a in range(N_OPTIONS)]
    frame = pd.DataFrame({c: rng.choice(list("abcd"), N_PEOPLE) for c in ("age", "education")})
    for q, table in enumerate(np.exp(1.3 * logits + habits)):
        shares = table / table.sum(1, keepdims=True)
        codes = (shares[kind].cumsum(1) < rng.random((N_PEOPLE, 1))).sum(1)
        answers = np.array(options, dtype=object)[codes]
        frame[f"q{q}"] = np.where(rng.random(N_PEOPLE) < 0.05, None, answers)
    questions = {f"q{q}": Question(f"{q} is the question.", options) for q in range(N_QUESTIONS)}
    survey = Survey.from_frame(frame, questions, context=["age", "education"])
    personas = [Persona(f"p{k}", str(k)) for k in range(N_CLASSES)]
    return survey, personas, Tables(logits)


def seconds():
    """Return the processor time of the fit, of 60 refits, and of 100,000 drawn respondents."""
    survey, personas, model = people()
    found = []
    began = time.process_time()
    fit = fit_survey(survey, personas, model)
    found.append(time.process_time() - began)
    for step in (lambda: fit.replicates, lambda: fit.draw(100_000)):
        began = time.process_time()
        step()
        found.append(time.process_time() - began)
    return tuple(found)


def add_rows(report):
    fitted, refitted, drawn = seconds()
    report.limit("survey, 2,000 x 20 questions, K = 10, joint fit", fitted, 10, "s", 1)
    report.limit("survey, the same, 60 refits for intervals", refitted, 10, "s", 1)
    report.limit("survey, 100,000 respondents drawn", drawn, 5, "s", 2)


if __name__ == "__main__":
    print("fit {:.1f} s, 60 refits {:.1f} s, draw {:.2f} s".format(*seconds()))
