"""Exercise 3: personas from data, a missing persona, and how many to use."""

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


@question("3.1", "one word that the missing guests write, as a string")
def missing(answer: str, *, made: Synthesis) -> Verdict:
    """Judge whether the kind of guest without a persona was found."""
    word, absent = str(answer).strip().lower(), missing_kinds(made.personas)
    kind = next((name for name, words in WORDS.items() if word in (name, *words)), None)
    if kind is None:
        return not_yet(
            f"{answer!r} does not belong to one kind of guest. Look for three words that go "
            "together."
        )
    if kind in absent:
        return right(
            f"No persona writes about {listed(WORDS[kind])}. These guests are few, and k-means "
            "gave its clusters to the many: it split a large group in two instead."
        )
    return not_yet(
        f"There is a persona with {word!r}: see the column keywords. Which words of the cards are "
        "among no persona's keywords, or only between other words?"
    )


@question("3.2", "the number of personas by the one-standard-error rule")
def how_many(answer: object, *, ladder: pd.DataFrame) -> Verdict:
    """Judge the choice of k: the smallest within one standard error of the best."""
    k, steps = number(answer), [int(step) for step in ladder["k"]]
    log_lik = dict(zip(steps, ladder["log_lik"].astype(float), strict=True))
    error = dict(zip(steps, ladder["standard_error"].astype(float), strict=True))
    best = max(steps, key=log_lik.__getitem__)
    near = [step for step in steps if log_lik[best] - log_lik[step] <= error[step]]
    if k not in steps:
        return not_yet(f"{k:g} was not tried; the table has {listed(list(map(str, steps)))}.")
    if k == near[0]:
        more = "" if k == best else f", although {best} has a slightly higher likelihood"
        return right(f"{k:.0f}{more}. Additional personas have to earn their place.")
    if k in near:
        return not_yet(f"{near[0]} is smaller and also within one standard error of the best.")
    return not_yet(
        f"{k:.0f} is {log_lik[best] - log_lik[int(k)]:.2f} nats below the best ({best}), but its "
        f"standard error is only {error[int(k)]:.2f}."
    )


@question("3.3", "your own personas, one per line")
def better(answer: object, *, study: Study, made: Synthesis) -> Verdict:
    """Judge personas by the likelihood of held-out cards, against that of the synthesized ones."""
    found = guests(answer)
    if not found.is_right:
        return found
    yours, theirs = (_held_out(study, source) for source in (answer, made.personas))
    comparison = f"{yours:.2f} nats per held-out card; the synthesized ones have {theirs:.2f}"
    if yours <= theirs:
        return not_yet(
            f"Every kind of guest is there, but yours have {comparison}. Try shorter descriptions."
        )
    return right(
        f"Yours have {comparison}. Here, knowing the people is better than clustering their words."
    )


def _held_out(study: Study, personas: object) -> float:
    population, target = study.population, study.target
    assert population is not None  # noqa: S101  a study of the canteen has both
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
