"""Prompts for other tasks: closed questions, attributes of texts, summaries of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from jupyter_mop.backends.protocols import Message, Prompt
from jupyter_mop.engine.data.prompt_template import PromptTemplate

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_TEXT_LENGTH = 160  # characters of a record in the prompt for a persona

_ANSWER_WITH_OPTION = "Answer with one of the options."
_ANSWER_WITH_LETTER = "Answer with the letter of one of the options."
STATE_SHARES = (
    "Of 100 people like you, how many would give each answer? Write one line for each option: the "
    "option, a colon and a percentage. The percentages sum to 100."
)
IN_OWN_WORDS = "Answer in one or two sentences, in your own words."
_EXAMPLE_TASK = "Write a [rating] restaurant review."
_EXAMPLE_ATTRIBUTES = "cuisine\natmosphere\ntone\nlength"
_EXAMPLE_ATTRIBUTE = "atmosphere"
_EXAMPLE_VALUES = "quiet\ncrowded\nromantic\nfamily-friendly\nrun-down\nmodern\nloud\nold-fashioned"
_PERSONA_TASK = (
    "You read some texts and describe the person who writes them, in two short sentences. "
    'The first begins with "You write about". You do not repeat the texts.'
)


def options_template(
    text: str, options: Sequence[str], *, lettered: bool = False, is_asked: bool = True
) -> PromptTemplate:
    """Return a closed question with its options listed, each with a letter if `lettered`.

    Unless `is_asked`, it does not ask for one of the options.

    Examples
    --------
    >>> print(options_template("{age}: tea?", ["yes", "no"], lettered=True).text)
    {age}: tea?
    Options:
    A. yes
    B. no
    Answer with the letter of one of the options.
    """
    marks = [f"{letter}." for letter in LETTERS] if lettered else cycle("-")
    pairs = zip(marks, options, strict=False)
    lines = "\n".join(f"{mark} {_escaped(option)}" for mark, option in pairs)
    ending = _ANSWER_WITH_LETTER if lettered else _ANSWER_WITH_OPTION
    listed = f"{text}\nOptions:\n{lines}"
    return PromptTemplate(f"{listed}\n{ending}" if is_asked else listed)


def yes_no_text(text: str, option: str) -> str:
    """Return the text of a question whether `option` is one of several answers.

    Examples
    --------
    >>> print(yes_no_text("Which do you like?", "tea"))
    Which do you like?
    Is this an answer: tea?
    """
    return f"{text}\nIs this an answer: {_escaped(option)}?"


def task_text(template: PromptTemplate) -> str:
    """Return the question with its columns in brackets.

    Examples
    --------
    >>> task_text(PromptTemplate("Write a {mood} poem."))
    'Write a [mood] poem.'
    """
    return template.question({column: f"[{column}]" for column in template.columns})


def attributes_prompt(task: str, *, n: int) -> Prompt:
    """Return the prompt that asks for `n` attributes in which responses to a task differ."""
    question = (
        "Task: {}\nIn which attributes do such texts differ from each other? "
        f"Name {n}, one a line."
    )
    return _chat(question.format(_EXAMPLE_TASK), _EXAMPLE_ATTRIBUTES, question.format(task))


def values_prompt(task: str, attribute: str, *, n: int) -> Prompt:
    """Return the prompt that asks for `n` values of an attribute of responses to a task."""
    question = f"Task: {{}}\nName {n} different values of the attribute " + '"{}", one a line.'
    example = question.format(_EXAMPLE_TASK, _EXAMPLE_ATTRIBUTE)
    return _chat(example, _EXAMPLE_VALUES, question.format(task, attribute))


def attribute_instructions(values: Mapping[str, str]) -> str:
    """Return instructions that give the response a value of each attribute.

    Examples
    --------
    >>> attribute_instructions({"tone": "calm"})
    '- tone: calm'
    """
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


@dataclass(frozen=True)
class RecordGroup:
    """Similar records as a prompt shows them: some keywords and some texts."""

    keywords: Sequence[str]
    texts: Sequence[str]

    @property
    def message(self) -> str:
        """The user message; the keywords come first, which a small model follows best."""
        lines = "\n".join(f"- {' '.join(text.split())[:MAX_TEXT_LENGTH]}" for text in self.texts)
        words = f"Frequent words: {', '.join(self.keywords)}.\n" if self.keywords else ""
        return f"{words}Texts:\n{lines}"


PERSONA_EXAMPLES = (
    (
        RecordGroup(
            ("waiter", "pasta", "overpriced"),
            (
                "the pasta was cold and the waiter never came back .",
                "forty minutes for a table , and then they forgot the wine .",
            ),
        ),
        (
            "You write about restaurants, waiters and prices. You are hard to please, and you say "
            "so in short, dry sentences."
        ),
    ),
    (
        RecordGroup(
            ("kids", "families", "summer"),
            (
                "my kids loved the slides and we stayed all day !",
                "great for families , bring sunscreen !",
            ),
        ),
        (
            "You write about holidays with your children. You are cheerful and grateful, and you "
            "like to recommend things to other families."
        ),
    ),
    (
        RecordGroup(
            ("battery", "panel", "compared"),
            (
                "the battery holds 4,100 mAh , which is below the class average .",
                "compared with last year's model , the panel is 8 % brighter .",
            ),
        ),
        (
            "You write about batteries, screens and other devices. You are careful and calm, and "
            "you compare everything with numbers."
        ),
    ),
    (
        RecordGroup(
            ("song", "tender", "record"),
            (
                "she sings of home , and the harbour , and her mother's hands .",
                "a slow , tender record that i cannot stop playing .",
            ),
        ),
        (
            "You write about songs and the feelings in them. You are tender and a little sad, and "
            "you tell what moved you."
        ),
    ),
)
"""Groups of records and the persona that describes each; few-shot examples of the task."""


def persona_prompt(
    group: RecordGroup, order: Sequence[int] = range(len(PERSONA_EXAMPLES))
) -> Prompt:
    r"""Return the prompt that asks for the persona of a group of records.

    A small model imitates the last example most; vary the `order` of the examples between draws.

    Examples
    --------
    >>> persona_prompt(RecordGroup(["tea"], ["Hot  tea!"])).messages[-1].content
    'Frequent words: tea.\nTexts:\n- Hot tea!'
    """
    examples = [PERSONA_EXAMPLES[i] for i in order]
    turns = [turn for example, persona in examples for turn in (example.message, persona)]
    chat = _chat(*turns, group.message)
    return Prompt((Message("system", _PERSONA_TASK), *chat.messages))


def _chat(*turns: str) -> Prompt:
    """Return a chat in which user and assistant take turns, the user first."""
    roles = cycle(("user", "assistant"))
    return Prompt(tuple(Message(role, turn) for role, turn in zip(roles, turns, strict=False)))


def _escaped(text: str) -> str:
    """Return `text` with its braces doubled, as a template requires."""
    return text.replace("{", "{{").replace("}", "}}")
