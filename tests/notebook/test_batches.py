"""Batches in a notebook: one sentence when they are sent, the result when they are collected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd
import pytest
from batch_api import BatchApi
from IPython.core.interactiveshell import InteractiveShell
from personalities import WORDS, everything
from scripted_server import ScriptedServer

from jupyter_mop import OpenAIBackend, Study, ToyEncoder
from jupyter_mop.errors import BatchPending, BudgetError, DataError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = ScriptedServer()
    server.default, server.batches = everything, BatchApi(everything)
    yield server
    server.close()


@pytest.fixture
def api(
    shell: InteractiveShell,
    ready: Study,  # noqa: ARG001  has no model yet
    server: ScriptedServer,
) -> BatchApi:
    """Give the batch API of the server whose model the ready study uses."""
    prices = "--price-in 200 --price-out 800"
    shell.run_line_magic("mop_backend", f"{server.url} --model scripted {prices}")
    assert server.batches
    return server.batches


def asked_once(api: BatchApi, n: int) -> bool:
    return len(api.asked) == n and set(Counter(api.asked).values()) == {1}


def test_a_simulation_is_sent_and_collected(
    shell: InteractiveShell, ready: Study, api: BatchApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.n_polls = 1
    options = "a -n 300 --weights uniform --max-tokens 8"
    assert shell.run_line_magic("mop_simulate", f"{options} --batch") is None
    out = capsys.readouterr().out
    assert "Batch sent: 300 requests, at most $" in out
    assert "(half price). %mop_resume collects it." in out
    assert len(api.batches) == 1
    assert [run.state for run in ready.runs()] == ["waiting"]
    assert shell.run_line_magic("mop_resume", "") is None
    assert "The batch is not done (in progress): 0 of 300" in capsys.readouterr().out
    made = shell.run_line_magic("mop_resume", "")
    assert [run.state for run in ready.runs()] == ["waiting", "waiting", "finished"]
    assert made.provenance["cost"]["price"].endswith("half price in batches)")
    assert asked_once(api, 300)
    usd = made.provenance["cost"]["usd"]
    tokens = ready.backend.usage.tokens_in, ready.backend.usage.tokens_out
    assert usd < (200 * tokens[0] + 800 * tokens[1]) / 1e6
    assert ready.backend.spent() > usd > ready.backend.spent() / 2  # the probe cost the full price
    again = shell.run_line_magic("mop_simulate", f"b {options.removeprefix('a ')}")
    assert again.responses == made.responses
    assert asked_once(api, 300)


def test_another_kernel_collects(
    shell: InteractiveShell,
    ready: Study,
    frame: pd.DataFrame,
    api: BatchApi,
    server: ScriptedServer,
) -> None:
    shell.run_line_magic("mop_simulate", "a -n 40 --weights uniform --max-tokens 8 --batch")
    other = Study(OpenAIBackend(server.url, "scripted"), ToyEncoder(WORDS), store=ready.store.path)
    other.use_personas(ready.personas)
    other.use_population(frame, context="topic", response="text")
    assert len(other.resume()) == 40
    other.store.close()
    assert asked_once(api, 40)


@pytest.mark.parametrize("method", ["sampled", "first-token", "told", "anchors"])
def test_a_question_is_asked_in_a_batch(
    shell: InteractiveShell, ready: Study, api: BatchApi, method: str
) -> None:
    line = f'rain --options "yes|no" --weights uniform --method "{method}" --batch'
    assert shell.run_cell_magic("mop_ask", line, "Rain?") is None
    n_asked = api.files["file-0"].count(b"\n")
    answer = shell.run_line_magic("mop_resume", "")
    assert answer.method == method
    assert asked_once(api, n_asked)
    assert ready.answers["rain"] is answer


def test_several_questions_wait_together(
    shell: InteractiveShell, ready: Study, api: BatchApi
) -> None:
    line = "--weights uniform --method sampled --draws 2 --orders 1 --batch"
    cell = "rain: Rain? | yes | no\nsnow: Snow? | yes | no"
    assert shell.run_cell_magic("mop_ask", line, cell) is None
    assert len(api.batches) == 2
    answers = shell.run_line_magic("mop_resume", "")
    assert list(answers) == ["rain", "snow"]
    assert ready.answers == dict(answers)


def test_methods_are_compared_with_one_batch_after_another(
    shell: InteractiveShell, ready: Study, api: BatchApi
) -> None:
    weather = pd.DataFrame({"topic": ["dawn", "dusk"] * 30, "rain": ["yes", "no", "no"] * 20})
    ready.use_population(weather, context="topic", response="rain")
    line = "--method compare --weights uniform --orders 1 --draws 2 --batch"
    found = shell.run_cell_magic("mop_ask", line, "Rain?")
    while found is None:
        found = shell.run_line_magic("mop_resume", "")
    assert set(found.answers) == {"first-token", "sampled", "told", "anchors"}
    assert asked_once(api, 3 * (1 + 2 + 1 + 2))


def test_weights_are_learned_from_a_batch(
    shell: InteractiveShell, ready: Study, api: BatchApi
) -> None:
    line = "--exemplars 8 --components 4 --by samples --batch"
    assert shell.run_line_magic("mop_fit", line) is None
    assert len(api.batches) == 1
    mixture = shell.run_line_magic("mop_resume", "")
    assert mixture is ready.mixture
    assert mixture.is_fitted


@pytest.mark.usefixtures("ready")
def test_a_dry_run_has_half_the_price_and_sends_nothing(
    shell: InteractiveShell, api: BatchApi
) -> None:
    line = "a -n 50 --weights uniform --max-tokens 8 --dry-run"
    direct, batch = (shell.run_line_magic("mop_simulate", line + end) for end in ("", " --batch"))
    assert batch.calls == direct.calls == 50
    assert batch.usd == pytest.approx(direct.usd / 2)
    assert "up to 24 hours" in repr(batch)
    assert not api.files


@pytest.mark.usefixtures("ready")
def test_a_budget_counts_half_the_price(shell: InteractiveShell, api: BatchApi) -> None:
    line = "a -n 50 --weights uniform --max-tokens 8"
    estimate = shell.run_line_magic("mop_simulate", f"{line} --dry-run")
    with pytest.raises(
        BudgetError, match=r"A batch of 50 requests could cost .* exceeds the budget"
    ):
        shell.run_line_magic("mop_simulate", f"{line} --batch --budget {estimate.usd / 4}")
    assert not api.files


def test_a_study_raises_what_is_pending(ready: Study, api: BatchApi) -> None:
    with ready.batched(), pytest.raises(BatchPending, match="Batch sent: 5 requests"):
        ready.simulate("a", 5, weights="uniform")
    with ready.batched():
        assert len(ready.simulate("a", 5, weights="uniform")) == 5
    assert len(api.batches) == 1


def test_a_model_that_is_not_at_an_endpoint_has_no_batches(
    shell: InteractiveShell, ready: Study
) -> None:
    with pytest.raises(DataError, match="Batches need a model at an endpoint"):
        shell.run_line_magic("mop_simulate", "a -n 5 --batch")
    assert not ready.runs()
