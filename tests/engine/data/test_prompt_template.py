from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import (
    PromptTemplate,
    placeholder,
    template_or_context,
)
from jupyter_mop.errors import DataError

PERSONA = Persona("critic", "You review {films}.")
EXEMPLAR = Exemplar({"mood": "sad", "year": "1999"}, "Not {that} good.")
RECORD = {"mood": "happy", "year": "2001"}

columns = st.text(max_size=12) | st.text('{}"a. ', max_size=5)


def messages(template: PromptTemplate, **parts: object) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in template.render(RECORD, **parts).messages]


def test_the_messages_are_persona_exemplars_and_question() -> None:
    template = PromptTemplate("A {mood} word of {year}?")
    question = ("user", "A happy word of 2001?")
    system = ("system", "You review {films}.")
    past = [("user", "A sad word of 1999?"), ("assistant", "Not {that} good.")]
    assert messages(template) == [question]
    assert messages(template, persona=PERSONA) == [system, question]
    assert messages(template, exemplars=(EXEMPLAR,)) == [*past, question]
    assert messages(template, persona=PERSONA, exemplars=(EXEMPLAR,)) == [system, *past, question]
    second = Exemplar({"mood": "calm", "year": "2005"}, "Fine.")
    more = [("user", "A calm word of 2005?"), ("assistant", "Fine.")]
    assert messages(template, exemplars=[EXEMPLAR, second]) == [*past, *more, question]


def test_double_braces_are_literal_braces() -> None:
    assert messages(PromptTemplate('{{"mood": "{mood}"}}')) == [("user", '{"mood": "happy"}')]


def test_values_of_a_record_are_not_templates() -> None:
    prompt = PromptTemplate("{a}{b}").render({"a": "{b}{0.__class__}", "b": "x"})
    assert prompt.messages[0].content == "{b}{0.__class__}x"


def test_the_template_is_stripped() -> None:
    assert PromptTemplate("\n {mood}\n\n").text == "{mood}"


def test_check_refuses_an_unknown_column() -> None:
    template = PromptTemplate("{mood} {genre}")
    assert template.columns == {"mood", "genre"}
    template.check(["mood", "genre", "year"])
    with pytest.raises(DataError) as caught:
        template.check(["mood", "year"])
    assert "{genre}" in caught.value.message
    assert "'mood', 'year'" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "{",
        "}",
        "{mood",
        "mood}",
        "{}",
        "{mood:{year}}",
        '{"mood}',
        '{"mood"x}',
        '{"mood": 1}',
    ],
)
def test_an_invalid_template_is_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        PromptTemplate(text)
    assert caught.value.hint


@given(st.dictionaries(columns, st.text(), min_size=1), st.text())
def test_any_column_and_value_are_rendered_literally(record: dict[str, str], rest: str) -> None:
    rest = f"x{rest}x"
    assume("{" not in rest or not any(name.strip() for name in record))  # as in Jinja: refused
    escaped = rest.replace("{", "{{").replace("}", "}}")
    template = PromptTemplate(escaped + "".join(map(placeholder, record)) + "|")
    template.check(record)
    content = template.render(record).messages[-1].content
    assert content == rest + "".join(record.values()) + "|"


@pytest.mark.parametrize("name", ["0", "2024", "my column", " padded ", "größe", "a-b"])
def test_a_column_name_can_be_any_plain_text(name: str) -> None:
    prompt = PromptTemplate(f"<{{{name}}}>").render({name: "x"})
    assert prompt.messages[0].content == "<x>"


@pytest.mark.parametrize(
    "name",
    ["Q1.1", "Q1[SQ001]", "Age, in years", "Really!", "Q1: age?", "1", "{a}", '"a"', " ", ""],
)
def test_the_default_template_has_any_column(name: str) -> None:
    template = template_or_context(None, [name, "mood"])
    template.check([name, "mood"])
    assert template.question({name: "x", "mood": "happy"}) == "x, happy"


@pytest.mark.parametrize("text", ["{mood.__class__}", "{mood[0]}", "{mood!r}", "{mood:>9}"])
def test_formats_and_attributes_are_no_columns(text: str) -> None:
    with pytest.raises(DataError, match="is not a context column"):
        PromptTemplate(text).check(["mood"])


@pytest.mark.parametrize("text", ["{{ mood }}", "{{mood}}", "{{ Mood }}", "{{ mood | upper }}"])
def test_a_column_in_doubled_braces_is_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        PromptTemplate(f"A {text} word.").check(["year", "mood"])
    assert text in caught.value.message
    assert caught.value.hint == "Write {mood} for the column 'mood'."


@pytest.mark.parametrize("text", ["{{mode}}", '{{"mood": "{mood}"}}', "{{{mood}}}", "{{ 1, 2 }}"])
def test_other_doubled_braces_are_literal(text: str) -> None:
    template = PromptTemplate(text)
    template.check(["mood"])
    expected = text.replace("{mood}", "<>").replace("{{", "{").replace("}}", "}")
    assert template.question({"mood": "<>"}) == expected


def test_the_error_for_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        PromptTemplate("{ mood }?").check(["year", "mood"])
    assert caught.value.hint == "Did you mean {mood}?"


@given(st.text(max_size=30))
def test_any_text_renders_or_is_refused(text: str) -> None:
    try:
        template = PromptTemplate(text)
    except DataError:
        return
    assert template.render(dict.fromkeys(template.columns, "")).messages[-1].role == "user"
