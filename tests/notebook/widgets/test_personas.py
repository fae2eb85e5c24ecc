from __future__ import annotations

import json

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from jupyter_mop import charts
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.charts import PERSONA_COLOURS
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.panels import persona_panel, weights_panel
from jupyter_mop.notebook.widgets.assets import STATIC
from jupyter_mop.study.study import Study

TEXT = "sunny [0.5]: You say sun.\nrainy: You say rain.\nwindy: You say wind."
WORDS = ["sun", "rain", "wind", "fog"]


class FailingBackend(ToyBackend):
    """A model that fails, or is stopped, at every request."""

    error: BaseException = RuntimeError("the <b>cable</b> is out")

    def generate(self, *_arguments, **_options):
        raise self.error


@pytest.fixture
def study(tmp_path):
    texts = ["sun sun", "rain sun", "rain rain", "wind", "fog wind", "sun fog"] * 20
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "store.sqlite")
    study.use_personas(TEXT)
    frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 60, "text": texts})
    study.use_population(frame, context="topic", response="text")
    yield study
    study.store.close()


@pytest.fixture
def panel(study):
    """Return a panel that a view has opened."""
    panel = persona_panel(study)
    ask(panel, "find_nearest")
    return panel


def ask(panel, do, **rest):
    """Send what a view sends."""
    content = {"do": do, **rest}
    panel._handle_msg(
        {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    )


def names(study):
    return [persona.name for persona in study.personas]


def test_a_card_has_persona_share_and_nearest_records(study, panel):
    assert panel.personas[0] == {"name": "sunny", "description": "You say sun.", "weight": 0.5}
    assert [card["share"] for card in panel.cards] == [0.5, 0.25, 0.25]
    assert [card["nearest"][0]["response"] for card in panel.cards] == [
        "sun sun",
        "rain rain",
        "wind",
    ]
    assert panel.cards[0]["nearest"][0]["cosine"] == pytest.approx(1)
    assert not panel.fitted
    assert panel.notice == ""
    assert panel.colours == list(PERSONA_COLOURS[: len(panel.personas)])
    assert names(study) == ["sunny", "rainy", "windy"]


def test_nearest_records_are_found_when_a_view_opens(study):
    panel = persona_panel(study)
    assert (study.encoder.total_misses, panel.cards[0]["nearest"]) == (0, [])
    assert "nearest" not in panel._repr_mimebundle_()[0]["text/html"]
    ask(panel, "find_nearest")
    assert len(panel.cards[0]["nearest"]) == 3
    assert "<td>You say sun.</td><td>sun sun</td>" in panel._repr_mimebundle_()[0]["text/html"]


def test_opening_a_panel_changes_nothing(study):
    mixture, personas = study.fit(n_exemplars=4, n_records=40), study.personas
    panel = persona_panel(study)
    assert study.mixture is mixture
    assert study.personas is personas
    assert not panel.can_undo


def test_every_edit_is_written_to_the_study_at_once(study, panel):
    ask(panel, "name", at=0, text=" bright ")
    assert names(study) == ["bright", "rainy", "windy"]
    ask(panel, "description", at=0, text="You say sun and wind.")
    assert study.personas[0].description == "You say sun and wind."
    ask(panel, "split", at=1)
    assert names(study) == ["bright", "rainy 1", "rainy 2", "windy"]
    ask(panel, "merge", at=0, other=3)
    assert names(study) == ["bright and windy", "rainy 1", "rainy 2"]
    ask(panel, "delete", at=2)
    ask(panel, "add", name="foggy", description="You say fog.")
    assert names(study) == ["bright and windy", "rainy 1", "foggy"]
    assert [persona["name"] for persona in panel.personas] == names(study)
    assert panel.cards[2]["nearest"][0]["response"] in ("fog wind", "sun fog")


def test_undo_and_redo_go_through_all_edits(study, panel):
    lists = [list(study.personas)]
    for edit in (
        {"do": "split", "at": 0},
        {"do": "delete", "at": 2},
        {"do": "merge", "at": 0, "other": 1},
    ):
        ask(panel, **edit)
        lists.append(list(study.personas))
    for expected in lists[-2::-1]:
        ask(panel, "undo")
        assert study.personas == expected
    assert not panel.can_undo
    for expected in lists[1:]:
        ask(panel, "redo")
        assert study.personas == expected
    assert not panel.can_redo
    ask(panel, "undo")
    ask(panel, "name", at=0, text="other")
    assert not panel.can_redo


def test_undo_and_redo_without_edits_do_nothing(study, panel):
    before = study.personas
    panel.undo()
    panel.redo()
    assert study.personas is before


def test_undo_restores_fit_simulations_and_panel_weights(study):
    mixture = study.fit(n_exemplars=4, n_records=40)
    simulation = study.simulate("first", 5)
    weights = weights_panel(study)
    panel = persona_panel(study)
    learned = [card["share"] for card in panel.cards]
    assert learned == pytest.approx(list(study.weights().values()))
    assert "sets the fit aside" in panel.notice
    ask(panel, "split", at=0)
    assert study.mixture is None
    assert not panel.fitted
    assert "undo restores it" in panel.notice
    panel.undo()
    assert study.mixture is mixture
    assert study.simulations == {"first": simulation}
    assert study.panel_weights == weights.as_dict()
    assert [card["share"] for card in panel.cards] == learned
    weights.weights = [1, 0, 0]
    assert study.panel_weights["sunny"] == 1


def test_a_fit_of_another_population_or_model_is_not_restored(study):
    study.fit(n_exemplars=4, n_records=40)
    panel = persona_panel(study)
    ask(panel, "split", at=0)
    study.use_backend(ToyBackend(WORDS, persona_boost=3))
    panel.undo()
    assert study.mixture is None
    assert not panel.fitted


def test_the_learned_weights_can_be_stated(study):
    study.fit(n_exemplars=4, n_records=40)
    learned = study.weights()
    panel = persona_panel(study)
    ask(panel, "state")
    assert [p.weight for p in study.personas] == pytest.approx(list(learned.values()), abs=1e-4)
    ask(panel, "split", at=0)
    assert study.weights()["sunny 1"] == pytest.approx(learned["sunny"] / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("edit", "part", "words"),
    [
        ({"do": "name", "at": 1, "text": " "}, "name", "needs a name"),
        ({"do": "name", "at": 1, "text": "sunny"}, "name", "already a persona 'sunny'"),
        ({"do": "description", "at": 1, "text": ""}, "description", "needs a description"),
        ({"do": "merge", "at": 1, "other": 1}, "card", "with itself"),
    ],
)
def test_an_invalid_edit_is_shown_on_its_card_and_not_written(study, panel, edit, part, words):
    before, sent = study.personas, []
    panel.observe(lambda change: sent.append(change["new"]), "cards")
    ask(panel, **edit)
    assert study.personas is before
    assert sent == [panel.cards]
    draft = panel.cards[1]["drafts"][part]
    assert words in draft["problem"]
    assert draft["text"] == edit.get("text", "")
    assert not panel.can_undo


def test_a_draft_stays_until_it_is_corrected(study, panel):
    sent = []
    ask(panel, "name", at=1, text="sunny")
    ask(panel, "description", at=0, text="You say fog.")
    assert panel.cards[1]["drafts"]["name"]["text"] == "sunny"
    panel.observe(lambda change: sent.append(change["new"]), "cards")
    ask(panel, "name", at=1, text="rainy")
    assert sent == [panel.cards]
    assert panel.cards[1]["drafts"] == {}
    assert names(study) == ["sunny", "rainy", "windy"]


def test_the_last_persona_cannot_be_deleted(study, panel):
    for _ in range(3):
        ask(panel, "delete", at=0)
    assert names(study) == ["windy"]
    assert "last persona" in panel.cards[0]["drafts"]["card"]["problem"]


def test_an_invalid_new_persona_keeps_the_typed_text(study, panel):
    ask(panel, "add", name="sunny", description="You say fog.")
    assert panel.adding["description"] == "You say fog."
    assert "already" in panel.adding["problem"]
    ask(panel, "add", name="foggy", description="You say fog.")
    assert panel.adding == {}
    assert names(study)[-1] == "foggy"


def test_a_study_without_personas_or_records_can_start_in_the_panel(tmp_path):
    study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=tmp_path / "store.sqlite")
    panel = persona_panel(study)
    assert (panel.personas, panel.cards, panel.cell) == ([], [], "")
    ask(panel, "add", name="sunny", description="You say sun.")
    assert names(study) == ["sunny"]
    ask(panel, "find_nearest")
    assert "no population yet" in panel.nearest_note
    ask(panel, "preview", at=0)
    assert "no population yet" in panel.cards[0]["preview"]["problem"]
    panel.undo()
    assert study.personas == []
    study.store.close()


def test_a_preview_can_be_repeated(study, panel):
    seen = []
    panel.observe(lambda change: seen.append(change["new"][0]["preview"]["busy"]), "cards")
    ask(panel, "preview", at=0)
    first = panel.cards[0]["preview"]
    assert seen == [True, False]
    assert len(first["responses"]) == 2
    assert all(set(responses["response"].split()) <= set(WORDS) for responses in first["responses"])
    assert {responses["context"] for responses in first["responses"]} <= {"dawn", "dusk"}
    ask(panel, "preview", at=0)
    assert panel.cards[0]["preview"]["round"] == 1
    assert study.backend.total_misses == 4
    assert panel.cards[1]["preview"]["responses"] == []


def test_a_preview_is_cached_and_belongs_to_the_description(study, panel):
    ask(panel, "preview", at=0)
    responses = panel.cards[0]["preview"]["responses"]
    ask(panel, "name", at=0, text="bright")
    assert panel.cards[0]["preview"]["responses"] == responses
    ask(panel, "description", at=0, text="You say fog.")
    assert panel.cards[0]["preview"]["responses"] == []
    panel.undo()
    assert panel.cards[0]["preview"]["responses"] == responses
    other = persona_panel(study)
    other.preview(0)
    assert other.cards[0]["preview"]["responses"] == responses
    assert (study.backend.hits, study.backend.misses) == (2, 0)


def test_a_preview_uses_the_template_of_the_fit_after_an_edit(study):
    study.fit("Say something about fog: {topic}", n_exemplars=4, n_records=40)
    panel = persona_panel(study)
    ask(panel, "name", at=0, text="bright")
    assert panel._template() == "Say something about fog: {topic}"
    ask(panel, "preview", at=0)
    assert panel.cards[0]["preview"]["problem"] == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("the <b>cable</b> is out"), "RuntimeError: the <b>cable</b> is out"),
        (DataError("It is too long.", hint="Shorten it."), "It is too long. Shorten it."),
        (KeyboardInterrupt(), "Stopped"),
    ],
)
def test_a_failing_model_is_shown_as_a_sentence_on_the_card(study, error, words):
    failing = FailingBackend(WORDS)
    failing.error = error
    study.use_backend(failing)
    panel = persona_panel(study)
    ask(panel, "preview", at=1)
    sound = panel.cards[1]["preview"]
    assert words in sound["problem"]
    assert not sound["busy"]
    ask(panel, "name", at=1, text="wet")
    assert names(study)[1] == "wet"
    study.use_backend(ToyBackend(WORDS))
    ask(panel, "preview", at=1)
    assert panel.cards[1]["preview"]["problem"] == ""
    assert len(panel.cards[1]["preview"]["responses"]) == 2


def test_the_study_previews_a_persona_by_name_and_finds_its_nearest_records(study):
    responses = study.preview("rainy", 3)
    assert set(responses.frame["persona"]) == {"rainy"}
    assert len(responses) == 3
    assert list(study.nearest(2)["persona"]) == [
        "sunny",
        "sunny",
        "rainy",
        "rainy",
        "windy",
        "windy",
    ]
    with pytest.raises(DataError, match="'rainey'") as caught:
        study.preview("rainey")
    assert "'rainy'" in caught.value.hint


def test_personas_changed_elsewhere_are_shown_and_not_overwritten(study, panel):
    study.use_personas("a: You say sun.\nb: You say rain.")
    ask(panel, "delete", at=0)
    assert names(study) == ["a", "b"]
    assert [persona["name"] for persona in panel.personas] == ["a", "b"]
    assert "outside this panel" in panel.notice
    panel.undo()
    assert names(study) == ["sunny", "rainy", "windy"]


def test_a_message_about_a_removed_card_changes_nothing(study, panel):
    before = study.personas
    ask(panel, "delete", at=7)
    ask(panel, "merge", at=0, other=3)
    assert study.personas is before


def test_a_fit_made_elsewhere_is_shown_when_the_panel_is_shown_again(study, panel):
    study.fit(n_exemplars=4, n_records=40)
    panel._repr_mimebundle_()
    assert panel.fitted
    assert panel.cards[0]["share"] == pytest.approx(study.weights()["sunny"])


def test_assigning_in_python_is_an_edit(study, panel):
    panel.personas = {"a": "You say sun.", "b": {"description": "You say fog.", "weight": 0.3}}
    assert [(p.name, p.weight) for p in study.personas] == [("a", None), ("b", 0.3)]
    panel.undo()
    assert names(study) == ["sunny", "rainy", "windy"]
    for bad in ("a:", [{"name": "a", "description": ""}], [], 3):
        with pytest.raises(DataError):
            panel.personas = bad
    assert names(study) == ["sunny", "rainy", "windy"]


def test_the_magic_opens_the_panel_for_current_or_given_personas(shell):
    empty = shell.run_line_magic("mop_personas", "--edit")
    assert empty.personas == []
    panel = shell.run_cell_magic("mop_personas", "--edit", TEXT)
    assert [persona["name"] for persona in panel.personas] == ["sunny", "rainy", "windy"]
    ask(panel, "split", at=0)
    again = shell.run_line_magic("mop_personas", "--edit")
    assert [persona["name"] for persona in again.personas][:2] == ["sunny 1", "sunny 2"]
    shell.user_ns["people"] = {"a": "You say sun."}
    assert len(shell.run_line_magic("mop_personas", "--edit people").personas) == 1


def test_the_cell_makes_the_same_personas(study, panel):
    ask(panel, "name", at=0, text='odd: [name] "x"')
    ask(panel, "description", at=1, text="two\nlines: \u2028 three")
    first, _, body = panel.cell.partition("\n")
    assert first == "%%mop_personas"
    edited = study.personas
    assert study.use_personas(body) == edited


def test_synced_state_is_plain_json(study):
    study.fit(n_exemplars=4, n_records=40)
    panel = persona_panel(study)
    panel.find_nearest()
    panel.preview(0)
    ask(panel, "name", at=1, text="")
    state = panel.get_state(["personas", "cards", "adding", "cell", "notice", "colours"])
    assert json.loads(json.dumps(state, allow_nan=False)) == json.loads(json.dumps(state))


def test_long_responses_are_clipped(study):
    frame = pd.DataFrame(
        {
            "topic": "x",
            "text": ["sun " * 30_000 + str(i) if i % 4 == 0 else f"sun {i}" for i in range(16)],
        }
    )
    study.use_population(frame, context="topic", response="text")
    panel = persona_panel(study)
    panel.find_nearest()
    assert len(panel.cards[0]["nearest"]) == 3
    assert len(json.dumps(panel.cards)) < 20_000


def test_the_bundle_has_a_live_view_and_a_static_table(study):
    study.use_personas([{"name": "<b>a</b>", "description": "<script>x</script> & sun"}])
    panel = persona_panel(study)
    data, _ = DisplayFormatter().format(panel)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert data["text/plain"] == "PersonaPanel(<b>a</b>)"
    still = data["text/html"]
    assert "<td>&lt;b&gt;a&lt;/b&gt;</td><td>100.0%</td>" in still
    assert "&lt;script&gt;x&lt;/script&gt; &amp; sun" in still
    assert "<b>" not in still
    assert "<script>" not in still


@pytest.mark.parametrize(("name", "limit"), [("personas.js", 15_000), ("personas.css", 7_000)])
def test_the_scripts_stay_small(name, limit):
    text = (STATIC / "personas" / name).read_text(encoding="utf-8")
    assert len(text.encode()) < limit
    assert "http" not in text
    assert "innerHTML" not in text


def test_colours_stay_when_a_persona_is_added_or_removed(study):
    panel = persona_panel(study)
    before = dict(zip((p["name"] for p in panel.personas), panel.colours, strict=True))
    ask(panel, "add", name="new", description="You say fog.")
    ask(panel, "delete", at=0)
    now = dict(zip((p["name"] for p in panel.personas), panel.colours, strict=True))
    assert {name: now[name] for name in before if name in now} == {
        name: colour for name, colour in before.items() if name in now
    }
    assert len(set(panel.colours)) == len(panel.personas)
    assert panel.colours == charts.persona_colours(now)
    first = panel.personas[0]["name"]
    ask(panel, "name", at=0, text="renamed")
    assert panel.colours[0] == now[first]
    while panel.can_undo:
        ask(panel, "undo")
    assert dict(zip(before, panel.colours, strict=True)) == before
