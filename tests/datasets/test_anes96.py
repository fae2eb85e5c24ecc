from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_mop.datasets import load_anes96, load_anes96_battery
from jupyter_mop.datasets.anes96 import AGES, EDUCATIONS, INCOMES, NEWS, PARTIES, POSITIONS
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import MissingPackageError


def test_voters_have_text_and_no_missing_values() -> None:
    voters = load_anes96()
    assert list(voters.columns) == ["vote", "party", "education", "age", "income", "group"]
    assert len(voters) == 944
    assert voters.notna().all(axis=None)
    for column, steps in (
        ("party", PARTIES),
        ("education", EDUCATIONS),
        ("age", AGES),
        ("income", INCOMES),
    ):
        assert tuple(voters[column].cat.categories) == steps
        assert voters[column].cat.ordered
        assert voters[column].value_counts().min() >= 30


def test_codes_are_read_as_the_study_documents_them() -> None:
    datasets = pytest.importorskip("statsmodels.datasets.anes96")
    raw, voters = datasets.load_pandas().data, load_anes96()
    assert (voters["vote"] == "Dole").tolist() == (raw["vote"] == 1).tolist()
    assert voters["party"].cat.codes.tolist() == raw["PID"].astype(int).tolist()
    assert (voters["age"] == "60 or older").tolist() == (raw["age"] >= 60).tolist()
    assert (voters["age"] == "18 to 29").tolist() == (raw["age"] < 30).tolist()
    assert (voters["education"] == "college degree").tolist() == (raw["educ"] >= 5).tolist()
    assert (voters["income"] == "under $15,000").tolist() == (raw["income"] <= 10).tolist()
    assert (voters["income"] == "over $60,000").tolist() == (raw["income"] >= 21).tolist()


def test_the_battery_has_the_same_respondents_and_documented_codes() -> None:
    datasets = pytest.importorskip("statsmodels.datasets.anes96")
    raw, battery = datasets.load_pandas().data, load_anes96_battery()
    assert battery[["vote", "party"]].equals(load_anes96()[["vote", "party"]])
    for name, column in (("self", "selfLR"), ("clinton", "ClinLR"), ("dole", "DoleLR")):
        assert (battery[name].cat.codes + 1).tolist() == raw[column].astype(int).tolist()
        assert tuple(battery[name].cat.categories) == POSITIONS
    assert (battery["news"] == NEWS[0]).tolist() == (raw["TVnews"] == 0).tolist()
    assert (battery["news"] == NEWS[3]).tolist() == (raw["TVnews"] == 7).tolist()
    assert battery.notna().all(axis=None)


def test_the_vote_depends_on_the_party() -> None:
    voters = load_anes96()
    dole = (voters["vote"] == "Dole").groupby(voters["party"], observed=True).mean()
    assert dole["strong Democrat"] < 0.05
    assert dole["strong Republican"] > 0.9


def test_a_group_is_a_sentence() -> None:
    voters = load_anes96()
    row = voters[(voters["education"] == "some college") & (voters["age"] == "18 to 29")].iloc[0]
    expected = (
        f"An American aged 18 to 29 with some college and a household income of {row.income}."
    )
    assert row.group == expected


def test_the_party_is_a_closed_and_ordered_answer() -> None:
    population = Population.from_frame(load_anes96(), context="group", response="party")
    assert population.is_closed
    assert population.is_ordered
    assert population.options == PARTIES
    assert population.split(0.5)[1].options == PARTIES


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without = [place for place in sys.path if "site-packages" not in place]
    monkeypatch.setattr(sys, "path", without)
    monkeypatch.delitem(sys.modules, "statsmodels", raising=False)
    with pytest.raises(MissingPackageError) as caught:
        load_anes96()
    assert 'pip install "jupyter-mop[examples]"' in caught.value.hint


def test_reading_does_not_import_the_package_with_the_data() -> None:
    code = """
import sys
from jupyter_mop.datasets import load_anes96, load_anes96_battery
load_anes96()
assert "statsmodels" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
