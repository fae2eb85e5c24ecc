from __future__ import annotations

import warnings

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mop import Study


def complete(shell: InteractiveShell, text: str) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return shell.complete("", text, len(text))[1]


@pytest.mark.parametrize("prefix", ["%", "%%"])
def test_options_of_line_and_cell_magics(shell: InteractiveShell, prefix: str) -> None:
    assert complete(shell, f"{prefix}mop_simulate --te") == ["--temperature"]
    assert {"--exemplars", "--records", "--components", "--seed"} <= set(
        complete(shell, f"{prefix}mop_fit --")
    )


def test_every_option_of_every_magic_is_offered(shell: InteractiveShell) -> None:
    registered = shell.magics_manager.registry["MopMagics"]
    for name in registered.magics["line"]:
        offered = set(complete(shell, f"%{name} -"))
        for action in getattr(registered, name).parser._actions:
            assert set(action.option_strings) <= offered


def test_a_magic_without_arguments_completes_without_error(
    shell: InteractiveShell, capfd: pytest.CaptureFixture[str]
) -> None:
    for text in ("%mop_simulate", "%%mop_simulate", "%mop_align"):
        assert text in complete(shell, text)
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("ready")
def test_weights_complete_to_words_and_personas(shell: InteractiveShell) -> None:
    assert {"uniform", "learned", "stated", "panel", "sunny=", "windy="} <= set(
        complete(shell, "%mop_simulate a --weights ")
    )
    assert complete(shell, "%mop_simulate a --weights un") == ["uniform"]
    assert complete(shell, "%mop_simulate a --weights win") == ["windy="]


def test_baselines_complete_to_their_names(shell: InteractiveShell) -> None:
    assert complete(shell, "%%mop_simulate a --baseline pl") == ["plain"]
    assert complete(shell, "%%mop_simulate a --baseline e") == ["exemplars"]
    assert complete(shell, "%%mop_simulate a --baseline p")[2:] == ["progen", "picle"]
    assert complete(shell, "%%mop_ask a --baseline ") == ["plain", "personas"]


def test_forms_of_personas_are_completed(shell: InteractiveShell) -> None:
    assert complete(shell, "%mop_synthesize --as ") == ["descriptions", "voices", "both"]
    assert complete(shell, "%%mop_simulate a --mi") == ["--mix"]


def test_options_of_a_closed_question_are_completed(shell: InteractiveShell) -> None:
    assert complete(shell, "%%mop_ask a --method s") == ["scored", "sampled"]
    assert complete(shell, "%%mop_ask a --method co") == ["compare"]
    assert complete(shell, "%%mop_survey a --method co") == ["co"]
    assert complete(shell, "%mop_survey --p") == ["--panel"]
    assert "--by-prior" in complete(shell, "%%mop_ask a --by")


@pytest.mark.parametrize("option", ["--context", "--response", "--weight"])
def test_columns_of_the_frame_on_the_line_are_completed(
    shell: InteractiveShell, option: str
) -> None:
    shell.user_ns["other"] = pd.DataFrame({"elsewhere": []})
    found = complete(shell, f"%mop_population df {option} ")
    assert {"topic", "text"} <= set(found)
    assert "elsewhere" not in found
    assert complete(shell, f"%mop_population df {option} te") == ["text"]


def test_frames_of_the_notebook_are_completed(shell: InteractiveShell) -> None:
    shell.user_ns.update(reviews=pd.DataFrame(), _hidden=pd.DataFrame(), number=3)
    found = complete(shell, "%mop_population ")
    assert {"df", "reviews"} <= set(found)
    assert not {"_hidden", "number"} & set(found)
    assert "reviews" in complete(shell, "%mop_personas re")


def test_names_of_simulations_are_completed(shell: InteractiveShell, ready: Study) -> None:
    ready.simulate("first", 5)
    ready.simulate("second", 5)
    assert {"first", "second"} <= set(complete(shell, "%mop_align "))
    assert complete(shell, "%mop_align fi") == ["first"]
    assert complete(shell, "%mop_align first se") == ["second"]
    assert complete(shell, "%%mop_simulate se") == ["second"]


def test_context_columns_are_completed(shell: InteractiveShell, ready: Study) -> None:
    ready.simulate("first", 5)
    assert complete(shell, "%mop_align first --by ") == ["topic", "context"]


def test_backends_and_templates_are_completed(shell: InteractiveShell) -> None:
    assert complete(shell, "%mop_backend lo") == ["local"]
    assert complete(shell, "%mop_backend ht") == ["http://localhost:8080/v1"]
    assert complete(shell, "%mop_backend a --template ") == ["chatml", "llama-3"]
    assert "--model" in complete(shell, "%mop_backend a --m")


def test_completion_follows_the_current_study(shell: InteractiveShell, ready: Study) -> None:
    ready.use_personas("foggy: You say fog.")
    found = complete(shell, "%mop_simulate a --weights ")
    assert "foggy=" in found
    assert "sunny=" not in found


def test_arguments_of_calibrations_estimates_and_diagnoses_are_completed(
    shell: InteractiveShell, ready: Study
) -> None:
    ready.simulate("first", 5)
    for name in ("mop_calibrate", "mop_estimate", "mop_diagnose"):
        assert complete(shell, f"%{name} fi") == ["first"]
    shell.user_ns.update(shares={"yes": 1.0}, series=pd.Series({"yes": 1.0}), few=pd.DataFrame())
    assert {"shares", "series"} <= set(complete(shell, "%mop_calibrate first --targets "))
    assert "few" in complete(shell, "%mop_estimate first --human ")
    assert "shares" not in complete(shell, "%mop_estimate first --human ")


def test_values_are_offered_only_for_options_of_the_magic(
    shell: InteractiveShell, ready: Study
) -> None:
    ready.simulate("first", 5)
    assert "FID" in complete(shell, "%mop_match first --figure ")
    assert "FID" not in complete(shell, "%mop_align --figure ")
    assert "first" in complete(shell, "%mop_align --figure ")


@pytest.mark.usefixtures("ready")
def test_numbers_of_personas_and_strata_are_completed(shell: InteractiveShell) -> None:
    assert "auto" in complete(shell, "%mop_synthesize -k ")
    assert complete(shell, "%mop_synthesize -k au") == ["auto"]
    assert complete(shell, "%mop_synthesize --la") == ["--ladder"]
    assert {"topic", "cluster"} <= set(complete(shell, "%%mop_fit --stratify "))


def test_a_column_with_a_space_or_comma_is_completed_in_quotes(shell: InteractiveShell) -> None:
    shell.user_ns["odd"] = pd.DataFrame(columns=["Age, in years", "Q1.1", 2024])
    found = complete(shell, "%mop_population odd --context ")
    assert {'"Age, in years"', "Q1.1", "2024"} <= set(found)
