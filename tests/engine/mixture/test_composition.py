"""Learned weights beside true shares: personas that generated the records are found again."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.composition import Composition, match_groups, scored_records
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, NotFittedError

WORDS = ["sun", "rain", "snow", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nsnowy: You say snow."
KINDS, SHARES = np.array(["Sunny", "Rainy", "Snowy"]), [0.6, 0.3, 0.1]


def answers(n: int, seed: int, *, length: int = 4) -> pd.DataFrame:
    """Return `n` records that the three personas generate; the column `kind` is to be hidden."""
    rng = np.random.default_rng(seed)
    who = rng.choice(3, n, p=SHARES)
    odds = np.exp(2.0 * np.eye(3, len(WORDS)))
    odds /= odds.sum(axis=1, keepdims=True)
    texts = [" ".join(rng.choice(WORDS, length, p=odds[k])) for k in who]
    return pd.DataFrame(
        {"place": rng.choice(["work", "home"], n), "text": texts, "kind": KINDS[who]}
    )


def fitted(
    df: pd.DataFrame, personas: str = PERSONAS, *, n_records: int = 2000, **columns: str
) -> MixtureOfPersonas:
    columns = {"context": "place", "response": "text", **columns}
    population = Population.from_frame(df, **columns)  # type: ignore[arg-type]
    backend = ToyBackend(WORDS, exemplar_boost=0.0)
    mixture = MixtureOfPersonas(
        personas,
        backend,
        ToyEncoder(WORDS),
        n_exemplars=4,
        n_records=n_records,
        by="likelihood",
    )
    return mixture.fit(population)


@cache
def example() -> tuple[pd.DataFrame, MixtureOfPersonas]:
    df = answers(400, 1)
    return df, fitted(df.drop(columns="kind"))


def row(found: Composition, group: str) -> pd.Series:
    return found.frame.set_index("group").loc[group]


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_personas_that_generated_the_records_are_found(seed: int) -> None:
    df = answers(400, seed)
    found = fitted(df.drop(columns="kind")).composition(df["kind"])
    frame = found.frame.set_index("persona").loc[["sunny", "rainy", "snowy"]]
    assert list(frame["group"]) == list(KINDS)
    assert list(frame["true"]) == pytest.approx(df["kind"].value_counts(normalize=True)[KINDS])
    assert (frame["low"] < SHARES).all()
    assert (frame["high"] > SHARES).all()
    assert (frame["high"] - frame["low"] < 0.15).all()
    assert found.total_variation < 0.06
    assert found.uniform > 0.2
    assert found.low <= found.total_variation <= found.high


def test_a_confusion_names_the_share_of_each_group_by_likeliest_persona() -> None:
    df, mixture = example()
    found = mixture.composition(df["kind"])
    population = mixture.population_
    likeliest = np.array(mixture.names)[mixture.responsibilities(population).argmax(axis=1)]
    table = pd.crosstab(df["kind"], likeliest, normalize="index")
    expected = table.loc[found.confusion.index, found.confusion.columns]
    np.testing.assert_allclose(found.confusion, expected, atol=0.03)
    is_right = np.char.capitalize(likeliest.astype(str)) == df["kind"].to_numpy(dtype=str)
    assert found.right == pytest.approx(is_right.mean(), abs=0.02)
    assert found.right_low < found.right < found.right_high
    assert found.largest == (df["kind"] == "Sunny").mean()
    assert (found.n, found.notes) == (400, ())


@pytest.mark.slow
def test_the_interval_covers_the_true_share() -> None:
    """Each of 100 samples of 120 records has new people from the same personas."""
    df = answers(12_000, 9, length=3)
    mixture = fitted(df, n_records=12_000)
    records = scored_records(mixture, df["kind"])
    order = np.random.default_rng(0).permutation(len(df))
    covered, widths = [], []
    for seed in range(100):
        rows = slice(120 * seed, 120 * (seed + 1))
        sample = replace(records, posterior=records.posterior[order[rows]], weight=np.ones(120))
        low, high = np.quantile(sample.resampled_weights(200, seed), [0.025, 0.975], axis=0)
        covered.append((low <= SHARES) & (high >= SHARES))
        widths.append(high - low)
    shares = np.mean(covered, axis=0)
    assert (shares >= 0.85).all(), shares
    assert shares.mean() >= 0.9, shares
    assert np.mean(widths) < 0.2


def test_weights_that_the_fit_held_back_are_remarked() -> None:
    df, mixture = example()
    start = copy(mixture)
    start.gate_ = mixture.gate_for("uniform")
    found = start.composition(df["kind"])
    assert (found.frame["weight"].round(6) == round(1 / 3, 6)).all()
    assert any("weights are equal" in note for note in found.notes)
    shares = found.frame.set_index("group").loc[list(KINDS)]
    assert ((shares["low"] < SHARES) & (shares["high"] > SHARES)).all()
    assert found.total_variation == pytest.approx(found.uniform)


def test_a_weight_of_two_counts_as_two_records() -> None:
    df = answers(400, 5)
    twice = df["kind"] == "Snowy"
    weighted = fitted(df.assign(w=1.0 + twice).drop(columns="kind"), weight="w")
    copied = pd.concat([df, df[twice]], ignore_index=True)
    duplicated = fitted(copied.drop(columns="kind"))
    one, other = weighted.composition(df["kind"]), duplicated.composition(copied["kind"])
    for group in KINDS:
        assert row(one, group)["true"] == pytest.approx(row(other, group)["true"])
        assert row(one, group)["weight"] == pytest.approx(row(other, group)["weight"], abs=0.03)
    assert row(one, "Snowy")["true"] > df["kind"].eq("Snowy").mean() + 0.05
    np.testing.assert_allclose(one.confusion, other.confusion, atol=0.05)
    assert one.right == pytest.approx(other.right, abs=0.02)
    assert one.largest == pytest.approx(other.largest)


def test_a_column_is_named_or_given_in_the_order_of_the_frame() -> None:
    df = answers(300, 2)
    df.loc[::10, "text"] = None
    df.index = pd.Index(np.arange(300) * 7 % 300)
    mixture = fitted(df)
    assert len(mixture.population_) == 270
    first = mixture.composition("kind")
    assert first.by == "kind"
    assert first.right > 0.85
    answered = df["kind"][df["text"].notna()]
    for same in (df["kind"], df["kind"].to_numpy(), answered, df["kind"].sort_index()):
        pd.testing.assert_frame_equal(mixture.composition(same).frame, first.frame)
    part = mixture.population_.take([5, 2])
    assert list(part.aligned("kind")) == list(answered.iloc[[5, 2]])


def test_a_population_keeps_its_columns_when_the_frame_changes() -> None:
    df = answers(60, 0)
    population = Population.from_frame(df, context="place", response="text")
    before = list(df["kind"])
    df["kind"] = "other"
    del df["place"]
    assert list(population.aligned("kind")) == before


def test_a_given_match_an_equal_name_and_an_agreement_are_told_apart() -> None:
    df, mixture = example()
    renamed = df["kind"].map({"Sunny": "A", "Rainy": "B", "Snowy": "C"})
    agreed = mixture.composition(renamed)
    assert dict(agreed.frame[["group", "persona"]].to_numpy()) == {
        "A": "sunny", "B": "rainy", "C": "snowy",
    }  # fmt: skip
    assert "A = sunny" in agreed.matched
    assert "optimistic" in agreed.matched
    assert agreed.total_variation == mixture.composition(df["kind"]).total_variation
    swapped = mixture.composition(renamed, match={"A": "rainy", "B": "sunny"})
    assert row(swapped, "A")["persona"] == "rainy"
    assert swapped.right < 0.15
    assert swapped.total_variation > 0.3
    assert any("'C'" in note for note in swapped.notes)
    assert any("'snowy'" in note for note in swapped.notes)
    assert "`match`" in swapped.matched
    assert mixture.composition(df["kind"]).matched == "Groups and personas of the same name."


def test_the_assignment_has_the_largest_diagonal() -> None:
    votes = pd.DataFrame([[50, 45, 5], [48, 2, 0]], index=["a", "b"], columns=["x", "y", "z"])
    assert match_groups(votes)[0] == {"a": "y", "b": "x"}


def test_a_persona_that_no_record_supports_is_named() -> None:
    df = answers(200, 3)
    mixture = fitted(df, f"{PERSONAS}\nfoggy: You say fog fog fog.\nother: You say fog.")
    found = mixture.composition("kind")
    assert any("No record supports" in note and "'" in note for note in found.notes)


def test_free_text_contexts_and_missing_groups_are_remarked() -> None:
    df = answers(200, 4).assign(place=[f"at number {i}" for i in range(200)])
    df.loc[:19, "kind"] = None
    found = fitted(df).composition("kind")
    assert found.n == 180
    assert any(note.startswith("20 of 200 records") for note in found.notes)
    assert any(note.startswith("All 200 contexts are different") for note in found.notes)


@pytest.mark.parametrize(
    ("by", "match", "message"),
    [
        ([1, 2, 3], None, "has 3 values, but there are 400 records"),
        ("kinds", None, "no column 'kinds'"),
        (["same"] * 400, None, "only the group 'same'"),
        ([None] * 400, None, "no value"),
        (range(400), None, "400 different values in 400 records"),
        ("kind", {"Cloudy": "sunny"}, "the group 'Cloudy'"),
        ("kind", {"Sunny": "cloudy"}, "the persona 'cloudy'"),
        ("kind", {"Sunny": "sunny", "Rainy": "sunny"}, "'sunny' to two groups"),
    ],
)
def test_bad_input_is_one_clear_sentence(by: object, match: dict[str, str], message: str) -> None:
    df, mixture = example()
    by = df["kind"] if by == "kind" else by
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        mixture.composition(by, match=match)
    assert caught.value.hint


def test_likelihoods_of_a_fit_are_required(tmp_path: Path) -> None:
    df, mixture = example()
    loaded = MixtureOfPersonas.load(mixture.save(tmp_path / "m"), mixture.backend, mixture.encoder)
    with pytest.raises(NotFittedError, match="likelihoods"):
        loaded.composition(df["kind"].iloc[: len(loaded.population_)])
