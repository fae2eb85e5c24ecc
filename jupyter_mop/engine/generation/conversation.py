"""A conversation with one persona: a question, its response, the next question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from jupyter_mop.backends.protocols import (
    Completion,
    GenerationRequest,
    Message,
    OnText,
    Prompt,
    SamplingParams,
)
from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.errors import DataError
from jupyter_mop.rendering import Rendered


class Speaks(Protocol):
    """A language model that responds to one request and reports the text so far."""

    def stream(
        self, request: GenerationRequest, params: SamplingParams, *, on_text: OnText
    ) -> Completion:
        """Return the response."""
        ...


@dataclass(frozen=True)
class Turn:
    """A question and its response; `finish_reason` is "length" for one that was cut."""

    question: str
    response: str
    finish_reason: str = "stop"


class Conversation(Rendered):
    """Questions to one persona and its responses, each with all earlier ones in the prompt.

    Parameters
    ----------
    persona : Persona
        Its description is the system message.
    backend : Speaks
        The language model.
    exemplar : pair of str, optional
        Question and response of a real record, shown to the model as an earlier turn.
    params : SamplingParams
        Sampling parameters; `max_tokens` is the longest response.
    random_state : int
        Seed of the responses: the same questions get the same responses, from the cache.

    Attributes
    ----------
    turns : list of Turn

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop import Study, ToyBackend
    >>> folder = tempfile.TemporaryDirectory()
    >>> toy = ToyBackend(["sun", "rain"], length=2, persona_boost=99)
    >>> study = Study(toy, store=f"{folder.name}/store.sqlite")
    >>> _ = study.use_personas("sunny: You say sun.")
    >>> conversation = study.chat("sunny")
    >>> conversation.ask("How is it?"), conversation.ask("And now?")
    ('sun sun', 'sun sun')
    >>> study.store.close()
    """

    def __init__(
        self,
        persona: Persona,
        backend: Speaks,
        *,
        exemplar: tuple[str, str] | None = None,
        params: SamplingParams | None = None,
        random_state: int = 0,
    ) -> None:
        self.persona, self.backend, self.exemplar = persona, backend, exemplar
        self.params, self.random_state = params or SamplingParams(), random_state
        self.turns: list[Turn] = []

    def __len__(self) -> int:
        return len(self.turns)

    def __repr__(self) -> str:
        lines = [f"Conversation({self.persona.name!r}, {len(self)} questions)"]
        for turn in self.turns:
            lines += [f"You: {turn.question}", f"{self.persona.name}: {turn.response}"]
        return "\n".join(lines)

    def ask(self, question: str, *, on_text: OnText | None = None) -> str:
        """Ask the next question and return the response.

        Parameters
        ----------
        question : str
        on_text : callable, optional
            Called with the text so far, if the model reports it; what it raises ends the response,
            and the question is not kept.

        Raises
        ------
        DataError
            If the question is empty.
        ModelError
            If the model refuses, or the conversation no longer fits into its context.
        """
        text = question.strip()
        if not text:
            raise DataError("The question is empty.", hint="Write a question to the persona.")
        request = GenerationRequest(self.prompt(text), self.random_state, len(self.turns))
        done = self.backend.stream(request, self.params, on_text=on_text or (lambda _text: None))
        self.turns.append(Turn(text, done.text, done.finish_reason))
        return done.text

    def prompt(self, question: str) -> Prompt:
        """Return the prompt of the next question: persona, exemplar and all earlier turns."""
        said = [(turn.question, turn.response) for turn in self.turns]
        messages = [Message("system", self.persona.description)]
        for asked, response in [*([self.exemplar] if self.exemplar else []), *said]:
            messages += [Message("user", asked), Message("assistant", response)]
        return Prompt((*messages, Message("user", question)))

    @property
    def frame(self) -> pd.DataFrame:
        """The transcript: question, response and finish_reason, one row per question."""
        return pd.DataFrame(
            map(asdict, self.turns), columns=["question", "response", "finish_reason"]
        )

    def to_json(self) -> str:
        """Return persona, exemplar, settings and transcript as JSON."""
        facts: dict[str, Any] = {
            "persona": {"name": self.persona.name, "description": self.persona.description},
            "exemplar": self.exemplar,
            "model": getattr(self.backend, "fingerprint", ""),
            "seed": self.random_state,
            **asdict(self.params),
            "turns": [asdict(turn) for turn in self.turns],
        }
        return json.dumps(facts, ensure_ascii=False, indent=1)


def draw_exemplar(
    exemplars: Sequence[Exemplar],
    template: PromptTemplate,
    *,
    weights: Sequence[float] | None = None,
    random_state: int = 0,
) -> tuple[str, str] | None:
    """Draw one exemplar for a conversation; return its question and its response.

    Parameters
    ----------
    exemplars : sequence of Exemplar
        The pool; without one there is no exemplar.
    template : PromptTemplate
        Writes the question.
    weights : sequence of float, shape (J,), optional
        Probability of each; default: all alike.
    random_state : int
        Seed of the draw.

    Examples
    --------
    >>> pool = [Exemplar({"topic": "dawn"}, "sun")]
    >>> draw_exemplar(pool, PromptTemplate("How is {topic}?"))
    ('How is dawn?', 'sun')
    """
    if not exemplars:
        return None
    index = int(np.random.default_rng([random_state, 4]).choice(len(exemplars), p=weights))
    chosen = exemplars[index]
    return template.question(chosen.record), chosen.response
