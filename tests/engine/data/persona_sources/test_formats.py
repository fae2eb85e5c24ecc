from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.errors import DataError

HUB = [{"persona": "A nurse from Lisbon."}, {"persona": "A cook who sings."}]
HUB_PERSONAS = [
    Persona("persona 1", "A nurse from Lisbon."),
    Persona("persona 2", "A cook who sings."),
]
AGENTS = {
    "agent_list": [
        {
            "traits": {"age": 22, "hair": "brown"},
            "edsl_version": "0.1.50",
            "edsl_class_name": "Agent",
        },
        {
            "traits": {"age": 51},
            "name": "Robin",
            "instruction": "Answer as a voter.",
            "codebook": {"age": "Age in years"},
            "traits_presentation_template": "",
            "edsl_class_name": "Agent",
        },
        {"traits": {"persona": "You are a student."}, "edsl_class_name": "Agent"},
    ],
    "edsl_version": "0.1.50",
    "edsl_class_name": "AgentList",
}
LISA: dict[str, Any] = {
    "type": "TinyPerson",
    "persona": {
        "name": "Lisa Carter",
        "age": 28,
        "occupation": {"title": "Data Scientist", "organization": "a search team"},
        "skills": ["Python", "SQL"],
    },
}


@pytest.fixture(autouse=True)
def _no_warnings(request: pytest.FixtureRequest) -> Any:
    with warnings.catch_warnings():
        if "warns" not in request.node.name:
            warnings.simplefilter("error")
        yield


def test_personahub_rows_are_read_from_a_file_a_list_and_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "persona.jsonl"
    path.write_text("\n".join(map(json.dumps, HUB)), encoding="utf-8")
    assert read_personas(path) == HUB_PERSONAS
    assert read_personas(HUB) == HUB_PERSONAS
    assert read_personas(pd.DataFrame(HUB)) == HUB_PERSONAS


def test_personahub_examples_are_read_and_warns_of_what_is_not_used() -> None:
    row = {"input persona": HUB[0]["persona"], "synthesized text": "t", "description": "math"}
    with pytest.warns(UserWarning, match="not used: synthesized text, description"):
        assert read_personas([row]) == HUB_PERSONAS[:1]


def test_nemotron_personas_are_read_and_warns_of_what_is_not_used() -> None:
    columns = ["uuid", "professional_persona", "sports_persona", "arts_persona", "persona", "age"]
    frame = pd.DataFrame([["0f", "p", "s", "a", "Mary is a nurse.", 28]], columns=columns)
    with pytest.warns(UserWarning, match="not used: uuid, professional_persona, sports_persona"):
        assert read_personas(frame) == [Persona("persona 1", "Mary is a nurse.")]


def test_agents_of_edsl_are_read_with_traits_instruction_and_codebook(tmp_path: Path) -> None:
    path = tmp_path / "agents.json"
    path.write_text(json.dumps(AGENTS), encoding="utf-8")
    expected = [
        Persona("agent 1", "Your traits:\nage: 22\nhair: brown"),
        Persona("Robin", "Answer as a voter.\nYour traits:\nAge in years: 51"),
        Persona("agent 3", "You are a student."),
    ]
    assert read_personas(path) == expected
    assert read_personas(AGENTS) == expected
    assert read_personas(AGENTS["agent_list"]) == expected
    assert read_personas(AGENTS["agent_list"][0]) == expected[:1]  # type: ignore[index]


def test_agents_of_tinytroupe_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "Lisa.agent.json"
    path.write_text(json.dumps(LISA), encoding="utf-8")
    description = (
        "You are Lisa Carter.\nage: 28\noccupation:\n  title: Data Scientist\n"
        "  organization: a search team\nskills:\n- Python\n- SQL"
    )
    assert read_personas(path) == [Persona("Lisa Carter", description)]
    assert read_personas([LISA]) == [Persona("Lisa Carter", description)]


def test_a_saved_memory_of_tinytroupe_warns() -> None:
    with pytest.warns(UserWarning, match="not used: episodic_memory"):
        read_personas({**LISA, "episodic_memory": {"memory": []}})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"type": "Fragment", "persona": {"beliefs": ["x"]}}, "'Fragment' of TinyTroupe"),
        ({"json_serializable_class_name": "TinyPerson", "_persona": {}}, "of TinyTroupe"),
        (
            {"agent_list": [{"traits": {"age": 1}, "traits_presentation_template": "{{age}}"}]},
            "agent 1 of EDSL with 'traits_presentation_template'",
        ),
        ({"agent_list": [], "codebook": {"age": "Age"}}, "an EDSL AgentList with 'codebook'"),
        ([{"edsl_class_name": "AgentList", "n_agents": 1}], "it has no traits"),
        ({"personas": [{"name": "a", "description": "x"}]}, "'personas' must be a text"),
        ([{"id": 1, "text": "A nurse."}], "needs a name"),
    ],
)
def test_what_cannot_be_read_with_certainty_is_refused_by_name(source: object, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_personas(source)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["Weight", "WEIGHT", " weight "])
def test_a_weight_column_counts_in_any_case(name: str) -> None:
    frame = pd.DataFrame({"Name": ["a", "b"], "description": ["x", "y"], name: [0.75, 0.25]})
    assert [persona.weight for persona in read_personas(frame)] == [0.75, 0.25]
    assert [persona.weight for persona in read_personas(frame.to_dict("records"))] == [0.75, 0.25]


def test_columns_with_several_levels_are_refused() -> None:
    frame = pd.DataFrame([["a", "x"]], columns=pd.MultiIndex.from_product([["p"], ["name", "b"]]))
    with pytest.raises(DataError, match="MultiIndex"):
        read_personas(frame)
