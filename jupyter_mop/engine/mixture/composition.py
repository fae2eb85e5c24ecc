"""Composition: learned persona weights beside the true shares of groups that were hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.data.dataframes import column_texts
from jupyter_mop.engine.gate.likeliest_weights import likeliest_weights
from jupyter_mop.engine.metrics.half_sampling import IDENTITY, centred_interval
from jupyter_mop.engine.metrics.prediction_powered import share_interval
from jupyter_mop.engine.metrics.vectors import effective_sample_size
from jupyter_mop.errors import DataError, NotFittedError
from jupyter_mop.rendering import Viewed

if TYPE_CHECKING:
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

Array = NDArray[np.float64]
LEVEL = 0.95
MAX_GROUPS = 50
MIN_RESAMPLES = 20
_TOLERANCE, _TINY = 1e-6, 1e-12


@dataclass(frozen=True)
class Composition(Viewed):
    """Learned persona weights beside the true shares of a hidden column's groups.

    Attributes
    ----------
    by : str
        Name of the hidden column.
    frame : pandas.DataFrame
        One row per group and its persona: group, persona, true, and weight with its 95 % interval,
        low and high. A group without a persona has weight 0, a persona without a group has a true
        share of 0.
    total_variation, low, high : float
        Total variation between true shares and learned weights, with a 95 % interval.
    uniform : float
        Total variation between true shares and uniform weights.
    confusion : pandas.DataFrame, shape (G, K)
        For the records of each group (row), the share whose likeliest persona is each persona.
    right, right_low, right_high : float
        Share of records whose likeliest persona is that of their group, with a 95 % interval.
    largest : float
        The same share if every record is assigned to the largest group.
    n : int
        Number of records with known likelihoods and a group.
    matched : str
        How groups and personas were matched, in words.
    notes : tuple of str
        Remarks on the data.
    """

    by: str
    frame: pd.DataFrame
    total_variation: float
    low: float
    high: float
    uniform: float
    confusion: pd.DataFrame
    right: float
    right_low: float
    right_high: float
    largest: float
    n: int
    matched: str
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The total variation and the share of records assigned correctly, in one sentence each."""
        return (
            f"Total variation between true shares and learned weights: {self.total_variation:.3f} "
            f"[{self.low:.3f}, {self.high:.3f}] (uniform weights: {self.uniform:.3f}). "
            f"The likeliest persona is that of the record's group in {self.right:.0%} "
            f"[{self.right_low:.0%}, {self.right_high:.0%}] of {self.n:,} records "
            f"(always the largest group: {self.largest:.0%})."
        )

    def __repr__(self) -> str:
        table = self.frame.round(3).to_string(index=False)
        return "\n".join([table, self.summary, self.matched, *self.notes])


def composition(
    mixture: MixtureOfPersonas,
    by: object,
    *,
    match: Mapping[str, str] | None = None,
    n_resamples: int = 200,
    random_state: int = 0,
) -> Composition:
    """Compare learned persona weights with the true shares of groups; no model is called.

    Parameters
    ----------
    mixture : MixtureOfPersonas
        A mixture that was fitted in this session.
    by : str or Series
        The hidden column; see `Population.aligned`. Records without a value are left out.
    match : mapping of str to str, optional
        The persona of each group. Without it, equal names are matched, and the remaining groups
        so that most records have their group's persona as the likeliest.
    n_resamples : int
        Number of bootstrap resamples, at least 20.
    random_state : int
        Seed of the bootstrap.

    Raises
    ------
    NotFittedError
        Before a fit, and for a loaded mixture, since likelihoods are not saved.
    DataError
        If the column has another length, one group only or a group for almost every record, or if
        `match` names an unknown group or persona.

    Notes
    -----
    True shares are those of all records with a group, by survey weight. The rest is computed from
    the likelihoods of the fit. The weights were fitted to these records without their groups.
    Intervals of weights are those of the fit's repetitions on resampled records. A fit that kept
    its start has none; then they are of the shares that are most likely given its likelihoods, for
    each resample by EM (Saerens, Latinne and Decaestecker 2002, Neural Computation 14), and a
    weight outside of its interval was held back. Intervals cover the true share where the language
    model describes the personas well.
    """
    if n_resamples < MIN_RESAMPLES:
        raise DataError(
            f"`n_resamples` must be at least {MIN_RESAMPLES}, got {n_resamples}.",
            hint="Use n_resamples=200.",
        )
    if not hasattr(mixture, "refits_"):
        raise NotFittedError(
            "A composition requires the likelihoods of a fit, which this mixture does not have.",
            hint="Run %mop_fit in this notebook; cached scores need no model call.",
        )
    by_name, texts = hidden_groups(mixture, by)
    records = scored_records(mixture, texts)
    truth = _true_shares(mixture, texts)
    confusion = records.confusion(list(truth.index), mixture.names)
    persona_of, matched = match_groups(confusion, match)
    weights, refitted = mixture.persona_weights(), getattr(mixture, "refitted_", None)
    if refitted is None:
        draws = records.resampled_weights(n_resamples, random_state)
        ends = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0).T
    else:
        draws, ends = refitted.all_weights, refitted.weight_intervals.to_numpy()
    learned = pd.DataFrame(np.c_[weights, ends], mixture.names, ["weight", "low", "high"])
    frame = _table(truth, persona_of, learned)
    variation, low, high = _variation(frame, mixture.names, draws)
    right, right_low, right_high = records.right(persona_of, mixture.names)
    return Composition(
        by=by_name,
        frame=frame,
        total_variation=variation,
        low=low,
        high=high,
        uniform=_distance(frame["true"], frame["persona"].notna() / len(weights)),
        confusion=confusion.div(confusion.sum(axis=1), axis=0).fillna(0.0),
        right=right,
        right_low=right_low,
        right_high=right_high,
        largest=float(np.average(records.group == truth.index[0], weights=records.weight)),
        n=len(records.group),
        matched=matched,
        notes=_notes(mixture, texts, records, frame),
    )


def hidden_groups(mixture: MixtureOfPersonas, by: object) -> tuple[str, pd.Series]:
    """Return the hidden column's name and the group of each record as text, missing ones NaN.

    Raises
    ------
    DataError
        If the column has another length, one group only or too many groups.
    """
    population = mixture.population_
    values = population.aligned(by)
    name = by if isinstance(by, str) else str(getattr(by, "name", None) or "group")
    is_known = values.notna() & (values.astype(str).str.strip() != "")
    texts = pd.Series(column_texts(values), dtype=object).where(is_known)
    n_groups, n_known = texts.nunique(), int(is_known.sum())
    if n_groups < 2:  # noqa: PLR2004
        found = f"only the group {texts[is_known].iloc[0]!r}" if n_groups else "no value"
        raise DataError(
            f"The column {name!r} has {found} in {len(texts):,} records, so there are no shares "
            "to compare.",
            hint="Use a column with two or more groups.",
        )
    if n_groups > min(MAX_GROUPS, n_known / 2):
        raise DataError(
            f"The column {name!r} has {n_groups:,} different values in {n_known:,} records, which "
            "looks like free text or numbers.",
            hint=f"Use a column of at most {MAX_GROUPS} groups that repeat; cut numbers into "
            "ranges with pd.cut.",
        )
    return name, texts


def match_groups(
    confusion: pd.DataFrame, match: Mapping[str, str] | None = None
) -> tuple[dict[str, str], str]:
    """Match each group with at most one persona, and say in words how.

    Parameters
    ----------
    confusion : pandas.DataFrame, shape (G, K)
        Weight of the records of each group (row) whose likeliest persona is each persona (column).
    match : mapping of str to str, optional
        The persona of each group; groups not named have none.

    Returns
    -------
    dict of str to str
        The persona of each group that has one.
    str
        How they were matched.

    Raises
    ------
    DataError
        If `match` names an unknown group or persona, or one persona twice.

    Examples
    --------
    >>> votes = pd.DataFrame([[9, 1], [2, 8]], index=["Pain", "acne"], columns=["back", "Acne"])
    >>> match_groups(votes)[0]
    {'acne': 'Acne', 'Pain': 'back'}
    """
    groups, personas = [str(g) for g in confusion.index], [str(p) for p in confusion.columns]
    if match is not None:
        return _checked_match(groups, personas, match), "Groups and personas as given by `match`."
    folded = {persona.strip().casefold(): persona for persona in personas}
    named = {g: folded[g.strip().casefold()] for g in groups if g.strip().casefold() in folded}
    named = {g: p for g, p in named.items() if list(named.values()).count(p) == 1}
    free_groups = [g for g in groups if g not in named]
    free_personas = [p for p in personas if p not in named.values()]
    if not free_groups or not free_personas:
        return named, "Groups and personas of the same name."
    agreed = _largest_agreement(confusion.loc[free_groups, free_personas])
    pairs = ", ".join(f"{group} = {persona}" for group, persona in agreed.items())
    return named | agreed, (
        f"Matched by agreement, so that most records have their group's persona: {pairs}. "
        "The share assigned correctly is optimistic then; give `match` to state the pairs."
    )


def _checked_match(
    groups: list[str], personas: list[str], match: Mapping[str, str]
) -> dict[str, str]:
    pairs = {str(group): str(persona) for group, persona in match.items()}
    sides = (("group", pairs.keys(), groups), ("persona", pairs.values(), personas))
    for kind, given, known in sides:
        unknown = [name for name in given if name not in known]
        if unknown:
            raise DataError(
                f"`match` names the {kind} {unknown[0]!r}, which does not exist.",
                hint=f"The {kind}s are {', '.join(known)}.",
            )
    twice = [name for name in personas if list(pairs.values()).count(name) > 1]
    if twice:
        raise DataError(
            f"`match` gives the persona {twice[0]!r} to two groups.",
            hint="Give each group its own persona, or join the groups in the column.",
        )
    return pairs


def _largest_agreement(confusion: pd.DataFrame) -> dict[str, str]:
    """Return the one-to-one assignment with the largest sum of row shares."""
    from scipy.optimize import linear_sum_assignment

    shares = confusion.div(confusion.sum(axis=1).replace(0, 1), axis=0)
    rows, columns = linear_sum_assignment(-shares.to_numpy())
    pairs = zip(rows, columns, strict=True)
    return {str(confusion.index[g]): str(confusion.columns[k]) for g, k in pairs}


@dataclass(frozen=True)
class GroupedRecords:
    """The records of a fit that have a group.

    Attributes
    ----------
    group : numpy.ndarray of object, shape (n,)
        Name of the group.
    posterior : ndarray, shape (n, K)
        Posterior probability of each persona.
    prior : ndarray, shape (K,)
        Mean persona weight over the records.
    weight : ndarray, shape (n,)
        Survey weights.
    """

    group: NDArray[np.object_]
    posterior: Array
    prior: Array
    weight: Array

    def confusion(self, groups: list[str], names: Sequence[str]) -> pd.DataFrame:
        """Return the weight of the records by group (row) and likeliest persona (column)."""
        rows, columns = pd.Categorical(self.group, groups).codes, self.posterior.argmax(axis=1)
        cells = np.zeros((len(groups), len(names)))
        np.add.at(cells, (rows, columns), self.weight)
        return pd.DataFrame(cells, index=groups, columns=list(names))

    def right(
        self, persona_of: Mapping[str, str], names: Sequence[str]
    ) -> tuple[float, float, float]:
        """Return the share of records whose likeliest persona is their group's, low and high."""
        likeliest = np.array(names, dtype=object)[self.posterior.argmax(axis=1)]
        own = np.array([persona_of.get(group) for group in self.group], dtype=object)
        share = float(np.average(own == likeliest, weights=self.weight))
        return share, *share_interval(share, effective_sample_size(self.weight), level=LEVEL)

    def resampled_weights(self, n: int, random_state: int) -> Array:
        """Return the most likely persona weights of `n` resamples of the records, shape (n, K)."""
        rng = np.random.default_rng([7, random_state])
        size = len(self.weight)
        counts = rng.multinomial(size, np.full(size, 1 / size), size=n) * self.weight
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), _TINY)
        prior = np.maximum(self.prior, _TINY)
        return likeliest_weights(self.posterior / prior, shares, start=prior)


def scored_records(mixture: MixtureOfPersonas, texts: pd.Series) -> GroupedRecords:
    """Return the records of the fit with a group and a weight, from the likelihoods of the fit.

    Raises
    ------
    DataError
        If no record of the fit has a group.
    """
    rows, refits = mixture.rows_, mixture.refits_
    group, weight = texts.to_numpy(dtype=object)[rows], np.asarray(refits.weight)
    used = np.flatnonzero(~pd.isna(group) & (weight > 0))
    if not len(used):
        raise DataError(
            f"None of the {len(rows):,} records of the fit has a value in the hidden column.",
            hint="Fit to more records (--records), or use a column with fewer missing values.",
        )
    prior = np.exp(mixture.gate_.persona_log_weights(refits.contexts[used]))
    return GroupedRecords(
        group[used],
        refits.responsibilities(mixture.gate_)[used],
        np.average(prior, axis=0, weights=weight[used]),
        weight[used] / weight[used].mean(),
    )


def _true_shares(mixture: MixtureOfPersonas, texts: pd.Series) -> pd.Series:
    """Return the share of each group among the population's records, the largest first."""
    sums = pd.Series(mixture.population_.weights).groupby(texts, sort=True).sum()
    return (sums / sums.sum()).sort_values(ascending=False, kind="stable")


def _table(truth: pd.Series, persona_of: Mapping[str, str], learned: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group and its persona, then the personas without a group."""
    groups, names = map(str, truth.index), list(map(str, learned.index))
    rows: list[tuple[str | None, str | None, float]]
    rows = [(group, persona_of.get(group), float(truth[group])) for group in groups]
    rows += [(None, name, 0.0) for name in names if name not in persona_of.values()]
    known = dict(zip(names, learned.to_numpy(), strict=True))
    values = [known[name] if name else np.zeros(learned.shape[1]) for _, name, _ in rows]
    frame = pd.DataFrame(rows, columns=["group", "persona", "true"]).astype({"true": float})
    frame[list(learned.columns)] = np.array(values)
    return frame


def _variation(
    frame: pd.DataFrame, names: Sequence[str], draws: Array
) -> tuple[float, float, float]:
    """Return the total variation between true shares and weights, low and high."""
    by_name = pd.DataFrame(draws, columns=list(names))
    learned = by_name.reindex(columns=frame["persona"], fill_value=0.0).to_numpy()
    shifted = learned - learned.mean(axis=0) + frame["weight"].to_numpy()
    values = 0.5 * np.abs(shifted - frame["true"].to_numpy()).sum(axis=1)
    value = _distance(frame["true"], frame["weight"])
    low, high = centred_interval(value, [values.tolist()], level=LEVEL, scale=IDENTITY)
    return value, max(low, 0.0), min(high, 1.0)


def _distance(first: pd.Series, second: pd.Series) -> float:
    return float(0.5 * np.abs(first - second).sum())


def _notes(
    mixture: MixtureOfPersonas, texts: pd.Series, records: GroupedRecords, frame: pd.DataFrame
) -> tuple[str, ...]:
    """Return remarks on missing values, contexts, and groups or personas that stand alone."""
    likeliest = set(records.posterior.argmax(axis=1))
    idle = [name for k, name in enumerate(mixture.names) if k not in likeliest]
    alone = list(frame.loc[frame["persona"].isna(), "group"])
    spare = list(frame.loc[frame["group"].isna(), "persona"])
    n_missing, n = int(texts.isna().sum()), len(texts)
    n_contexts = len(set(mixture.population_.context_keys))
    notes = {
        f"{n_missing:,} of {n:,} records have no group and are left out.": n_missing,
        f"All {n:,} contexts are different (free text): these shares are overall, not by "
        "context.": n_contexts == n,
        f"No record supports {_listed('persona', idle)}: none has it as its likeliest.": idle,
        f"No persona stands for {_listed('group', alone)}: its weight counts as 0.": alone,
        f"No group belongs to {_listed('persona', spare)}: its true share counts as 0.": spare,
        "The learned weights are equal: the fit found none that are clearly better. The intervals "
        "show the shares that the likelihoods support.": np.ptp(mixture.persona_weights())
        < _TOLERANCE,
    }
    return tuple(note for note, holds in notes.items() if holds)


def _listed(kind: str, names: Sequence[str]) -> str:
    plural = "s" if len(names) > 1 else ""
    return f"the {kind}{plural} {', '.join(map(repr, names))}"
