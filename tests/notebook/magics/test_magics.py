from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic_arguments import magic_arguments
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from jupyter_mop import (
    Alignment,
    Calibration,
    Composition,
    Diagnosis,
    Estimates,
    MixtureOfPersonas,
    Population,
    PopulationAnswer,
    Simulation,
    Study,
    Synthesis,
    ToyBackend,
)
from jupyter_mop.backends.protocols import Completion, GenerationRequest, SamplingParams
from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.errors import DataError, Interrupted, ModelError, MopError, NotFittedError
from jupyter_mop.notebook.magics.base import argument
from jupyter_mop.notebook.magics.register import MopMagics
from jupyter_mop.notebook.widgets.alignment import AlignmentPanel
from jupyter_mop.notebook.widgets.weights import WeightsPanel

ROOT = Path(__file__).parents[3]
WORDS = ["sun", "rain", "wind", "fog"]
LINES = "sunny [0.5]: You say sun.\nrainy: You say rain.\n"
EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
VERBS = {
    *("backend", "personas", "population", "fit", "simulate", "reweight", "align"),
    *("weights", "panel", "status", "calibrate", "estimate", "diagnose"),
    "explain",
    "composition",
    "synthesize",
    *("ask", "chat"),
    *("survey", "shares", "impute", "respondents", "predict", "fidelity", "design"),
    "match",
    "report",
    *("save", "load", "export"),
    *("runs", "resume"),
}


class EvilBackend(ToyBackend):
    """Responds with markup, as a language model can."""

    def _draw(self, request: GenerationRequest, params: SamplingParams) -> Completion:
        return Completion(f"{EVIL} {super()._draw(request, params).text}", 4)


class StoppedBackend(ToyBackend):
    """A user stops the run at its 38th response."""

    def _draw(self, request: GenerationRequest, params: SamplingParams) -> Completion:
        if self.n_generated == 37:
            self.n_generated += 1
            raise KeyboardInterrupt
        return super()._draw(request, params)


def line(shell: InteractiveShell, text: str) -> object:
    name, _, rest = text.partition(" ")
    return shell.run_line_magic(name, rest)


def cell(shell: InteractiveShell, text: str, body: str) -> object:
    name, _, rest = text.partition(" ")
    return shell.run_cell_magic(name, rest, body)


def html(shell: InteractiveShell, value: object) -> str:
    with capture_output() as captured:
        data, _ = shell.display_formatter.format(value)
    shown = [data, *(output.data for output in captured.outputs)]
    return "".join(bundle.get("text/html", "") for bundle in shown)


def test_the_magics_are_the_methods_of_the_study(shell: InteractiveShell) -> None:
    registered = shell.magics_manager.registry["MopMagics"]
    assert set(registered.magics["line"]) == {"mop", *(f"mop_{verb}" for verb in VERBS)}
    with_cell = ("personas", "fit", "simulate", "explain", "synthesize", "ask", "survey", "predict")
    assert set(registered.magics["cell"]) == {f"mop_{verb}" for verb in with_cell}


def test_loading_twice_is_no_error(shell: InteractiveShell) -> None:
    with capture_output():
        shell.run_line_magic("load_ext", "jupyter_mop")
        shell.run_line_magic("reload_ext", "jupyter_mop")
    assert isinstance(shell.magics_manager.registry["MopMagics"], MopMagics)


@pytest.mark.usefixtures("ready")
def test_reloading_the_extension_keeps_the_study(shell: InteractiveShell) -> None:
    line(shell, "mop_simulate kept -n 120")
    before = shell.magics_manager.registry["MopMagics"].study
    names = vars(before) | vars(before.session)
    offered = shell.complete("", "%mop_align ", 11)[1]
    with capture_output():
        shell.run_line_magic("reload_ext", "jupyter_mop")
    after = shell.magics_manager.registry["MopMagics"].study
    assert after is before
    assert vars(after) | vars(after.session) == names
    assert set(line(shell, "mop_align").frame["method"]) == {"kept"}
    assert shell.complete("", "%mop_align ", 11)[1] == offered
    assert "kept" in offered


def test_the_main_workflow(shell: InteractiveShell, study: Study) -> None:
    cell(shell, "mop_personas", LINES)
    line(shell, "mop_population df --context topic --response text")
    mixture = cell(
        shell, "mop_fit --exemplars 8 --records 40 --components 8 --seed 2", "Of {topic}?"
    )
    assert isinstance(mixture, MixtureOfPersonas)
    assert mixture is study.mixture
    assert (mixture.n_exemplars, mixture.n_records, mixture.n_components) == (8, 40, 8)
    assert (mixture.random_state, mixture.template_.text) == (2, "Of {topic}?")
    simulation = cell(shell, "mop_simulate learned -n 120 --temperature 1 --top-p 1", "Of {topic}?")
    assert isinstance(simulation, Simulation)
    assert study.simulations == {"learned": simulation}
    line(shell, "mop_simulate plain -n 120 --baseline plain --temperature 1")
    alignment = line(shell, "mop_align")
    assert isinstance(alignment, Alignment)
    assert set(alignment.frame["method"]) == {"learned", "plain"}
    assert alignment.by_context is None
    assert {"joint FID", "fidelity"} < set(alignment.frame["figure"])
    by = line(shell, "mop_align 'plain' --seed 3 --by topic")
    assert set(by.frame["method"]) == {"plain"}
    assert by.by_context.by == ("topic",)
    assert set(by.by_context.frame["group"]) == {"dawn", "dusk"}
    status = line(shell, "mop_status")
    assert isinstance(status, pd.DataFrame)
    assert status.loc["simulations"].item() == "learned (120), plain (120)"


@pytest.mark.parametrize("source", ["frame", "text", "mapping", "people.yaml", "'my people.csv'"])
def test_personas_from_a_variable_or_a_file(
    shell: InteractiveShell, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:  # fmt: skip
    table = pd.DataFrame({"name": ["sunny", "rainy"], "description": ["You sun.", "You rain."]})
    mapping = dict(zip(table["name"], table["description"], strict=True))
    shell.user_ns.update(frame=table, text="sunny: You sun.\nrainy: You rain.", mapping=mapping)
    monkeypatch.chdir(tmp_path)
    Path("people.yaml").write_text("- {name: sunny, description: You sun.}\n"
                                   "- {name: rainy, description: You rain.}")  # fmt: skip
    table.to_csv("my people.csv", index=False)
    shown = line(shell, f"mop_personas {source}")
    assert {p.name: p.description for p in study.personas} == mapping
    assert list(shown["weight"]) == [0.5, 0.5]


def test_personas_from_yaml_in_the_cell(shell: InteractiveShell, study: Study) -> None:
    cell(shell, "mop_personas", "- name: sunny\n  description: You say sun.\n  weight: 0.3\n")
    assert [(p.name, p.weight) for p in study.personas] == [("sunny", 0.3)]


AWKWARD = ["Q1.1", "Q1[SQ001]", "Age, in years", "2024", "Your {age}: now!"]


@pytest.mark.parametrize(
    ("context", "names"),
    [
        ("Q1.1", ["Q1.1"]),
        ("Q1[SQ001],2024", ["Q1[SQ001]", "2024"]),
        ("'Age, in years'", ["Age, in years"]),
        ("\"Q1.1, 'Age, in years',2024\"", ["Q1.1", "Age, in years", "2024"]),
        ("'Your {age}: now!'", ["Your {age}: now!"]),
    ],
)
def test_any_column_name_works_in_magics_and_in_the_default_template(
    shell: InteractiveShell, ready: Study, context: str, names: list[str]
) -> None:
    df = shell.user_ns["df"]
    columns = {int(name) if name == "2024" else name: df["topic"] for name in AWKWARD}
    shell.user_ns["awkward"] = pd.DataFrame({**columns, 7: df["text"]})
    population = line(shell, f"mop_population awkward --context {context} --response 7")
    assert population.context == tuple(names)
    line(shell, "mop_fit --exemplars 4 --records 40 --components 4")
    assert ready.mixture.template_.question(dict.fromkeys(names, "x")) == ", ".join(
        "x" for _ in names
    )
    assert len(line(shell, "mop_simulate a -n 10")) == 10


@pytest.mark.usefixtures("ready")
def test_columns_are_named_in_templates_and_jinja_is_refused(shell: InteractiveShell) -> None:
    df = shell.user_ns["df"]
    shell.user_ns["df"] = df.rename(columns={"topic": "Q1.1"})
    line(shell, "mop_population df --context Q1.1 --response text")
    simulation = cell(shell, "mop_simulate a -n 10 --baseline plain", "What of {Q1.1}?")
    assert len(simulation) == 10
    for name in ("mop_fit", "mop_simulate b -n 10", 'mop_ask c --options "yes|no"'):
        with pytest.raises(DataError, match="doubled braces are literal braces") as caught:
            shell.find_cell_magic(name.split()[0])(name.partition(" ")[2], "What of {{ Q1.1 }}?")
        assert "Write {Q1.1}" in caught.value.hint


def test_the_options_of_a_population(shell: InteractiveShell, study: Study) -> None:
    df = shell.user_ns["df"]
    shell.user_ns["df"] = df.rename(columns={"topic": "the topic"}).assign(age=30, w=2.0)
    population = line(
        shell,
        "mop_population df --context 'the topic, age' --response text --weight w"
        " --held-out 0.25 --seed 7",
    )
    assert isinstance(population, Population)
    assert population.context == ("the topic", "age")
    assert (population.weight, len(population), len(study.target)) == ("w", 354, 126)
    everyone = Population.from_frame(
        shell.user_ns["df"], context=["the topic", "age"], response="text", weight="w"
    )
    assert population.responses == everyone.split(0.75, random_state=7)[0].responses


def test_the_options_of_a_simulation(shell: InteractiveShell, ready: Study) -> None:
    simulation = cell(
        shell,
        "mop_simulate 'my own' -n 9 --weights sunny=0.2,rainy=0.8 --temperature 0.3"
        " --top-p 0.6 --max-tokens 3 --seed 5",
        "What of {topic}?\n",
    )
    facts = simulation.provenance
    assert (simulation.name, len(simulation)) == ("my own", 9)
    assert (facts["temperature"], facts["top_p"], facts["max_tokens"]) == (0.3, 0.6, 3)
    assert (facts["seed"], facts["template"]) == (5, "What of {topic}?")
    assert facts["weights"] == "sunny=0.200, rainy=0.800, windy=0.000"
    assert {len(text.split()) for text in simulation.responses} == {3}
    assert ready.simulations["my own"] is simulation


@pytest.mark.parametrize("weights", ["uniform", "stated", "panel", "mine", "'uniform'"])
def test_every_word_for_weights(shell: InteractiveShell, ready: Study, weights: str) -> None:
    shell.user_ns["mine"] = ready.panel_weights = {"sunny": 0.0, "rainy": 1.0, "windy": 0.0}
    simulation = line(shell, f"mop_simulate a -n 60 --weights {weights}")
    only_rainy = weights in ("panel", "mine")
    assert (set(simulation.frame["persona"]) == {"rainy"}) == only_rainy


@pytest.mark.usefixtures("ready")
def test_values_can_be_assigned(shell: InteractiveShell) -> None:
    result = shell.run_cell("sims = %mop_simulate a -n 20\nn = len(sims)")
    assert result.success
    assert isinstance(shell.user_ns["sims"], Simulation)
    assert shell.user_ns["n"] == 20


def test_the_weights_panel_moves_the_simulation(shell: InteractiveShell, ready: Study) -> None:
    panel = line(shell, "mop_weights")
    assert isinstance(panel, WeightsPanel)
    panel.weights = [0, 0, 1]
    assert ready.panel_weights["windy"] == 1
    simulation = line(shell, "mop_simulate a -n 20 --weights panel")
    assert set(simulation.frame["persona"]) == {"windy"}


def test_a_backend_from_a_variable(shell: InteractiveShell, ready: Study) -> None:
    shell.user_ns["toy"] = ToyBackend(WORDS, length=2)
    status = line(shell, "mop_backend toy")
    assert status["model"] == shell.user_ns["toy"].fingerprint
    assert ready.backend.backend is shell.user_ns["toy"]


def test_running_a_cell_again_calls_no_model(shell: InteractiveShell, ready: Study) -> None:
    for _ in range(2):
        line(shell, "mop_fit --exemplars 4 --records 40")
        line(shell, "mop_simulate a -n 30")
        counts = (ready.backend.backend.n_scored, ready.backend.backend.n_generated)
    assert (ready.backend.misses, counts[1]) == (0, 30)
    assert ready.store.counts().scores == counts[0]


def test_a_closed_question_is_asked_answered_and_shown(
    shell: InteractiveShell, ready: Study
) -> None:
    answer = cell(
        shell, 'mop_ask sky --options "sun|rain|wind" --weights sunny=0.5', "At {topic}, what?"
    )
    assert isinstance(answer, PopulationAnswer)
    assert ready.answers == {"sky": answer}
    assert line(shell, "mop_ask sky") is answer
    with pytest.raises(DataError, match="no answer 'skz'") as caught:
        line(shell, "mop_ask skz")
    assert "'sky'" in caught.value.hint
    assert answer.persona_weights.tolist() == pytest.approx([0.5, 0.25, 0.25])
    shown = html(shell, answer)
    assert "At {topic}, what?" in shown
    assert "54 options scored" in shown
    assert set(ready.simulations["sky"].responses) == {"sun", "rain", "wind"}
    scale = cell(shell, 'mop_ask s --scale --options "sun|rain" --baseline plain --open', "What?")
    assert scale.question.is_ordered
    assert (scale.is_plain, scale.n) == (True, 4)
    ready.use_backend(ToyBackend([*WORDS, "yes", "no"], length=1))
    drawn = cell(
        shell, 'mop_ask d --options "sun|rain|wind|fog" --method sampled --draws 50', "What?"
    )
    assert drawn.method == "sampled"
    assert 0.6 < drawn.table.matched < 1
    assert "name no option and do not count, such as &#x27;no&#x27;" in html(shell, drawn)
    ready.use_backend(ToyBackend(["yes", "no"], length=1))
    several = cell(shell, 'mop_ask m --multiple --options "fog|wind" --method sampled', "Which?")
    assert several.question.kind == "multiple"
    ready.use_backend(ToyBackend(WORDS))
    last = cell(
        shell,
        """mop_ask s --scale --options "sun|rain|wind" --last wind """
        """--missing "Refused|Don't know" """,
        "What?",
    )
    assert (last.question.last, last.n) == (("wind",), 2 * 3 * 2 * 3)
    ready.use_backend(ToyBackend(["yes", "no"]))
    choice = cell(
        shell,
        'mop_ask m --multiple --options "fog|wind|sun" --separator ";" --exclusive sun',
        "Which?",
    ).question
    assert (choice.separator, choice.exclusive) == (";", "sun")


def test_ways_to_an_answer_are_compared_and_replies_are_rated(
    shell: InteractiveShell, ready: Study
) -> None:
    records = pd.DataFrame({"topic": ["dawn", "dusk"] * 40, "sky": ["sun", "rain", "sun"] * 26 + ["sun"] * 2})  # fmt: skip  # noqa: E501
    ready.use_population(records, context="topic", response="sky")
    ready.use_backend(ToyBackend(["sun", "rain"], length=1))
    compared = cell(shell, "mop_ask --method compare --draws 5 --orders 1", "At {topic}?")
    assert list(compared.answers) == ["scored", "sampled", "anchors"]
    assert "state no percentages" in html(shell, compared)
    assert "Take " in html(shell, compared)
    assert ready.answers == {}
    plan = cell(shell, "mop_ask --method compare --draws 6 --orders 1 --dry-run", "At {topic}?")
    assert plan.calls > 0
    shell.user_ns["mine"] = {"sun": ["sun", "fog"], "rain": ["rain", "wind"]}
    line_ = "mop_ask rated --method anchors --anchors mine --anchor-temperature 0 --draws 5"
    assert cell(shell, line_, "At {topic}?").method == "anchors"
    assert cell(shell, "mop_ask shown --exemplars 2 --orders 1", "At {topic}?").calibration.n == 40
    with pytest.raises(DataError, match="There is no variable 'yours'"):
        cell(shell, "mop_ask --method anchors --anchors yours", "At {topic}?")


def test_a_question_is_escaped(shell: InteractiveShell, ready: Study) -> None:
    ready.use_personas({EVIL: "You say sun.", "b": "You say rain."})
    answer = cell(shell, 'mop_ask e --method sampled --options "<b>sun|rain"', f"{EVIL}?")
    assert "<script" not in html(shell, answer)
    assert "<b>sun" not in html(shell, answer)
    assert "&lt;script" in html(shell, answer)


def magic_named(shell: InteractiveShell, verb: str) -> Any:
    return getattr(shell.magics_manager.registry["MopMagics"], f"mop_{verb}")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_help_starts_with_a_sentence_and_has_an_example_that_parses(
    shell: InteractiveShell, verb: str
) -> None:
    magic = magic_named(shell, verb)
    first, *_, last = magic.parser.description.strip().splitlines()
    assert re.fullmatch(r"[A-Z][^.]+\.", first)
    percents, name, arguments = re.fullmatch(r"Example: (%+)(\w+)\s*(.*)", last.strip()).groups()
    kind = {"%": "line", "%%": "cell"}[percents]
    assert name == f"mop_{verb}"
    assert name in shell.magics_manager.magics[kind]
    magic.parser.parse_argstring(arguments)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_help_of_an_argument_is_sentences_that_name_the_default_once(
    shell: InteractiveShell, verb: str
) -> None:
    parser = magic_named(shell, verb).parser
    for action in parser._actions:
        text = parser._get_formatter()._expand_help(action)
        assert text[-1] in ".)"
        assert "%%" not in text.replace("%%mop_", "")
        assert text.count("Default: ") <= 1
        if action.default not in (None, True, False):
            shown = action.default
            shown = ",".join(map(str, shown)) if isinstance(shown, tuple) else shown
            assert text.endswith(f" Default: {shown}.")


def test_a_percent_sign_in_the_help_of_an_argument_is_escaped() -> None:
    def magic(line: str) -> None:
        """Do nothing."""

    level = argument("--level", type=float, default=5.0, help="In %s.")
    decorated = magic_arguments()(level(magic))
    assert "--level X  In %s. Default: 5.0." in decorated.__doc__


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_help_shows_the_description_and_lists_the_options(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    shell.run_cell(f"%mop_{verb}?")
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    magic = magic_named(shell, verb)
    assert f"%mop_{verb}" in text
    assert magic.parser.description.splitlines()[0].strip() in text
    for action in magic.parser._actions:
        for option in action.option_strings:
            assert option in text


@pytest.mark.parametrize(
    ("text", "body", "expected", "words"),
    [
        ("mop_personas", "sunny:", DataError, ["'sunny'", "no description"]),
        ("mop_personas", "a: x\na: y", DataError, ["unique"]),
        ("mop_personas", "a [-1]: x\nb: y", DataError, ["zero or more"]),
        ("mop_personas", "a [0]: x", DataError, ["sum to zero"]),
        ("mop_personas", None, DataError, ["%%mop_personas"]),
        ("mop_personas nowhere.yaml", None, DataError, ["nowhere.yaml"]),
        ("mop_population dff --context a --response b", None, DataError, ["'dff'"]),
        ("mop_population df --context a --response text", None, DataError, ["'a'", "topic"]),
        ("mop_population df --context topic --response b", None, DataError, ["'b'"]),
        ("mop_population none --context topic --response text", None, DataError, ["no rows"]),
        ("mop_population holes --context topic --response text", None, DataError, ["no response"]),
        (
            "mop_population df --context topic --response text --held-out 1",
            None,
            DataError,
            ["one part empty"],
        ),
        ("mop_fit", "What of {genre}?", DataError, ["genre"]),
        ("mop_fit --records 3", None, DataError, ["n_records"]),
        ("mop_simulate", "What of {genre}?", DataError, ["genre"]),
        ("mop_simulate", "{", DataError, ["brace"]),
        ("mop_simulate -n 0", None, DataError, ["at least 1"]),
        ("mop_simulate --weights best", None, DataError, ["'best'"]),
        ("mop_simulate --weights nobody=1", None, DataError, ["'nobody'"]),
        ("mop_simulate --weights sunny=-1", None, DataError, ["zero or more"]),
        ("mop_simulate --weights learned", None, NotFittedError, ["%mop_fit"]),
        ("mop_simulate --weights panel", None, NotFittedError, ["%mop_weights"]),
        ("mop_simulate --temperature -1", None, DataError, ["temperature"]),
        ("mop_ask skz", None, DataError, ["no answer 'skz'"]),
        ("mop_ask", "Sun or rain?", DataError, ["no options", "--options"]),
        ('mop_ask --options "sun"', "Which?", DataError, ["at least two options"]),
        ('mop_ask --options "sun|Sun"', "Which?", DataError, ["twice"]),
        ('mop_ask --options "sun||rain"', "Which?", DataError, ["empty"]),
        ('mop_ask --options "sun|rain" --scale --multiple', "Which?", DataError, ["not both"]),
        ("mop_ask --last Other", "Which?", DataError, ["--last", "need options"]),
        ('mop_ask --options "sun|rain" --last fog', "Which?", DataError, ["'fog' is not one"]),
        ("mop_ask --scale", "Which?", DataError, ["need options"]),
        ('mop_ask --options "sun|rain"', "At {hour}?", DataError, ["hour"]),
        (
            'mop_ask --options "sun|rain" --orders 0',
            "Which?",
            DataError,
            ["`n_orders` (--orders) must be at least 1, got 0"],
        ),
        (
            'mop_ask --options "sun|rain" --weights learned',
            "Which?",
            NotFittedError,
            ["%mop_fit"],
        ),
        ("mop_align nothing", None, DataError, ["'nothing'"]),
        ("mop_align", None, DataError, ["no simulation"]),
        ("mop_backend df", None, ModelError, ["DataFrame"]),
        ("mop_calibrate a --targets none_such", None, DataError, ["'none_such'", "targets ="]),
        ("mop_calibrate a --targets df", None, DataError, ["'a'"]),
        ("mop_estimate a", None, DataError, ["'a'"]),
        ("mop_diagnose", None, NotFittedError, ["%mop_simulate"]),
        ("mop_composition --by topic", None, NotFittedError, ["%mop_fit"]),
        ("mop_save mix", None, NotFittedError, ["%mop_fit"]),
        ("mop_load 'no such folder'", None, DataError, ["'no such folder'", "wrote"]),
    ],
)
@pytest.mark.usefixtures("ready")
def test_an_error_is_a_short_block_with_a_hint_and_changes_nothing(
    shell: InteractiveShell, text: str, body: str | None, expected: type[MopError], words: list[str]
) -> None:
    study = shell.magics_manager.registry["MopMagics"].study
    df = shell.user_ns["df"]
    shell.user_ns.update(none=df.head(0), holes=df.assign(text=None))
    before = (study.personas, study.population, study.target, study.mixture, study.panel_weights)
    with pytest.raises(expected) as caught:
        line(shell, text) if body is None else cell(shell, text, body)
    lines = caught.value._render_traceback_()
    assert len(lines) == 2
    assert all(len(shown) < 300 for shown in lines)
    for word in words:
        assert word in "".join(lines)
    after = (study.personas, study.population, study.target, study.mixture, study.panel_weights)
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert study.simulations == {}


@pytest.mark.parametrize("verb", ["fit", "simulate", "synthesize"])
@pytest.mark.usefixtures("ready")
def test_a_value_outside_its_limit_names_the_argument(shell: InteractiveShell, verb: str) -> None:
    with pytest.raises(DataError, match=r"`random_state` \(--seed\) must be at least 0, got -1"):
        shell.run_line_magic(f"mop_{verb}", "--seed -1")


@pytest.mark.parametrize(
    "text",
    [
        "mop_population df",
        "mop_simulate -n x",
        "mop_simulate a b",
        "mop_simulate --tempo 1",
        "mop_fit --seed x",
        "mop_fit --records many",
        "mop_synthesize -k many",
        "mop_synthesize --as",
        "mop_simulate --mix two",
        "mop_synthesize --ladder 2,x",
        "mop_population df --context topic --response text --seed -1",
        "mop_align --seed -1",
        "mop_status now",
        "mop_calibrate a",
        "mop_estimate",
        "mop_estimate a --level high",
        "mop_diagnose --copied some",
        "mop_composition",
        "mop_save",
        "mop_load a b",
    ],
)
@pytest.mark.usefixtures("ready")
def test_a_mistyped_line_is_a_usage_error(shell: InteractiveShell, text: str) -> None:
    with pytest.raises(UsageError):
        line(shell, text)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("mop_simulate a --wieghts uniform", "Did you mean --weights?"),
        ("mop_fit --exemplar_count 3", "Did you mean --exemplars?"),
        ("mop_align --bye topic", "Did you mean --by?"),
        ("mop_status --zzz", "The options are"),
        ("mop_population dff --context topic --response text", "Did you mean 'df'?"),
        ("mop_simulate a --weights unifrom", "Did you mean 'uniform'?"),
        ("mop_simulate a --baseline plian", "Did you mean 'plain'?"),
        ("mop_synthesize --as voice", "Did you mean 'voices'?"),
        ("mop_calibrate a --targets dff", "Did you mean 'df'?"),
        ("mop_align frist", "Did you mean 'first'?"),
        ("mop_chat sunnny", "sunny"),
        ("mop_population df --context topc --response text", "Did you mean 'topic'?"),
        ("mop_population df --context topic text --response text", "names with commas"),
        ("mop_report", "Example: %mop_report learned report.html"),
        ("mop_survey df --questions txt --context topic", "Did you mean 'text'?"),
    ],
)
def test_a_misspelt_option_or_name_gets_the_nearest(
    shell: InteractiveShell, ready: Study, text: str, near: str
) -> None:
    ready.simulate("first", 5)
    with pytest.raises((UsageError, DataError)) as raised:
        line(shell, text)
    assert near in str(raised.value)


def test_the_map_has_every_magic_in_the_order_of_use(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = line(shell, "mop")
    names = [name.lstrip("%") for name in shown["magic"]]
    assert set(names) == {f"mop_{verb}" for verb in VERBS}
    used = ["mop_population", "mop_personas", "mop_fit", "mop_simulate", "mop_align", "mop_report"]
    assert [name for name in names if name in used] == used
    assert all(text.endswith(".") for text in shown["what it does"])
    shell.run_cell("%mop?")
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(f"%{name} " in text for name in names)
    assert text.index("%%mop_fit ") < text.index("%mop_align ")


def test_loading_says_once_where_the_map_is(
    capsys: pytest.CaptureFixture[str], shell: InteractiveShell
) -> None:
    assert "%mop shows the magics in the order of use" in capsys.readouterr().out
    shell.run_line_magic("reload_ext", "jupyter_mop")
    assert capsys.readouterr().out == ""


def test_a_magic_run_too_early_names_the_magic_to_run_first(shell: InteractiveShell) -> None:
    for text in ("mop_fit", "mop_simulate", "mop_weights", "mop_synthesize"):
        with pytest.raises(NotFittedError, match=r"%mop_population|%%mop_personas"):
            line(shell, text)


@pytest.mark.parametrize("text", ["mop_fit", "mop_simulate"])
def test_a_magic_run_too_early_loads_no_model(
    shell: InteractiveShell, tmp_path: Path, text: str
) -> None:
    mop: Any = shell.magics_manager.registry["MopMagics"]
    mop.study = Study(store=tmp_path / "store.sqlite")
    with pytest.raises(NotFittedError, match="%mop_population"):
        line(shell, text)
    assert "backend" not in vars(mop.study.session)


def test_shares_without_a_survey_point_to_the_shares_of_an_answer(
    shell: InteractiveShell, ready: Study
) -> None:
    answer = cell(shell, 'mop_ask sky --options "sun|rain"', "At {topic}, what?")
    with pytest.raises(NotFittedError) as raised:
        line(shell, "mop_shares text --by topic")
    assert "answer = %mop_ask sky, then answer.by('topic')" in str(raised.value)
    assert set(answer.by("topic")["group"]) == {"everyone", "dawn", "dusk"}
    assert "<th" in (shown := html(shell, answer))
    assert "topic: dawn" in shown
    assert len(ready.answers) == 1


@pytest.mark.usefixtures("ready")
def test_a_result_of_another_cell_is_overwritten_only_with_replace(
    shell: InteractiveShell, ready: Study
) -> None:
    def run(code: str, cell: str) -> BaseException | None:
        with capture_output():
            return shell.run_cell(code, cell_id=cell).error_in_exec

    assert run("%mop_simulate a -n 120 --weights uniform", "one") is None
    assert run("%mop_simulate a -n 130 --weights uniform", "one") is None
    error = run("%mop_simulate a -n 140", "two")
    assert isinstance(error, DataError)
    assert "'a' is a result of another cell" in str(error)
    assert "--replace" in str(error)
    assert len(ready.simulations["a"]) == 130
    assert run("%mop_simulate a -n 140 --dry-run", "two") is None
    assert isinstance(run("%mop_reweight a --weights sunny=0.5 --as a", "two"), DataError)
    assert run("%mop_reweight a --weights sunny=0.5 --as a_2", "two") is None
    assert run("%mop_reweight a --weights sunny=0.4 --as a_2", "two") is None
    question = '%%mop_ask a --options "sun|rain"\nHow is {topic}?'
    assert isinstance(run(question, "three"), DataError)
    assert run(question.replace("mop_ask a", "mop_ask a --replace"), "three") is None
    assert isinstance(run("%mop_simulate a -n 120", "one"), DataError)
    with capture_output():
        shell.run_line_magic("reload_ext", "jupyter_mop")
    assert isinstance(run("%mop_simulate a -n 120", "one"), DataError)
    line(shell, "mop_simulate a -n 120 --replace")
    assert len(ready.simulations["a"]) == 120


@pytest.mark.usefixtures("ready")
def test_without_cells_nothing_is_refused(shell: InteractiveShell) -> None:
    for n in (120, 130):
        with capture_output():
            assert shell.run_cell(f"%mop_simulate a -n {n}").error_in_exec is None


def test_an_interrupted_run_is_continued_from_the_cache(
    shell: InteractiveShell, ready: Study
) -> None:
    model = StoppedBackend(WORDS)
    ready.use_backend(model)
    with pytest.raises(Interrupted, match="Stopped after 37 of 100"):
        line(shell, "mop_simulate a -n 100 --candidates 1")
    assert ready.store.counts().completions == 37
    assert ready.simulations == {}
    assert len(line(shell, "mop_simulate a -n 100 --candidates 1")) == 100
    assert model.n_generated == 38 + 63


def test_model_output_is_escaped(shell: InteractiveShell, ready: Study) -> None:
    ready.use_backend(EvilBackend(WORDS))
    evil_name = "<i>sunny</i>"
    shell.user_ns["people"] = {evil_name: f"{EVIL} You say sun."}
    values = [
        line(shell, "mop_personas people"),
        line(shell, "mop_simulate <u>a</u> -n 120"),
        line(shell, "mop_align"),
        line(shell, "mop_status"),
        line(shell, "mop_weights"),
    ]
    assert all(EVIL in text for text in values[1].responses)
    for value in values:
        text = html(shell, value)
        assert text
        for markup in ("<script", "<img", "<i>", "<u>"):
            assert markup not in text


def notebook(*cells: str) -> nbformat.NotebookNode:
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    return nbformat.v4.new_notebook(cells=made)


@pytest.mark.parametrize(
    ("text", "name"),
    [("%mop_align", "NotFittedError"), ("%mop_simulate -n x", "UsageError"),
     ("%mop_population dff --context a --response b", "DataError")],
)  # fmt: skip
def test_run_all_stops_at_an_error(text: str, name: str) -> None:
    book = notebook("%load_ext jupyter_mop", text, "print('too far')")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    client = NotebookClient(book, kernel_name="python3")
    with pytest.raises(CellExecutionError):
        client.execute(env={**os.environ, "PYTHONPATH": path})
    assert book.cells[2].execution_count is None
    assert book.cells[2].outputs == []
    shown = [o for o in book.cells[1].outputs if o.output_type == "error"]
    if name == "UsageError":
        assert book.cells[1].outputs[0].text.startswith("UsageError: argument -n: invalid int")
    else:
        assert [(o.ename, len(o.traceback)) for o in shown] == [(name, 2)]


def test_a_semicolon_silences_the_cell_and_is_not_parsed(shell: InteractiveShell) -> None:
    shell.user_ns["df"] = pd.DataFrame({"topic": ["tea"] * 20, "text": WORDS * 5})
    with capture_output() as captured:
        result = shell.run_cell("%mop_population df --context topic --response text;")
    assert result.success
    assert captured.stdout == ""


@pytest.mark.usefixtures("ready")
def test_the_panel_opens_on_a_simulation(shell: InteractiveShell) -> None:
    line(shell, "mop_simulate first -n 120 --weights uniform")
    panel = line(shell, "mop_panel first")
    assert isinstance(panel, AlignmentPanel)
    panel.weights = [0.5, 0.3, 0.2]
    heavier = line(shell, "mop_reweight first --weights panel --as heavier")
    assert isinstance(heavier, Simulation)
    assert heavier.weights == pytest.approx(panel.simulation().weights)
    aligned = line(shell, "mop_align first heavier")
    assert isinstance(aligned, Alignment)
    assert list(dict.fromkeys(aligned.frame["method"])) == ["first", "heavier"]


@pytest.mark.usefixtures("ready")
def test_reweighting_takes_shares_by_name(shell: InteractiveShell) -> None:
    line(shell, "mop_simulate first -n 120 --weights uniform")
    made = line(shell, "mop_reweight first --weights sunny=0.9")
    assert isinstance(made, Simulation)
    shares = made.frame.groupby("persona")["weight"].sum() / 120
    assert shares.to_dict() == pytest.approx({"sunny": 0.9, "rainy": 0.05, "windy": 0.05})
    with pytest.raises(UsageError):
        line(shell, "mop_reweight first")


@pytest.mark.usefixtures("ready")
def test_calibrated_weights_are_a_variable_for_the_next_magic(shell: InteractiveShell) -> None:
    line(shell, "mop_simulate first -n 120 --weights uniform --temperature 1 --top-p 1")
    shell.user_ns["head"] = lambda text: "sun" if text.startswith("sun") else "other"
    shell.user_ns["targets"] = pd.Series({"sun": 0.4, "other": 0.6})
    result = shell.run_cell("w = %mop_calibrate first --targets targets --of head")
    assert result.success
    found = shell.user_ns["w"]
    assert isinstance(found, Calibration)
    made = line(shell, "mop_reweight first --weights w --as calibrated")
    sunny = [text.startswith("sun") for text in made.responses]
    assert made.weights[sunny].sum() / 120 == pytest.approx(0.4, abs=1e-3)
    nearer = line(shell, "mop_calibrate first --targets targets --of head --start sunny=0.8")
    assert nearer.start == pytest.approx({"sunny": 0.8, "rainy": 0.1, "windy": 0.1})
    shell.user_ns["targets"] = {"sun": 0.99, "other": 0.01}
    with pytest.raises(DataError, match="--nearest"):
        line(shell, "mop_calibrate first --targets targets --of head")
    assert line(shell, "mop_calibrate first --targets targets --of head --nearest")["sunny"] > 0.9


@pytest.mark.usefixtures("ready")
def test_estimates_and_diagnoses(shell: InteractiveShell) -> None:
    line(shell, "mop_simulate first -n 120 --temperature 1 --top-p 1")
    shell.user_ns.update(head=lambda text: text.split()[0], human=shell.user_ns["df"].head(40))
    alone = line(shell, "mop_estimate first --of head --answer sun")
    assert isinstance(alone, Estimates)
    assert not alone.is_valid
    both = line(shell, "mop_estimate first --of head --human human --answer 'sun' --level 0.8")
    assert (both.is_valid, both.n_human, both.level) == (True, 40, 0.8)
    mended = line(shell, "mop_estimate first --of head --human human --poststratify")
    assert mended.is_post_stratified
    diagnosis = line(shell, "mop_diagnose --copied 3 --seed 2")
    assert isinstance(diagnosis, Diagnosis)
    assert (diagnosis.name, diagnosis.copied) == ("first", 3)
    assert line(shell, "mop_diagnose first --copied 4").copied == 4


def test_a_composition_by_a_hidden_column_or_a_series(
    shell: InteractiveShell, ready: Study
) -> None:
    df = shell.user_ns["df"]
    first = df["text"].str.split().str[0]
    shell.user_ns.update(df=df.assign(first=first), hidden=first, pairs={"sun": "sunny"})
    line(shell, "mop_population df --context topic --response text")
    line(shell, "mop_fit --exemplars 4 --records 60 --components 12")
    found = line(shell, "mop_composition --by first --match 'sun=sunny, rain=rainy' --seed 2")
    assert isinstance(found, Composition)
    assert (found.by, found.n) == ("first", 60)
    persona_of = dict(found.frame.dropna()[["group", "persona"]].to_numpy())
    assert persona_of == {"sun": "sunny", "rain": "rainy"}
    assert "Total variation" in html(shell, found)
    by_series = line(shell, "mop_composition --by hidden --match pairs")
    assert dict(by_series.frame.dropna()[["group", "persona"]].to_numpy()) == {"sun": "sunny"}
    with pytest.raises(DataError, match="pairs of group and persona"):
        line(shell, "mop_composition --by first --match sunny")
    assert shell.complete("", "%mop_composition --by ", 22)[1] == ["first", "hidden"]
    assert "pairs" in shell.complete("", "%mop_composition --by first --match ", 36)[1]
    assert ready.mixture.composition("first").total_variation == pytest.approx(
        ready.composition(first).total_variation
    )


@pytest.mark.usefixtures("ready")
def test_personas_are_made_from_the_records(shell: InteractiveShell, study: Study) -> None:
    made = line(shell, "mop_synthesize -k 3 --records 60 --draws 2 --shown 3 --seed 1 --weighted")
    assert isinstance(made, Synthesis)
    assert study.personas == made.weighted
    assert made.frame["source"].tolist() == ["keywords"] * 3
    assert study.mixture is None
    shares = made.frame.set_index("name")["share"].to_dict()
    assert study.weights() == pytest.approx(shares)
    assert "You often write about" in html(shell, made)
    simulation = line(shell, "mop_simulate a -n 10")
    assert set(simulation.frame["persona"]) <= set(made.frame["name"])


@pytest.mark.usefixtures("ready")
def test_personas_quote_records_and_a_response_has_two(
    shell: InteractiveShell, study: Study
) -> None:
    assert study.plan("synthesize", 3, form="voices").calls == 0
    made = line(shell, "mop_synthesize -k 3 --as voices")
    assert made.quotes_records
    held_out = set(study.target.responses) - set(study.population.responses)
    quoted = {text for persona in study.personas for text in quoted_texts(persona.description)}
    assert quoted <= set(study.population.responses)
    assert not quoted & held_out
    assert "which quote real records" in html(shell, made)
    line(shell, "mop_fit --exemplars 6 --records 20")
    mixed = line(shell, "mop_simulate mixed -n 30 --mix 2")
    assert max(len(mixed.personas_in_prompt(draw)) for draw in range(30)) == 2
    assert [run.arguments.get("mix") for run in study.runs() if run.verb == "simulate"] == [2]
    assert line(shell, "mop_simulate mixed -n 30 --mix 2 --dry-run").calls == 0
    for text in ("mop_panel mixed", "mop_match mixed", "mop_reweight mixed --weights uniform"):
        with pytest.raises(DataError, match="mixes 2 personas in each prompt"):
            line(shell, text)
    with pytest.raises(DataError, match=r"`form` \(--as\) must be one of .*, got 'poems'"):
        line(shell, "mop_synthesize -k 3 --as poems")
    with pytest.raises(DataError, match=r"`mix` \(--mix\) must be a whole number"):
        line(shell, "mop_simulate bad --mix 0")
    assert line(shell, "mop_diagnose mixed").effects is None
    line(shell, "mop_simulate single -n 90 --candidates 1")
    assert "divergence" in html(shell, line(shell, "mop_diagnose single"))


@pytest.mark.usefixtures("ready")
def test_the_number_of_personas_is_chosen_with_a_curve(
    shell: InteractiveShell, study: Study
) -> None:
    made = cell(shell, "mop_synthesize -k auto --ladder 1,3 --records 80", "What of {topic}?")
    assert made.ladder["k"].tolist() == [1, 3]
    assert len(study.personas) == len(made) == made.ladder.loc[made.ladder["chosen"], "k"].item()
    with capture_output() as captured:
        shell.display_formatter.format(made)
    assert sorted(captured.outputs[0].data) == ["text/html", "text/plain"]
    assert "image/png" in captured.outputs[1].data
    assert "k chosen from 1, 3" in captured.outputs[0].data["text/html"]


@pytest.mark.usefixtures("ready")
def test_exemplars_can_be_stratified_by_a_column_or_clusters(
    shell: InteractiveShell, study: Study
) -> None:
    for stratify in ("topic", "cluster"):
        line(shell, f"mop_fit --exemplars 6 --records 20 --stratify {stratify}")
        assert study.mixture.stratify == stratify
    with pytest.raises(DataError, match="no context column 'town'"):
        line(shell, "mop_fit --stratify town")


def test_markup_in_a_record_is_escaped_in_a_synthesis(
    shell: InteractiveShell, study: Study
) -> None:
    study.use_backend(EvilBackend(WORDS))
    texts = [f"{EVIL} {word}" for word in WORDS] * 3
    shell.user_ns["df"] = pd.DataFrame({"topic": ["tea"] * 12, "text": texts})
    line(shell, "mop_population df --context topic --response text")
    text = html(shell, line(shell, "mop_synthesize -k 2"))
    assert "script" in text
    assert "<script" not in text
    assert "<img" not in text


def test_explain_takes_a_text_a_cell_or_a_variable(shell: InteractiveShell) -> None:
    study = shell.magics_manager.registry["MopMagics"].study
    with pytest.raises(NotFittedError, match="no mixture"):
        line(shell, "mop_explain sun at dawn")
    frame = pd.DataFrame({"topic": ["sun at dawn", "fog"] * 20, "text": ["sun", "rain sun"] * 20})
    study.use_personas(LINES)
    study.use_population(frame, context="topic", response="text")
    study.fit(n_exemplars=2, n_components=4, n_refits=20)
    assert "low" in study.mixture.summary()
    shell.user_ns["where"] = {"topic": "sun at dawn"}
    found = [
        line(shell, "mop_explain sun at dawn -n 1"),
        line(shell, "mop_explain 'sun at dawn'"),
        line(shell, "mop_explain where"),
        cell(shell, "mop_explain", "sun at dawn\n"),
    ]
    assert {explanation.context for explanation in found} == {"sun at dawn"}
    assert all(explanation.is_known for explanation in found)
    assert len(found[0].frame) == 1


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("colour", ["no context column 'colour'", "['topic']"]),
        ("topic,colour", ["'colour'"]),
        ("text", ["'text'"]),
    ],
)
def test_a_comparison_by_no_context_column_is_refused(
    shell: InteractiveShell, ready: Study, by: str, words: list[str]
) -> None:
    ready.simulate("a", 60)
    with pytest.raises(DataError) as caught:
        line(shell, f"mop_align a --by {by}")
    assert all(word in str(caught.value) for word in words)
    assert ready.alignment is None


def test_a_mixture_is_saved_and_loaded(
    shell: InteractiveShell, ready: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted = line(shell, "mop_fit --exemplars 6 --records 40")
    assert line(shell, "mop_save 'my mixture'") == Path("my mixture")
    names, weights = [p.name for p in ready.personas], ready.weights()
    line(shell, "mop_save mix")
    assert shell.complete("", "%mop_load mi", 12)[1] == ["mix"]
    ready.use_personas(LINES)
    ready.population = ready.target = None
    loaded = line(shell, f"mop_load '{tmp_path / 'my mixture'}'")
    assert isinstance(loaded, MixtureOfPersonas)
    assert loaded is ready.mixture is not fitted
    assert [p.name for p in ready.personas] == names
    assert ready.weights() == pytest.approx(weights)
    assert len(line(shell, "mop_simulate here -n 20")) == 20
