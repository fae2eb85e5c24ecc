"""Personas made from records: clusters of responses, each described or quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.clustering import Clusters, cluster_records, keywords
from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.choosing_k import choose_k
from jupyter_mop.engine.synthesis.persona_criteria import longest_run, n_words
from jupyter_mop.engine.synthesis.persona_writing import (
    MODEL,
    N_NEAREST,
    WrittenPersona,
    persona_names,
    write_personas,
)
from jupyter_mop.engine.synthesis.synthesis_options import BOTH, VOICES, SynthesisOptions
from jupyter_mop.engine.synthesis.voice_writing import RECORDS, joined, write_voices
from jupyter_mop.options import takes_options
from jupyter_mop.rendering import Viewed

FEW_RECORDS_SHARE = 0.05  # of the records, below which a cluster is small


@dataclass(frozen=True)
class Synthesis(Viewed):
    """Personas made from records, with their sources; see `synthesize_personas`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per persona, the largest cluster first: name, description, share (of the records),
        source ("model", "keywords" or "records", or one of them "and records"), keywords (list),
        longest_copy (length in words of the longest run that the description shares with a record)
        and draws (number of the model's answers).
    nearest : pandas.DataFrame
        The real records nearest each cluster's centre: persona, context, response and cosine.
    ladder : pandas.DataFrame or None
        If k was chosen: the result of `choose_k`.

    Examples
    --------
    >>> frame = pd.DataFrame({"name": ["tea"], "description": ["You write about tea."],
    ...                       "share": [1.0], "source": ["model"]})
    >>> Synthesis(frame, pd.DataFrame()).personas
    [Persona(name='tea', description='You write about tea.', weight=None)]
    """

    frame: pd.DataFrame
    nearest: pd.DataFrame
    ladder: pd.DataFrame | None = None

    @property
    def personas(self) -> list[Persona]:
        """The personas, without weights."""
        pairs = zip(self.frame["name"], self.frame["description"], strict=True)
        return [Persona(name, description) for name, description in pairs]

    @property
    def weighted(self) -> list[Persona]:
        """The personas, with the shares of their clusters as weights."""
        rows = zip(self.personas, self.frame["share"], strict=True)
        return [Persona(p.name, p.description, float(share)) for p, share in rows]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def quotes_records(self) -> bool:
        """Whether the personas quote real records."""
        return bool(self.frame["source"].str.endswith(RECORDS).all())

    @property
    def verdict(self) -> str:
        """How many personas were made from what, how they differ in size, and how k was chosen."""
        shares = self.frame["share"]
        sizes = f"the largest stands for {shares.max():.0%} of the records"
        few = shares.min() < FEW_RECORDS_SHARE
        small = f", the smallest for only {shares.min():.1%}" if few else ""
        return f"{self._made}; {sizes}{small}.{self._chosen}"

    @property
    def _made(self) -> str:
        n = f"{len(self)} persona{'s' * (len(self) > 1)}"
        if (self.frame["source"] == RECORDS).all():
            return f"{n}, which quote real records"
        n_keywords = len(self) - int(self.frame["source"].str.startswith(MODEL).sum())
        if not n_keywords:
            return f"{n} in the model's words"
        return f"{n}, {n_keywords} of them only from keywords"

    @property
    def _chosen(self) -> str:
        if self.ladder is None:
            return ""
        chosen = int(self.ladder.loc[self.ladder["chosen"], "k"].iloc[0])
        best = int(self.ladder["k"].iloc[int(self.ladder["log_lik"].argmax())])
        if chosen == best:
            return f" {chosen} personas predict held-out records best."
        return f" {chosen} and {best} personas are a tie on held-out records; the fewer are kept."

    def __repr__(self) -> str:
        if (self.frame["source"] == RECORDS).all():
            return f"Synthesis({len(self)} personas, which quote real records)"
        n_model = int(self.frame["source"].str.startswith(MODEL).sum())
        quoted = "; all quote real records" if self.quotes_records else ""
        return (
            f"Synthesis({len(self)} personas: {n_model} in the model's words, "
            f"{len(self) - n_model} from keywords{quoted})"
        )


@takes_options(SynthesisOptions)
def synthesize_personas(
    population: Population,
    k: int | str,
    backend: Backend,
    encoder: Encoder,
    *,
    on_step: OnStep | None = None,
    **options: Any,  # noqa: ANN401  those of SynthesisOptions
) -> Synthesis:
    """Make `k` personas from records: cluster the responses, then describe or quote each cluster.

    A prompt shows keywords of a cluster and some of the records nearest its centre, and asks who
    writes such texts. The model answers several times. An answer is valid if it is in the second
    person, short, without repetition, and copies neither a record nor 6 consecutive words of one.
    The valid answer nearest the cluster's centre becomes the persona; answers that are nearer to
    another cluster come last. Without a valid answer, the persona consists of keywords, and
    `source` says so.

    With form="voices" a persona is no description but quotes the records nearest the centre: "You
    write like this: ..."; the model is not called. With form="both" it is a description followed by
    the quotation. Quoted records are real texts of people.

    After Bui et al., Mixture-of-Personas Language Models for Population Simulation, Findings of
    ACL 2025.

    Parameters
    ----------
    population : Population
        The records; their weights count.
    k : int or "auto"
        Number of personas; "auto" chooses it from `ladder`, see `choose_k`.
    backend : Backend
        The language model; for "auto" it must be able to score.
    encoder : Encoder
        Text to unit vectors.
    on_step : callable, optional
        Called with (step, total) before long work; returns a callback for each result.
    **options

    Returns
    -------
    Synthesis

    Raises
    ------
    DataError
        If there are fewer distinct responses than personas, or an option is invalid.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> texts = ["sun", "sun sunny", "sunny sun", "rain", "rain rainy"]
    >>> df = pd.DataFrame({"topic": "weather", "text": texts})
    >>> population = Population.from_frame(df, context="topic", response="text")
    >>> words = ["sun", "rain"]
    >>> made = synthesize_personas(population, 2, ToyBackend(words), ToyEncoder(words))
    >>> made.frame[["name", "share", "source"]].round(2).values.tolist()
    [['sun', 0.6, 'keywords'], ['rain', 0.4, 'keywords']]
    """
    chosen = SynthesisOptions.of(options)
    synthesizer = _Synthesizer(backend, encoder, chosen, on_step)
    if k != "auto":
        return synthesizer.synthesize(population, k)  # type: ignore[arg-type]  # checked there
    ladder = choose_k(
        population,
        lambda records, n: synthesizer.synthesize(records, n).personas,
        backend,
        encoder,
        options=chosen,
        on_step=on_step,
    )
    best = int(ladder.loc[ladder["chosen"], "k"].iloc[0])
    return replace(synthesizer.synthesize(population, best), ladder=ladder)


@dataclass(frozen=True)
class _Synthesizer:
    """Makes a given number of personas from records with fixed options."""

    backend: Backend
    encoder: Encoder
    options: SynthesisOptions
    on_step: OnStep | None

    def synthesize(self, population: Population, k: int) -> Synthesis:
        """Cluster the records and let the model write the persona of each cluster."""
        clusters = cluster_records(
            population,
            k,
            self.encoder,
            n_records=self.options.n_records,
            random_state=self.options.random_state,
            on_step=self.on_step,
        )
        words = keywords(clusters)
        frame = _frame(clusters, words, self._written(clusters, words))
        return Synthesis(frame, _nearest(clusters, list(frame["name"])))

    def _written(self, clusters: Clusters, words: list[list[str]]) -> list[WrittenPersona]:
        """Return the persona of each cluster in the form that the options ask for."""
        if self.options.form == VOICES:
            return write_voices(clusters)
        written = write_personas(
            clusters,
            words,
            self.backend,
            self.encoder,
            n_shown=self.options.n_shown,
            n_draws=self.options.n_draws,
            random_state=self.options.random_state,
            on_step=self.on_step,
        )
        return joined(written, write_voices(clusters)) if self.options.form == BOTH else written


def _frame(
    clusters: Clusters, words: list[list[str]], written: Sequence[WrittenPersona]
) -> pd.DataFrame:
    responses = clusters.records.responses
    return pd.DataFrame(
        {
            "name": persona_names(words),
            "description": [persona.text for persona in written],
            "share": clusters.shares,
            "source": [persona.source for persona in written],
            "keywords": words,
            "longest_copy": [_longest_copy(persona.text, responses) for persona in written],
            "draws": [persona.n_draws for persona in written],
        }
    )


def _longest_copy(text: str, responses: Sequence[str]) -> int:
    """Return the length in words of the longest run that a persona shares with a record."""
    quoted = quoted_texts(text)
    return max(map(n_words, quoted)) if quoted else longest_run(text, responses)


def _nearest(clusters: Clusters, names: Sequence[str]) -> pd.DataFrame:
    rows = [(k, i) for k in range(len(clusters)) for i in clusters.nearest(k, N_NEAREST)]
    return pd.DataFrame(
        {
            "persona": [names[k] for k, _ in rows],
            "context": [clusters.records.contexts[i] for _, i in rows],
            "response": [clusters.records.responses[i] for _, i in rows],
            "cosine": [float(clusters.vectors[i] @ clusters.centres[k]) for k, i in rows],
        }
    )
