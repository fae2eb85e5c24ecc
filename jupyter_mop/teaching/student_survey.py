"""A closed question to students, answered by a toy population whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.study.study import Study

QUESTION = "You are a {year}. Should the canteen open on Saturdays?"
OPTIONS = ("yes", "no", "unsure")
PERSONAS = """
eager: You say yes to what is new.
wary: You say no to what is new.
torn: You are unsure of what is new.
"""
SHARES = {
    "first-year student": (0.65, 0.15, 0.20),
    "later-year student": (0.25, 0.60, 0.15),
    "evening student": (0.90, 0.05, 0.05),
}
SIZES = (0.50, 0.46, 0.04)
N_STUDENTS = 1000
QUESTIONS = ("saturdays", "breakfast", "evenings")
N_RESPONDENTS, SHARE_MISSING = 400, 0.3


def survey_answers(n: int = N_STUDENTS, *, random_state: int = 0) -> pd.DataFrame:
    """Return the answers of `n` students, in the columns `year` and `answer`.

    Examples
    --------
    >>> survey_answers(200)["answer"].isin(OPTIONS).all().item()
    True
    """
    rng, model = np.random.default_rng(random_state), survey_model()
    year = rng.choice(len(SHARES), n, p=SIZES)
    by_persona = persona_probabilities(model)
    answers = [rng.choice(OPTIONS, p=np.array(list(SHARES.values())[y]) @ by_persona) for y in year]
    return pd.DataFrame({"year": [list(SHARES)[y] for y in year], "answer": answers})


def student_questionnaire(n: int = N_RESPONDENTS, *, random_state: int = 0) -> pd.DataFrame:
    """Return the answers of `n` students to three questions; three in ten left out `breakfast`.

    A student has one persona for all questions. The columns are `QUESTIONS`.

    Examples
    --------
    >>> list(student_questionnaire(20))
    ['saturdays', 'breakfast', 'evenings']
    """
    rng, by_persona = np.random.default_rng(random_state), persona_probabilities(survey_model())
    personas = rng.choice(len(by_persona), n, p=np.array(SIZES) @ np.array(list(SHARES.values())))
    answers = {name: [rng.choice(OPTIONS, p=by_persona[k]) for k in personas] for name in QUESTIONS}
    frame = pd.DataFrame(answers, dtype=object)
    frame.loc[rng.random(n) < SHARE_MISSING, "breakfast"] = None
    return frame


def survey_model() -> ToyBackend:
    """Return a toy model that knows three words and follows its persona.

    Examples
    --------
    >>> survey_model().vocabulary
    ('yes', 'no', 'unsure')
    """
    return ToyBackend(OPTIONS, length=1, persona_boost=3.0, exemplar_boost=0.0)


def persona_probabilities(model: ToyBackend) -> np.ndarray:
    """Return the exact probability of each option under each persona, shape `(K, A)`.

    Examples
    --------
    >>> persona_probabilities(survey_model()).argmax(axis=1).tolist()
    [0, 1, 2]
    """
    prompts = [Prompt((Message("system", p.description),)) for p in read_personas(PERSONAS)]
    return np.exp([model.log_probs(prompt) for prompt in prompts])


def survey_study(answers: pd.DataFrame | None = None) -> Study:
    """Return a study of the survey: toy model, toy encoder, personas, and answers, half held out.

    Parameters
    ----------
    answers : DataFrame, optional
        Columns `year` and `answer`; default: `survey_answers()`.

    Examples
    --------
    >>> survey_study().population.options
    ('no', 'unsure', 'yes')
    """
    words = [word for year in SHARES for word in year.split()]
    encoder = ToyEncoder(list(dict.fromkeys([*OPTIONS, *words])))
    study = Study(survey_model(), encoder)
    study.use_personas(PERSONAS)
    rows = survey_answers() if answers is None else answers
    study.use_population(rows, context="year", response="answer")
    return study
