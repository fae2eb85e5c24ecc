"""Personas from data: records in groups, each group summarised by the language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from jupyter_mop.backends.protocols import Backend, Encoder, OnStep
from jupyter_mop.engine.data.clustering import MOST_RECORDS, Clusters, cluster_records, keywords
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.synthesis.choosing_k import LADDER, N_JUDGED, choose_k
from jupyter_mop.engine.synthesis.persona_prompt import longest_run
from jupyter_mop.engine.synthesis.persona_writing import (
    MODEL,
    N_DRAWS,
    N_NEAREST,
    N_SHOWN,
    Written,
    persona_names,
    write_personas,
)
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed


@dataclass(frozen=True)
class Synthesis(Viewed):
    """Personas made from records, and where each came from; see `synthesize_personas`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per persona, that of the largest group first: name, description, share (of the
        records), source ("model" or "keywords"), keywords (list), longest_copy (words of the
        longest run that the description shares with a record) and draws (of the model that were
        looked at).
    nearest : pandas.DataFrame
        The real records nearest each group's middle: persona, context, response and cosine.
    ladder : pandas.DataFrame or None
        Where k was chosen: see `choose_k`.

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
        """The personas, their weights left open."""
        pairs = zip(self.frame["name"], self.frame["description"], strict=True)
        return [Persona(name, description) for name, description in pairs]

    @property
    def weighted(self) -> list[Persona]:
        """The personas, each with the share of its group as its weight."""
        rows = zip(self.personas, self.frame["share"], strict=True)
        return [Persona(p.name, p.description, float(share)) for p, share in rows]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        n_model = int((self.frame["source"] == MODEL).sum())
        return (
            f"Synthesis({len(self)} personas: {n_model} in the model's words, "
            f"{len(self) - n_model} from keywords)"
        )


def synthesize_personas(
    population: Population,
    k: int | str,
    backend: Backend,
    encoder: Encoder,
    *,
    n_records: int = MOST_RECORDS,
    n_shown: int = N_SHOWN,
    n_draws: int = N_DRAWS,
    ladder: Sequence[int] = LADDER,
    n_judged: int = N_JUDGED,
    template: str | None = None,
    random_state: int = 0,
    on_step: OnStep | None = None,
) -> Synthesis:
    """Make `k` personas from what people said: cluster the records, let the model sum them up.

    For each group the model is shown keywords and some of the records nearest its middle, and
    asked several times who writes like that. Of the answers that will do (second person, short,
    not going in circles, no run of 6 words or whole record copied) the one nearest the group's
    middle is taken, first among those that are nearer to it than to any other group. Where none
    will do, keywords of the group stand in, and `source` says so.

    After Bui et al., Mixture-of-Personas Language Models for Population Simulation, Findings of
    ACL 2025.

    Parameters
    ----------
    population : Population
        The records; weights count.
    k : int or "auto"
        Number of personas; "auto" tries `ladder` and takes the smallest that is as good as the
        best, see `choose_k`.
    backend : Backend
        The language model that writes; for "auto" it must score, too.
    encoder : Encoder
        Text to unit vectors.
    n_records : int
        Most different responses to cluster.
    n_shown : int
        Records in one prompt; a large model can use more.
    n_draws : int
        Answers for each group in a round; where none will do, there is a second round.
    ladder : sequence of int
        Numbers that "auto" tries.
    n_judged : int
        Most held-out records by which "auto" judges.
    template : str, optional
        The question by which "auto" judges; default: the context itself.
    random_state : int
        Seed of every choice.
    on_step : callable, optional
        Called with (what, total) before long work; returns what is called at each tick.

    Raises
    ------
    DataError
        If there are fewer different responses than personas, or a setting is impossible.

    Examples
    --------
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> said = ["sun", "sun sunny", "sunny sun", "rain", "rain rainy"]
    >>> df = pd.DataFrame({"topic": "weather", "said": said})
    >>> population = Population.from_frame(df, context="topic", response="said")
    >>> words = ["sun", "rain"]
    >>> made = synthesize_personas(population, 2, ToyBackend(words), ToyEncoder(words))
    >>> made.frame[["name", "share", "source"]].round(2).values.tolist()
    [['sun', 0.6, 'keywords'], ['rain', 0.4, 'keywords']]
    """
    if n_shown < 1 or n_draws < 1 or n_records < 1:
        raise DataError(
            "The settings n_records, n_shown and n_draws must be 1 or more.",
            hint="Leave them out for the defaults.",
        )
    writer = _Writer(backend, encoder, n_records, n_shown, n_draws, random_state, on_step)
    if k != "auto":
        return writer.write(population, k)  # type: ignore[arg-type]  # checked there
    steps = choose_k(
        population,
        lambda records, n: writer.write(records, n).personas,
        backend,
        encoder,
        ladder=ladder,
        n_judged=n_judged,
        template=template,
        random_state=random_state,
        on_step=on_step,
    )
    chosen = int(steps.loc[steps["chosen"], "k"].iloc[0])
    return replace(writer.write(population, chosen), ladder=steps)


@dataclass(frozen=True)
class _Writer:
    """Makes a given number of personas, each time in the same way."""

    backend: Backend
    encoder: Encoder
    n_records: int
    n_shown: int
    n_draws: int
    random_state: int
    on_step: OnStep | None

    def write(self, population: Population, k: int) -> Synthesis:
        """Cluster the records and let the model describe each group."""
        clusters = cluster_records(
            population,
            k,
            self.encoder,
            n_records=self.n_records,
            random_state=self.random_state,
            on_step=self.on_step,
        )
        words = keywords(clusters)
        written = write_personas(
            clusters,
            words,
            self.backend,
            self.encoder,
            n_shown=self.n_shown,
            n_draws=self.n_draws,
            random_state=self.random_state,
            on_step=self.on_step,
        )
        frame = _frame(clusters, words, written)
        return Synthesis(frame, _nearest(clusters, list(frame["name"])))


def _frame(clusters: Clusters, words: list[list[str]], written: Sequence[Written]) -> pd.DataFrame:
    said = clusters.records.responses
    return pd.DataFrame(
        {
            "name": persona_names(words),
            "description": [w.text for w in written],
            "share": clusters.shares,
            "source": [w.source for w in written],
            "keywords": words,
            "longest_copy": [longest_run(w.text, said) for w in written],
            "draws": [w.n_draws for w in written],
        }
    )


def _nearest(clusters: Clusters, names: Sequence[str]) -> pd.DataFrame:
    rows = [(g, i) for g in range(len(clusters)) for i in clusters.nearest(g, N_NEAREST)]
    return pd.DataFrame(
        {
            "persona": [names[g] for g, _ in rows],
            "context": [clusters.records.contexts[i] for _, i in rows],
            "response": [clusters.records.responses[i] for _, i in rows],
            "cosine": [float(clusters.vectors[i] @ clusters.centres[g]) for g, i in rows],
        }
    )
