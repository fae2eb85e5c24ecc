"""From records to evidence: which components are asked, and what the gate learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.base import Backend
from jupyter_mop.engine import candidates
from jupyter_mop.engine.evidence import Evidence
from jupyter_mop.engine.exemplars import Exemplar, own_exemplars
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.likelihood import Answers, Components, component_log_likelihood
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.errors import DataError

Tick = Callable[[int, object], None]
OnStep = Callable[[str, int], Tick]

MIN_RECORDS = 8
_TURNS = 2  # in which the likely components are chosen
_ROUGH_RECORDS = 1000
_ROUGH_ITERATIONS = 30
_LEAST = {"n_exemplars": 1, "n_records": MIN_RECORDS, "n_components": 1, "rank": 1, "l2": 0}


def check_settings(settings: object) -> None:
    """Raise a DataError where an attribute of `settings` is below what a fit can use."""
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if not least <= value < math.inf:
            raise DataError(
                f"The setting {name} must be at least {least}, not {value}.",
                hint="Leave it out for the default.",
            )


def draw_records(population: Population, n: int, *, random_state: int = 0) -> NDArray[np.intp]:
    """Return the indices of up to `n` records to learn from, each once; none of weight zero.

    Their weights count in the likelihood, so they must not decide the draw as well.
    """
    heavy = np.flatnonzero(population.weights)
    if len(heavy) < MIN_RECORDS:
        raise DataError(
            f"A fit needs at least {MIN_RECORDS} records; the population has {len(heavy)}.",
            hint="Give more records, or simulate with weights='uniform'.",
        )
    return np.random.default_rng(random_state).permutation(heavy)[:n]


@dataclass(frozen=True)
class Learner:
    """A frozen language model seen as K x J components that can be asked for likelihoods."""

    personas: Sequence[Persona]
    exemplars: Sequence[Exemplar]
    template: PromptTemplate
    backend: Backend
    encode: Callable[[Sequence[str]], NDArray[np.float64]]
    on_step: OnStep | None = None

    def ask(self, what: str, population: Population, components: Components) -> Answers:
        """Ask the model once for each component."""
        return component_log_likelihood(
            population,
            components,
            personas=self.personas,
            exemplars=self.exemplars,
            template=self.template,
            backend=self.backend,
            on_result=self.on_step(what, len(components)) if self.on_step else None,
        )

    def gather(
        self,
        records: Population,
        held_out: Population,
        start: Gate,
        *,
        size: int,
        l2: float,
        random_state: int = 0,
    ) -> tuple[Evidence, Evidence, NDArray[np.intp]]:
        """Return what is learned from, what is held out, and the latter's tokens (n,).

        Where the whole mixture has no more than `size` components, all are asked.
        """
        n_personas, n_pool = len(self.personas), len(self.exemplars)
        is_small = n_personas * n_pool <= size
        shown = n_pool if is_small else max(4, size // n_personas)
        judged, n_tokens = self.everything(
            "held-out records", held_out, n_exemplars=shown, random_state=random_state
        )
        if is_small:
            learned = self.everything("all components", records, n_exemplars=n_pool)[0]
        else:
            learned = self.best(records, start, size=size, l2=l2, random_state=random_state)
        return learned, judged, n_tokens

    def everything(
        self, what: str, population: Population, *, n_exemplars: int, random_state: int = 0
    ) -> tuple[Evidence, NDArray[np.intp]]:
        """Ask every persona with the same `n_exemplars`; also return each record's tokens (n,).

        The evidence is exact for the mixture whose pool is those exemplars.
        """
        rng = np.random.default_rng(random_state)
        shown = rng.permutation(len(self.exemplars))[:n_exemplars]
        excluded = own_exemplars(population, self.exemplars)
        excluded[:, np.setdiff1d(np.arange(len(self.exemplars)), shown)] = True
        _check_something_left(excluded)
        components = candidates.all_components(excluded, len(self.personas))
        answers = self.ask(what, population, components)
        evidence = self._evidence(population, answers, np.zeros(len(components)), excluded)
        return evidence, answers.n_tokens[evidence.starts]

    def best(
        self,
        population: Population,
        start: Gate,
        *,
        size: int,
        l2: float,
        random_state: int = 0,
    ) -> Evidence:
        """Ask `size` components of each record: half at random, then those the gate weighs most.

        The random half lets the gate change its mind; the likely half makes the cut sum close to
        the whole one. The likely ones are chosen in turns, by a gate that has learned from what
        was asked before: from some of the records and not to the end, for that is enough.
        """
        excluded = own_exemplars(population, self.exemplars)
        _check_something_left(excluded)
        rng = np.random.default_rng(random_state)
        sampled = candidates.random_components(
            excluded,
            len(self.personas),
            size=size - size // 2,
            contexts=population.contexts,
            rng=rng,
        )
        answers, likely = self.ask("random components", population, sampled), _none()
        evidence = self._estimate(population, answers, excluded, sampled, likely)
        some = np.sort(rng.permutation(len(population))[:_ROUGH_RECORDS])
        for places in np.array_split(np.arange(size // 2), _TURNS):
            if not len(places):
                break
            rough = start.fit(evidence.take(some), l2=l2, max_iter=_ROUGH_ITERATIONS)
            top = candidates.top_components(excluded, rough, size=size, contexts=evidence.contexts)
            top = candidates.until_new(top, answers.components, n=len(places))
            likely = candidates.union(likely, top)
            new = candidates.without(top, answers.components)
            if len(new):
                answers = answers.merged(self.ask("likely components", population, new))
            evidence = self._estimate(population, answers, excluded, sampled, likely)
        return evidence

    def _estimate(
        self,
        population: Population,
        answers: Answers,
        excluded: NDArray[np.bool_],
        sampled: Components,
        certain: Components,
    ) -> Evidence:
        """Return evidence of which the sums over components are unbiased."""
        log_multiplicity = candidates.log_multiplicity(
            answers.components,
            certain,
            n_allowed=len(self.personas) * (~excluded).sum(1),
            n_sampled=np.bincount(sampled.record, minlength=len(population)),
        )
        return self._evidence(population, answers, log_multiplicity, excluded)

    def _evidence(
        self,
        population: Population,
        answers: Answers,
        log_multiplicity: NDArray[np.float64],
        excluded: NDArray[np.bool_],
    ) -> Evidence:
        return Evidence(
            self.encode(population.contexts),
            answers.components,
            answers.log_lik + log_multiplicity,
            excluded,
            population.weights,
        )


def _none() -> Components:
    empty = np.empty(0, np.intp)
    return Components(empty, empty, empty)


def _check_something_left(excluded: NDArray[np.bool_]) -> None:
    if excluded.all(1).any():
        raise DataError(
            "A record's own response is the only exemplar that it could be shown.",
            hint="Use more exemplars (n_exemplars), or more different responses.",
        )
