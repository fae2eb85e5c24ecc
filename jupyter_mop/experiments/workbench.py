"""Everything that the experiments on one population share: study, mixture, vectors, metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.backends.opening import load_backend
from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder, split_words
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation.alignment import Alignment, align
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.engine.synthesis.synthesis import Synthesis
from jupyter_mop.experiments import populations
from jupyter_mop.experiments.metrics.comparison import OpeningEncoder
from jupyter_mop.experiments.metrics.measurements import CACHE_FOLDER, Metrics
from jupyter_mop.experiments.settings import Settings, check_folder, provenance
from jupyter_mop.study.study import Study

TOYS = {"toy": 2.0, "toy-other": 1.0}
TOY_LENGTH, TOY_DIMENSIONS = 8, 48


class Workbench:
    """A study of one population, with personas and learned weights.

    The personas are synthesized from the records, or written for each subgroup where these matter.

    Parameters
    ----------
    source : Source
        The source of the records.
    settings : Settings
    on_step : callable
        Called with the name and the size of each step; returns the callback for its progress.

    Attributes
    ----------
    records : pandas.DataFrame
        The records, half of which are held out.
    study : Study
    synthesis : Synthesis
        The personas synthesized from the records, when they are first needed.
    whole : MixtureOfPersonas
        The mixture of its personas with learned weights, when it is first needed.
    """

    def __init__(self, source: populations.Source, settings: Settings, on_step: OnStep) -> None:
        self.source, self.settings, self.on_step = source, settings, on_step
        self.records = populations.records(source, settings.n, random_state=settings.seed)
        columns = (populations.RESPONSE, *source.context)
        self.texts = [text for name in columns for text in self.records[name]]
        self.study = Study(
            open_backend(settings.model, self.texts),
            open_encoder(settings.model, self.texts),
            store=settings.store,
        )
        check_folder(settings.out, self.study.backend.fingerprint)
        self.population = self.study.use_population(
            self.records,
            context=source.context,
            response=populations.RESPONSE,
            random_state=settings.seed,
        )

    @property
    def target(self) -> Population:
        """The held-out records."""
        return self.study.target or self.population

    @property
    def template(self) -> str:
        """The prompt template."""
        return self.settings.recipe.template or self.source.template

    @property
    def provenance(self) -> dict[str, Any]:
        """The provenance of results of this population."""
        encoder = self.study.encoder.fingerprint
        return provenance(self.settings, self.study.backend.fingerprint, encoder)

    @cached_property
    def synthesis(self) -> Synthesis:
        """The personas synthesized from the records."""
        return self.study.synthesize(
            self.settings.recipe.n_personas, random_state=self.settings.seed, on_step=self.on_step
        )

    def synthesized(self, form: str) -> Synthesis:
        """Return the personas of the same clusters in another form, such as "voices"."""
        return self.study.synthesize(
            self.settings.recipe.n_personas,
            form=form,
            random_state=self.settings.seed,
            on_step=self.on_step,
        )

    @cached_property
    def whole(self) -> MixtureOfPersonas:
        """The mixture of these personas, or of one for each subgroup, with learned weights."""
        groups = self.source.groups
        self.study.use_personas(groups.personas if groups else self.synthesis.personas)
        return self.fit()

    def restore(self) -> None:
        """Give the study the personas of the whole mixture and the mixture again."""
        self.study.personas, self.study.mixture = self.whole.personas, self.whole

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics against the held-out records."""
        settings = self.settings
        vectors = self.encode(self.target.responses[: 2 * settings.n])
        folder = settings.out / CACHE_FOLDER
        return Metrics(vectors, folder, n_boot=settings.n_boot, seed=settings.seed)

    def fit(self, **changes: int) -> MixtureOfPersonas:
        """Learn the weights of the study's current personas."""
        recipe = self.settings.recipe
        names = ("n_exemplars", "n_records", "n_components")
        options = {name: getattr(recipe, name) for name in names} | changes
        return self.study.fit(
            self.template,
            stratify=recipe.stratify or None,
            random_state=self.settings.seed,
            on_step=self.on_step,
            **options,
        )

    def simulate(
        self,
        name: str,
        *,
        baseline: str | None = None,
        weights: str | None = None,
        n_candidates: int | None = None,
        mix: int = 1,
        n_shown: int | None = None,
    ) -> Simulation:
        """Simulate responses to the contexts of the held-out records.

        By default there is one candidate per response for a baseline, and the recipe's number for
        the mixture.
        """
        recipe = self.settings.recipe
        default = 1 if baseline else recipe.n_candidates
        return self.study.simulate(
            name,
            self.settings.n,
            weights=weights,
            baseline=baseline,
            n_shown=n_shown or recipe.n_shown,
            n_candidates=n_candidates or default,
            mix=mix,
            temperature=recipe.temperature,
            top_p=recipe.top_p,
            max_tokens=recipe.max_tokens,
            random_state=self.settings.seed,
            on_step=self.on_step,
        )

    def align(
        self, simulations: Mapping[str, Simulation], *, by: Sequence[str] | None = None
    ) -> Alignment:
        """Return the alignment of simulations with the held-out records, by context if asked."""
        return align(
            self.target,
            simulations,
            encoder=OpeningEncoder(self.source.cut, self.study.encoder),
            by=by,
            random_state=self.settings.seed,
            on_step=self.on_step,
        )

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vectors of the compared part of each text, shape `(n, d)`."""
        return self.study.encoder.encode([self.source.cut(text) for text in texts])

    def vectors(self, simulations: Mapping[str, Simulation]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of each simulation's responses."""
        return {name: self.encode(simulation.responses) for name, simulation in simulations.items()}

    def close(self) -> None:
        """Close the store."""
        self.study.store.close()


def open_backend(name: str, texts: Sequence[str]) -> Backend:
    """Return a model: "local", a path, or "toy", which knows the words of `texts`."""
    if name not in TOYS:
        return load_backend(name)
    return ToyBackend(_words(texts), length=TOY_LENGTH, persona_boost=TOYS[name])


def open_encoder(name: str, texts: Sequence[str]) -> Encoder | None:
    """Return the encoder for a model; None is the embedded encoder."""
    return ToyEncoder(_words(texts)[:TOY_DIMENSIONS]) if name in TOYS else None


def _words(texts: Sequence[str]) -> list[str]:
    """Return the words of `texts`, most frequent first."""
    counts = Counter(word for text in texts for word in split_words(text))
    return [word for word, _ in counts.most_common()]
