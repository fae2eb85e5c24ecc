from __future__ import annotations

import pytest

from jupyter_mop.backends.protocols import Prompt
from jupyter_mop.engine.data.prompt_template import PromptTemplate, template_or_context
from jupyter_mop.engine.data.task_prompts import (
    PERSONA_EXAMPLES,
    RecordGroup,
    attributes_prompt,
    options_template,
    persona_prompt,
    task_text,
    values_prompt,
    yes_no_text,
)


def roles(prompt: Prompt) -> list[str]:
    return [message.role for message in prompt.messages]


def test_the_default_template_is_the_context() -> None:
    assert template_or_context(None, ["age", "topic"]).text == "{age}, {topic}"
    assert template_or_context("A {topic}?", ["age", "topic"]).text == "A {topic}?"


@pytest.mark.parametrize(("lettered", "marks"), [(False, "--"), (True, "AB")])
def test_options_are_listed_with_braces_as_text(lettered: bool, marks: str) -> None:
    template = options_template("{age}?", ["{x}", "y"], lettered=lettered)
    lines = template.question({"age": "30"}).splitlines()
    assert lines[:2] == ["30?", "Options:"]
    assert [line[0] for line in lines[2:4]] == list(marks)
    assert [line.split()[-1] for line in lines[2:4]] == ["{x}", "y"]
    assert ("letter" in lines[4]) == lettered


def test_a_yes_no_question_names_the_option() -> None:
    text = yes_no_text("Which?", "tea {x}")
    assert PromptTemplate(text).question({}) == "Which?\nIs this an answer: tea {x}?"


def test_attributes_and_values_are_asked_for_after_an_example() -> None:
    task = task_text(PromptTemplate("Write a {mood} poem."))
    for prompt in (attributes_prompt(task, n=4), values_prompt(task, "tone", n=8)):
        assert roles(prompt) == ["user", "assistant", "user"]
        assert prompt.messages[-1].content.startswith("Task: Write a [mood] poem.\n")
    assert '8 different values of the attribute "tone"' in prompt.messages[-1].content


def test_the_prompt_for_a_persona_ends_with_keywords_and_texts_of_the_group() -> None:
    made = persona_prompt(RecordGroup(["tea"], ["Hot\ntea", "x" * 500]), [3, 0])
    assert roles(made) == ["system", "user", "assistant", "user", "assistant", "user"]
    assert made.messages[2].content == PERSONA_EXAMPLES[3][1]
    question = made.messages[-1].content
    assert question.startswith("Frequent words: tea.\nTexts:\n- Hot tea\n- xxx")
    assert len(question) < 250
