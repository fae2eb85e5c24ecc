"""Prompts are keys of the store: every kind of prompt is byte-identical to a committed snapshot.

Rewrite the snapshot only where a change of prompts is intended, since it empties every store:
PYTHONPATH=. python tests/engine/data/test_prompts_unchanged.py
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from jupyter_mop.backends.protocols import (
    Completion,
    FirstTokens,
    GenerationRequest,
    Prompt,
    ScoreRequest,
)
from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.generation.baselines.baselines import BASELINES
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.engine.survey.elicitation.eliciting import elicit
from jupyter_mop.engine.survey.elicitation_options import ElicitationOptions
from jupyter_mop.engine.survey.question import Question
from jupyter_mop.engine.synthesis.synthesis import synthesize_personas

SNAPSHOT = Path(__file__).with_name("prompts.json")
WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun {x}.\nrainy: You say rain."
N_WHOLE = 3  # prompts of each kind that the snapshot holds as text
LISTED = "1. sun (0.75)\n2. fog (0.25)"
LISTS = "1. Topic: what it is about\n2. **Tone**\n- mood\n- length"


class Recorder(ToyBackend):
    """Records every request with its seed, draw and parameters."""

    can_score_first_tokens = False

    def __init__(self, reply: str = "") -> None:
        super().__init__(WORDS)
        self.requests, self.reply = [], reply

    def score(self, requests: Sequence[ScoreRequest], *, on_result=None):
        self.requests += [(turns(r.prompt), r.response) for r in requests]
        known = [ScoreRequest(r.prompt, "sun") for r in requests]
        return super().score(known, on_result=on_result)

    def generate(self, requests: Sequence[GenerationRequest], params, *, on_result=None):
        sampling = [params.temperature, params.top_p, params.max_tokens]
        self.requests += [(turns(r.prompt), r.seed, r.draw, *sampling) for r in requests]
        if not self.reply:
            return super().generate(requests, params, on_result=on_result)
        made = [Completion(self.reply, 9) for _ in requests]
        for index, completion in enumerate(made if on_result else ()):
            on_result(index, completion)
        return made

    def first_tokens(self, prompts: Sequence[Prompt], *, on_result=None):  # noqa: ARG002
        self.requests += [(turns(prompt),) for prompt in prompts]
        lettered = ["letter" in prompt.messages[-1].content for prompt in prompts]
        return [FirstTokens(("A" if is_letter else "milk",), (-0.1,)) for is_letter in lettered]


class FirstTokenRecorder(Recorder):
    can_score = False
    can_score_first_tokens = True


def turns(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages]


def population() -> Population:
    days = [f"{word} {'and ' * i}{word}" for word in WORDS for i in range(8)]
    frame = pd.DataFrame({"topic": ["dawn {0}", "dusk"] * 16, "year": 2024, "text": days})
    return Population.from_frame(frame, context=["topic", "year"], response="text")


def mixture(backend: Recorder, **settings: object) -> MixtureOfPersonas:
    made = MixtureOfPersonas(PERSONAS, backend, ToyEncoder(WORDS), n_exemplars=6, **settings)
    return made.initialise(population())


def simulated(reply: str = "", template: str | None = None, **options: object) -> list:
    backend = Recorder(reply)
    mixture(backend).simulate(8, template=template, random_state=5, **options)
    return backend.requests


def fitted() -> list:
    backend = Recorder()
    mixture(backend, template="A word on {topic}?", n_components=4, by="likelihood").fit(
        population()
    )
    return backend.requests


def synthesized() -> list:
    backend = Recorder()
    synthesize_personas(population(), 3, backend, ToyEncoder(WORDS), n_shown=3, n_draws=5)
    return backend.requests


def asked(question: Question, backend: Recorder | None = None, **options: object) -> list:
    backend = backend or Recorder()
    personas: list[Persona | None] = [*read_personas(PERSONAS), None]
    records = population().records[:2]
    chosen = ElicitationOptions(random_state=2, **options)
    elicit(question, records, personas, backend, options=chosen)
    return backend.requests


DRINK = Question("{year}: what will you drink?", ["tea {x}", "iced tea", "milk"])
OFTEN = Question("How often at {topic}?", ["never", "seldom", "always", "never ever"], "scale")
WHICH = Question("Which {{do}} you like?", ["tea", "milk {y}"], "multiple")
KINDS: dict[str, Callable[[], list]] = {
    **{f"baseline {name}": lambda name=name: simulated(baseline=name) for name in BASELINES},
    "baseline verbalized": lambda: simulated(LISTED, baseline="verbalized"),
    "baseline attributes, named by the model": lambda: simulated(LISTS, baseline="attributes"),
    "mixture": lambda: simulated(weights="stated", n_candidates=2),
    "mixture with a template": lambda: simulated(template='{{"t": "{topic}"}}'),
    "fit": fitted,
    "synthesis": synthesized,
    "question, scored": lambda: asked(DRINK, n_orders=3),
    "question, scale": lambda: asked(OFTEN),
    "question, multiple": lambda: asked(WHICH),
    "question, open": lambda: asked(DRINK, listed=False),
    "question, by prior": lambda: asked(OFTEN, by_prior=True, by_length=True),
    "question, drawn": lambda: asked(DRINK, Recorder("milk"), method="sampled", n_draws=2),
    "question, letters": lambda: asked(OFTEN, FirstTokenRecorder(), listed=False),
    "question, first tokens": lambda: asked(DRINK, FirstTokenRecorder()),
}


def summary(requests: list) -> dict[str, object]:
    digest = hashlib.sha256(json.dumps(requests).encode()).hexdigest()
    step = max(len(requests) // N_WHOLE, 1)
    return {"n": len(requests), "digest": digest, "some": requests[::step][:N_WHOLE]}


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_and_their_order_are_those_of_the_snapshot(kind: str) -> None:
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))[kind]
    found = json.loads(json.dumps(summary(KINDS[kind]())))
    assert found["some"] == expected["some"]
    assert found == expected


if __name__ == "__main__":
    text = json.dumps({kind: summary(run()) for kind, run in KINDS.items()}, indent=1)
    SNAPSHOT.write_text(text + "\n", encoding="utf-8")
