"""Exercise 3: personas from data, who is missing among them, and how many to have."""

from __future__ import annotations

import pandas as pd

from jupyter_mop.engine.data.personas import read_personas
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.synthesis.synthesis import Synthesis
from jupyter_mop.study.study import Study
from jupyter_mop.teaching.canteen import TEMPLATE, WORDS
from jupyter_mop.teaching.exercises.quickstart import guests, missing_kinds
from jupyter_mop.teaching.parsing import listed, number
from jupyter_mop.teaching.verdicts import Verdict, not_yet, question, right


@question("3.1", "one word that the missing guests write, as a text")
def missing(answer: str, *, made: Synthesis) -> Verdict:
    """Judge whether the kind of guests without a persona was found."""
    word, absent = str(answer).strip().lower(), missing_kinds(made.personas)
    kind = next((name for name, words in WORDS.items() if word in (name, *words)), None)
    if kind is None:
        return not_yet(
            f"{answer!r} is no word of one kind of guests. Look for three that go together."
        )
    if kind in absent:
        return right(
            f"Nobody speaks for those who write about {listed(WORDS[kind])}. They are few, and "
            "k-means gives its groups to the many: it cut a large one in two instead."
        )
    return not_yet(
        f"{word!r} has a persona: look at the column keywords. Which words of the cards stand in "
        "no persona's keywords, or only between the words of others?"
    )


@question("3.2", "a number of personas, by the rule of one standard error")
def how_many(answer: object, *, ladder: pd.DataFrame) -> Verdict:
    """Judge the choice of k: the smallest within one standard error of the best."""
    k, steps = number(answer), [int(step) for step in ladder["k"]]
    log_lik = dict(zip(steps, ladder["log_lik"].astype(float), strict=True))
    error = dict(zip(steps, ladder["standard_error"].astype(float), strict=True))
    best = max(steps, key=log_lik.__getitem__)
    near = [step for step in steps if log_lik[best] - log_lik[step] <= error[step]]
    if k not in steps:
        return not_yet(f"{k:g} was not tried; the ladder has {listed(list(map(str, steps)))}.")
    if k == near[0]:
        more = "" if k == best else f", though {best} has the highest likelihood by a little"
        return right(f"{k:.0f} it is{more}. More personas have to earn their place.")
    if k in near:
        return not_yet(f"{near[0]} is smaller, and within one standard error of the best as well.")
    return not_yet(
        f"{k:.0f} is {log_lik[best] - log_lik[int(k)]:.2f} nats below the best ({best}), and its "
        f"standard error is {error[int(k)]:.2f} only."
    )


@question("3.3", "your own personas, one a line")
def better(answer: object, *, study: Study, made: Synthesis) -> Verdict:
    """Judge personas by what counts: held-out cards are likelier than under the made ones."""
    found = guests(answer)
    if not found.is_right:
        return found
    yours, theirs = (_held_out(study, source) for source in (answer, made.personas))
    told = f"{yours:.2f} nats a held-out card, and the made ones {theirs:.2f}"
    if yours <= theirs:
        return not_yet(f"Every kind is there, and yet yours have {told}: shorter ones may do.")
    return right(f"Yours have {told}. Knowing the people beats grouping their words, here.")


def _held_out(study: Study, personas: object) -> float:
    population, target = study.population, study.target
    assert population is not None  # noqa: S101  of a study of the canteen
    assert target is not None  # noqa: S101
    mixture = MixtureOfPersonas(
        read_personas(personas),
        study.backend,
        study.encoder,
        template=TEMPLATE,
        n_exemplars=2,
        n_records=len(population),
        n_components=2 * len(read_personas(personas)),
    )
    return mixture.fit(population).score(target)
