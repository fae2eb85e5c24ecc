"""A simulation: responses in draw order, each with its persona, exemplar and weight."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.persona_weights import describe_shares, named_shares
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate, system_message
from jupyter_mop.engine.simulation import export, importance_weights
from jupyter_mop.engine.simulation.context_groups import (
    MIN_DRAWS_PER_CELL,
    GroupedDraws,
    group_draws,
)
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Viewed

if TYPE_CHECKING:
    from datasets import Dataset

CONTEXT = "context"
PERSONA = "persona"
EXEMPLAR = "exemplar"
RESPONSE = "response"
LOG_PROB = "log_prob"
WEIGHT = "weight"
SEED = "seed"
DRAW = "draw"
FIRST_RESPONSE, FIRST_SEED = "first_response", "first_seed"  # of the first of several candidates
N_CANDIDATES, FIRST_OF = "n_candidates", "first_of"  # of the provenance
SELECTION = (N_CANDIDATES, "effective_candidates", "selection_effect")
EXEMPLARS_IN_PROMPT, INSTRUCTIONS = "shown", "wishes"  # keys of the provenance
PERSONAS_IN_PROMPT, N_MIXED = "personas_shown", "mix"  # of the provenance, for a mix of personas
CONTEXT_TEXTS = "context_texts"  # of the provenance: plain texts of contexts that are quoted
PERSONA_WEIGHTS, OPTION_TABLES = "persona_weights", "option_tables"  # by context
CONTEXT_SHARES = "context_shares"
COLUMN = "column"  # of the population, with the real answers to a question of several
COLUMNS = (CONTEXT, PERSONA, EXEMPLAR, RESPONSE, LOG_PROB, WEIGHT, SEED, DRAW)


@dataclass(frozen=True)
class Simulation(Viewed):
    """Simulated responses and their provenance.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per response in draw order: context (see `Population.context_labels`), persona
        (name; missing for a baseline without personas), exemplar (index into `exemplars`; missing
        for a baseline without), response, log_prob (log-probability, in nats, of drawing this
        persona and exemplar), weight (importance weight, 1 as drawn), seed and draw number. Where
        one of several candidates was selected also first_response and first_seed: the candidate
        that a draw without selection has.
    exemplars : sequence of Exemplar
        The pool that the exemplar column indexes.
    provenance : mapping
        Name, personas, model, template, weights and sampling parameters; `persona_weights` by
        context where they depend on it. For baselines also
        `shown`, the exemplars in the prompt of each draw, and `wishes`, the instructions below its
        question. For a mix of several personas in each prompt `mix`, their number, `shown` and
        `personas_shown`; such draws have no single persona and exemplar.
    """

    frame: pd.DataFrame
    exemplars: Sequence[Exemplar] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def name(self) -> str:
        """The name of the simulation."""
        return str(self.provenance.get("name", "simulation"))

    @property
    def responses(self) -> list[str]:
        """The simulated texts, length n."""
        return [str(text) for text in self.frame[RESPONSE]]

    @property
    def context_texts(self) -> list[str]:
        """The context of each response as an encoder reads it, length n."""
        texts = self.provenance.get(CONTEXT_TEXTS, {})
        return [texts.get(context, context) for context in self.frame[CONTEXT]]

    @property
    def personas(self) -> list[str]:
        """Persona names in the study's order, followed by any others that were drawn."""
        drawn = sorted(str(name) for name in self.frame[PERSONA].dropna().unique())
        return list(dict.fromkeys([*self.provenance.get("personas", ()), *drawn]))

    @property
    def names(self) -> list[str]:
        """The simulation's K persona names; those that were drawn where only they are known."""
        known = self.provenance.get("personas")
        return list(known if known is not None else self.frame[PERSONA].dropna().unique())

    @property
    def descriptions(self) -> dict[str, str]:
        """The description of each persona by name, as far as the provenance has it."""
        known = self.provenance.get("personas")
        pairs = known.items() if isinstance(known, Mapping) else ()
        return {str(name): str(text) for name, text in pairs}

    def turns(self, draw: int) -> list[tuple[str, str]]:
        """Return the prompt of a draw as pairs of role and text."""
        facts, row, known = self.provenance, self.frame.iloc[draw], self.descriptions
        described = [known[name] for name in self.personas_in_prompt(draw) if name in known]
        turns = [("system", system_message(described))] if described else []
        for question, response in self.exemplars_in_prompt(draw):
            turns += [("user", question), ("assistant", response)]
        instructions = facts[INSTRUCTIONS][draw] if INSTRUCTIONS in facts else ""
        question = "\n".join(filter(None, (self._question(row[CONTEXT]), instructions)))
        return [*turns, ("user", question)]

    def personas_in_prompt(self, draw: int) -> list[str]:
        """Return the name of each persona in the prompt of a draw, in order."""
        if PERSONAS_IN_PROMPT in self.provenance:
            return list(self.provenance[PERSONAS_IN_PROMPT][draw])
        persona = self.frame[PERSONA].iloc[draw]
        return [] if pd.isna(persona) else [str(persona)]

    def exemplars_in_prompt(self, draw: int) -> list[tuple[str, str]]:
        """Return question and response of each exemplar in the prompt of a draw, in order."""
        return [self._exemplar(index) for index in self.exemplar_indices(draw)]

    def exemplar_indices(self, draw: int) -> list[int]:
        """Return the index of each exemplar in the prompt of a draw, in order.

        An index past the end of the pool stands for a response of this simulation.
        """
        if EXEMPLARS_IN_PROMPT in self.provenance:
            return [int(index) for index in self.provenance[EXEMPLARS_IN_PROMPT][draw]]
        exemplar = self.frame[EXEMPLAR].iloc[draw]
        return [] if pd.isna(exemplar) else [int(exemplar)]

    def _exemplar(self, index: int) -> tuple[str, str]:
        """Return an exemplar of the pool, or past its end a response of this simulation."""
        if index < len(self.exemplars):
            exemplar = self.exemplars[index]
            template = PromptTemplate(str(self.provenance["template"]))
            return template.question(exemplar.record), exemplar.response
        row = self.frame.iloc[index - len(self.exemplars)]
        return self._question(row[CONTEXT]), str(row[RESPONSE])

    def _question(self, context: str) -> str:
        return str(self.provenance.get("questions", {}).get(context, context))

    @property
    def weights(self) -> NDArray[np.float64]:
        """The importance weight of each response, shape (n,), mean 1."""
        return np.asarray(self.frame[WEIGHT], dtype=np.float64)

    def require_single_personas(self) -> None:
        """Raise a DataError if prompts have several personas, so that no response has one."""
        if PERSONAS_IN_PROMPT in self.provenance:
            raise DataError(
                f"The simulation {self.name!r} mixes {self.provenance[N_MIXED]} personas in each "
                "prompt, so no response belongs to one persona.",
                hint="Simulate without --mix to reweight, match or calibrate, or to open the "
                "panel; or simulate again with --mix and other --weights.",
            )

    def codes(self, names: Sequence[str] | None = None) -> NDArray[np.intp]:
        """Return the persona of each response as a position in `names`, shape (n,).

        Raises
        ------
        DataError
            If a response has no persona, several, or one that is not in `names`.
        """
        self.require_single_personas()
        index = {name: k for k, name in enumerate(self.names if names is None else names)}
        unknown = [name for name in self.frame[PERSONA].unique() if name not in index]
        if unknown or not index:
            raise DataError(
                f"The simulation {self.name!r} has responses with no persona or an unknown one.",
                hint="Use a simulation of the mixture, with the personas it was made with.",
            )
        return np.array([index[name] for name in self.frame[PERSONA]], dtype=np.intp)

    @property
    def selection_note(self) -> str:
        """How far the selection among candidates limits other persona weights; "" without one."""
        n, effect = self.provenance.get(N_CANDIDATES, 1), self.provenance.get("selection_effect")
        if n == 1:
            return ""
        size = "" if effect is None else f", which moved a share of responses by up to {effect}"
        return (
            f"Each response was selected from {n} candidates under the weights of {self.name!r}"
            f"{size}. Under other weights the metrics are approximate."
        )

    def first_candidates(self) -> Simulation:
        """Return the simulation with the first candidate of each draw instead of the selected one.

        These are the responses that a simulation with one candidate has, with no model call.
        Importance weights are exact for them, and not for selected candidates.

        Warns
        -----
        UserWarning
            If the first candidates are not known; the simulation is returned as it is.
        """
        if not self.selection_note:
            return self
        if FIRST_RESPONSE not in self.frame:
            advice = "Simulate with one candidate (--candidates 1) for exact weights."
            warnings.warn(f"{self.selection_note} {advice}", UserWarning, stacklevel=3)
            return self
        first = {RESPONSE: self.frame[FIRST_RESPONSE], SEED: self.frame[FIRST_SEED]}
        facts = {key: value for key, value in self.provenance.items() if key not in SELECTION}
        return replace(
            self,
            frame=self.frame.assign(**first).drop(columns=[FIRST_RESPONSE, FIRST_SEED]),
            provenance={**facts, FIRST_OF: self.provenance[N_CANDIDATES]},
        )

    def with_facts(self, **facts: object) -> Simulation:
        """Return this simulation with these entries added to its provenance."""
        return replace(self, provenance={**self.provenance, **facts})

    def grouped_draws(self) -> GroupedDraws:
        """Return the groups of contexts with alike persona weights, and the group of each draw.

        The persona weights by context come from the provenance of the mixture's draws. Without
        them, the draws of each context are counted by weight where there are enough.
        """
        known, codes, n_personas = (
            self.provenance.get(PERSONA_WEIGHTS),
            self.codes(),
            len(self.names),
        )
        if CONTEXT not in self.frame:
            return group_draws(np.full((len(self), n_personas), 1 / n_personas))
        contexts = list(self.frame[CONTEXT])
        if known is not None:
            return group_draws(
                np.array([known[context] for context in contexts]), self._context_mass(contexts)
            )
        labels = pd.factorize(np.array(contexts, dtype=object))[0]
        counts = np.zeros((labels.max(initial=0) + 1, n_personas))
        np.add.at(counts, (labels, codes), self.weights)
        n_draws = np.bincount(labels[self.weights > 0], minlength=len(counts))
        if n_draws.min() < MIN_DRAWS_PER_CELL * n_personas:
            labels, counts = np.zeros_like(labels), counts.sum(0, keepdims=True)
        return group_draws((counts / counts.sum(1, keepdims=True))[labels], self.weights)

    def _context_mass(self, contexts: Sequence[str]) -> NDArray[np.float64]:
        """Return what each draw counts in its context, shape (n,): its weight.

        Where the shares of the contexts are known, these are divided among their draws.
        """
        shares = self.provenance.get(CONTEXT_SHARES)
        if shares is None:
            return self.weights
        counts = pd.Series(contexts).value_counts()
        return np.array([shares[context] / counts[context] for context in contexts])

    def reweight(
        self,
        weights: Mapping[str, float] | None = None,
        *,
        log_prob: NDArray[np.float64] | None = None,
    ) -> Simulation:
        """Return the same responses with importance weights for other persona weights.

        No model is called. The contexts keep their shares, as in a new simulation with these
        weights. `reliability` reports how far the result can be trusted. Where one of several
        candidates was selected, the result has the first of each draw (see `first_candidates`).

        Parameters
        ----------
        weights : mapping of str to float, optional
            Share of each persona by name; personas not named share the rest.
        log_prob : ndarray, shape (n,), optional
            Instead of `weights`: the log-probability of each draw under other weights, from
            `MixtureOfPersonas.draw_log_prob`. The largest weights are Pareto-smoothed.

        Raises
        ------
        DataError
            If a persona with a share has no draws, or draws in too few contexts to reach it, or not
            exactly one argument is given.

        Examples
        --------
        >>> rows = {"persona": ["critic", "fan"], "response": ["no", "yes"], "weight": 1.0}
        >>> simulation = Simulation(pd.DataFrame(rows))
        >>> simulation.reweight({"fan": 0.75}).weights.tolist()
        [0.5, 1.5]
        """
        if (weights is None) == (log_prob is None):
            raise DataError(
                "Pass either `weights` or `log_prob`.", hint='Use reweight({"critic": 0.4}).'
            )
        if weights is not None:
            personas = [Persona(name, name) for name in self.names]
            values = importance_weights.share_weights(
                self.codes(),
                named_shares(personas, weights),
                self.names,
                draws=self.grouped_draws(),
                weights=self.weights,
            )
            description = describe_shares(personas, weights)
        else:
            drawn = np.asarray(self.frame[LOG_PROB], dtype=np.float64)
            raw = importance_weights.importance_weights(np.asarray(log_prob), drawn)
            values, description = importance_weights.pareto_smoothed(raw)[0], "reweighted"
        first = self.first_candidates()
        return replace(first, frame=first.frame.assign(**{WEIGHT: values})).with_facts(
            weights=description
        )

    def reliability(self) -> importance_weights.Reliability:
        """Return whether the weighted responses can be trusted, and what to simulate if not."""
        return importance_weights.reliability(self.weights, self.codes(), self.names)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the rows, free to change."""
        return self.frame.copy()

    def to_csv(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as CSV, with a data card beside it; `from_csv` reads them back.

        An apostrophe is put before text that a spreadsheet would run as a formula.

        Parameters
        ----------
        path : str or path
            The file, replaced if it exists. The card is in `path`.card.md and .card.json: the
            personas, weights, model, seeds, prompt template and exemplars.
        figures : DataFrame, optional
            Metrics of the simulation for the card, such as the frame of an alignment.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        DataError
            For text that no file can hold, and where the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> simulation = Simulation(pd.DataFrame({"response": ["=1+1", "fine"]}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = simulation.to_csv(f"{folder}/simulation.csv")
        ...     print(path.read_text())
        ...     Simulation.from_csv(path).responses
        response
        '=1+1
        fine
        <BLANKLINE>
        ['=1+1', 'fine']
        """
        return export.write_csv(self, path, figures=figures)

    def to_parquet(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as Parquet, as `to_csv` does; requires the extra `export`."""
        return export.write_parquet(self, path, figures=figures)

    def to_jsonl(self, path: str | Path, *, figures: pd.DataFrame | None = None) -> Path:
        """Write the rows as JSON lines, as `to_csv` does."""
        return export.write_jsonl(self, path, figures=figures)

    def to_datasets(self) -> Dataset:
        """Return the rows as a Hugging Face dataset, with the data card as its description.

        Raises
        ------
        MissingPackageError
            Where the package `datasets` is not installed.
        """
        return export.make_dataset(self)

    @classmethod
    def from_csv(cls, path: str | Path) -> Self:
        """Read what `to_csv` wrote, with the card beside it.

        Raises
        ------
        DataError
            Where the file or its card is missing, or the file was changed since.
        """
        return cls(*export.read_csv(path))

    @classmethod
    def from_parquet(cls, path: str | Path) -> Self:
        """Read what `to_parquet` wrote, as `from_csv` does."""
        return cls(*export.read_parquet(path))

    @classmethod
    def from_jsonl(cls, path: str | Path) -> Self:
        """Read what `to_jsonl` wrote, as `from_csv` does."""
        return cls(*export.read_jsonl(path))

    def __repr__(self) -> str:
        weights = self.provenance.get("weights", "")
        first_of = self.provenance.get(FIRST_OF)
        first = f", the first of {first_of} candidates each" if first_of else ""
        return f"Simulation({self.name!r}, {len(self)} responses, weights: {weights}{first})"
