"""`%%mop_ask` with several questions in its cell."""

from __future__ import annotations

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mop import PopulationAnswer, PopulationAnswers, Study
from jupyter_mop.backends.cost.estimate import CostEstimate
from jupyter_mop.errors import DataError, Interrupted

QUESTIONS = "sky: At {topic}? | sun | rain\nsea [scale]: And\n  the sea? | fog | wind | sun"


def ask(shell: InteractiveShell, line: str, cell: str = QUESTIONS) -> object:
    return shell.run_cell_magic("mop_ask", line, cell)


@pytest.fixture
def polled(ready: Study, frame: pd.DataFrame) -> Study:
    df = frame.assign(sky=["sun", "rain", "sun", "sun"] * 120)
    ready.use_population(df, context="topic", response="text")
    return ready


def test_questions_in_a_cell_are_all_asked(shell: InteractiveShell, polled: Study) -> None:
    planned = ask(shell, "--orders 2 --dry-run")
    assert isinstance(planned, CostEstimate)
    assert polled.answers == {}
    answers = ask(shell, "--orders 2 -n 50")
    assert isinstance(answers, PopulationAnswers)
    assert polled.backend.usage.calls == planned.calls
    assert list(answers) == ["sky", "sea"]
    assert answers["sea"].question.kind == "scale"
    assert answers["sky"].calibration is not None
    assert answers["sea"].calibration is None
    assert len(polled.simulations["sky"]) == 50
    assert shell.run_line_magic("mop_ask", "sea") is answers["sea"]


def test_one_line_with_options_is_a_question_with_a_name(
    shell: InteractiveShell, polled: Study
) -> None:
    answers = ask(shell, "sky", "sky: Which? | sun | rain")
    assert isinstance(answers, PopulationAnswers)
    assert list(polled.answers) == ["sky"]


def test_one_question_stays_one(shell: InteractiveShell, polled: Study) -> None:
    answer = ask(shell, 'vote --options "sun|rain"', "Vote: which?\nsky: this | that | other")
    assert isinstance(answer, PopulationAnswer)
    assert list(polled.answers) == ["vote"]


@pytest.mark.usefixtures("polled")
@pytest.mark.parametrize(
    ("line", "cell", "words"),
    [
        ('--options "a|b" --scale', QUESTIONS, ["--options and --scale", "[scale]"]),
        ("--multiple", QUESTIONS, ["--multiple", "name [scale]"]),
        ("--method compare", QUESTIONS, ["takes one question"]),
        ("vote", QUESTIONS, ["'vote' names none", "Leave it out"]),
        ("", f"{QUESTIONS}\nwhy: Why?", ["'why: Why?'", "at least two options"]),
        ("", f"{QUESTIONS}\nsky: Why? | a | b", ["Two questions are named 'sky'"]),
        ("", "sky: Why? | a | b", ["in the column 'sky'", "options"]),
        ("", "sky: Why? | sun | fog", ["Question 'sky'", "'rain' (", "--missing"]),
        ("", "How come: why? | a | b", ["Cannot tell", "--options"]),
    ],
)
def test_mistakes_are_one_sentence_and_store_nothing(
    shell: InteractiveShell, polled: Study, line: str, cell: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        ask(shell, line, cell)
    for word in words:
        assert word in str(caught.value)
    assert polled.answers == {}
    assert polled.backend.usage.calls == 0


def test_a_taken_name_stops_all_questions(shell: InteractiveShell, polled: Study) -> None:
    def run(code: str, cell: str) -> BaseException | None:
        with capture_output():
            return shell.run_cell(code, cell_id=cell).error_in_exec

    assert run("%%mop_ask sea\nIs it rough? Say sun | or rain", "one") is not None
    assert run('%%mop_ask sea --options "fog|wind"\nIs it rough?', "one") is None
    before = polled.answers["sea"]
    error = run(f"%%mop_ask\n{QUESTIONS}", "two")
    assert isinstance(error, DataError)
    assert "'sea' is a result of another cell" in str(error)
    assert polled.answers == {"sea": before}
    assert run(f"%%mop_ask --dry-run\n{QUESTIONS}", "two") is None
    assert run(f"%%mop_ask --replace\n{QUESTIONS}", "two") is None
    assert list(polled.answers) == ["sea", "sky"]
    assert run(f"%%mop_ask\n{QUESTIONS}", "two") is None
    assert isinstance(run('%%mop_ask sky --options "sun|fog"\nWhy?', "one"), DataError)


def test_the_answers_of_a_stopped_cell_belong_to_it(
    shell: InteractiveShell, polled: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = polled.backend.backend
    score = type(backend).score

    def stopping(self, requests, **options):
        if any("the sea?" in str(request.prompt.messages) for request in requests):
            raise KeyboardInterrupt
        return score(self, requests, **options)

    monkeypatch.setattr(type(backend), "score", stopping)
    with capture_output():
        error = shell.run_cell(f"%%mop_ask\n{QUESTIONS}", cell_id="one").error_in_exec
    assert isinstance(error, Interrupted)
    assert list(polled.answers) == ["sky"]
    with capture_output():
        other = '%%mop_ask sky --options "sun|fog"\nWhy?'
        assert isinstance(shell.run_cell(other, cell_id="two").error_in_exec, DataError)
