"""The matrix of personalities and verbs: each cell is a right answer or the right sentence.

Every cell runs a verb of a study against a real server on loopback. A personality that fails is met
twice: at the probe, and by a study that was set up while the server still answered.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from batch_api import BatchApi
from personalities import PERSONALITIES, WORDS, Personality, everything
from scripted_server import ScriptedServer

from jupyter_mop import OpenAIBackend, Question, Study, ToyEncoder
from jupyter_mop.backends.endpoint import defaults
from jupyter_mop.backends.endpoint.encoder import OpenAIEncoder
from jupyter_mop.engine.simulation.simulation import Simulation
from jupyter_mop.errors import BatchPending, MopError

RIGHT, SENTENCE = "right answer", "right sentence"
PERSONAS = "sunny: You say sun.\nrainy: You say rain."
N = 24
_INTERRUPT_AFTER = 8  # answers
_ALMOST_ALL = 0.99
_MOST_BATCHES = 6
_NO_EMBEDDINGS = "404: Not Found"
Cell = Callable[["Meeting"], str]


class Meeting:
    """A study that meets a personality.

    Parameters
    ----------
    personality : Personality
    server : ScriptedServer
    folder : path
        Where the store is.
    """

    def __init__(self, personality: Personality, server: ScriptedServer, folder: Path) -> None:
        self.personality, self.server = personality, server
        fails = personality.sentence is not None
        server.default = everything if fails else personality.answer
        backend = OpenAIBackend(server.url, "scripted", in_flight=4)
        self.study = Study(backend, ToyEncoder(WORDS), store=folder / "store.sqlite")
        self.study.use_personas(PERSONAS)
        texts = [f"{a} {b}" for a in WORDS for b in WORDS] * 4
        frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 32, "said": texts})
        self.study.use_population(frame, context="topic", response="said")
        _ = backend.capabilities
        server.default = personality.answer

    def outcome(self, call: Callable[[], str]) -> str:
        """Return what is wrong with a call, or whether it was answered or explained rightly."""
        try:
            wrong = call()
        except MopError as error:
            wanted = self.personality.sentence
            is_right = wanted is not None and wanted in error.message and error.hint
            return SENTENCE if is_right else f"WRONG: {error}"
        return RIGHT if not wrong else f"WRONG: {wrong}"


def probed(meeting: Meeting) -> str:
    """Probe the endpoint anew."""

    def call() -> str:
        found = OpenAIBackend(meeting.server.url, "scripted").capabilities
        return "" if found.can("chat") else "no chat"

    return meeting.outcome(call)


def simulated(meeting: Meeting) -> str:
    """Simulate."""
    return meeting.outcome(lambda: _wrong_words(meeting.study.simulate("a", N, weights="uniform")))


def asked(meeting: Meeting) -> str:
    """Ask a closed question."""

    def call() -> str:
        question = Question("Rain?", ["yes", "no"])
        answer = meeting.study.ask(question, weights="uniform", n=20, n_draws=4)
        return (
            ""
            if answer.table.matched > _ALMOST_ALL
            else f"{answer.table.matched:.0%} of replies match"
        )

    return meeting.outcome(call)


def fitted(meeting: Meeting) -> str:
    """Learn weights from simulated responses."""

    def call() -> str:
        mixture = meeting.study.fit(n_exemplars=8, n_components=4, by="samples")
        weights = mixture.persona_weights()
        return "" if abs(weights.sum(-1) - 1).max() < 1e-9 else "no weights"

    return meeting.outcome(call)


def embedded(meeting: Meeting) -> str:
    """Embed two texts; servers of chat models have no embeddings and say so."""
    try:
        vectors = OpenAIEncoder(meeting.server.url, "scripted").encode(["sun", "rain"])
    except MopError as error:
        wanted = meeting.personality.sentence or _NO_EMBEDDINGS
        is_right = wanted in error.message or _NO_EMBEDDINGS in error.message
        return SENTENCE if is_right else f"WRONG: {error}"
    return RIGHT if vectors.shape == (2, len(WORDS)) else "WRONG: other vectors"


def interrupted(meeting: Meeting) -> str:
    """Interrupt a simulation: what was answered is cached, and only that."""
    if meeting.personality.sentence is not None:
        return simulated(meeting)
    study, seen = meeting.study, []

    def on_step(_what: str, _total: int) -> Callable[[int, object], None]:
        def tick(_index: int, value: object) -> None:
            seen.append(value)
            if len(seen) == _INTERRUPT_AFTER:
                _thread.interrupt_main()

        return tick

    with _slow(meeting.server), suppress(KeyboardInterrupt):
        study.simulate("b", N, weights="uniform", random_state=5, on_step=on_step)
        return "WRONG: it was not interrupted"
    n_cached = study.runs()[-1].finished
    is_right = _INTERRUPT_AFTER <= n_cached < N and len(seen) == n_cached
    return RIGHT if is_right else f"WRONG: {n_cached} cached of {len(seen)} answered"


def resumed(meeting: Meeting) -> str:
    """Resume it: nothing that was answered is asked again."""
    if meeting.personality.sentence is not None:
        return meeting.outcome(lambda: _wrong_words(meeting.study.resume()))

    def call() -> str:
        before = meeting.study.runs()[-1].finished
        simulation = meeting.study.resume()
        run = meeting.study.runs()[-1]
        if (run.kept, run.finished) != (before, N):
            return f"{run.kept} of {before} cached answers were used"
        return _wrong_words(simulation)

    return meeting.outcome(call)


def batched(meeting: Meeting) -> str:
    """Simulate in a batch, and collect it."""
    meeting.server.batches = BatchApi(meeting.personality.answer)

    def call() -> str:
        for _ in range(_MOST_BATCHES):
            with suppress(BatchPending), meeting.study.batched():
                simulation = meeting.study.simulate("c", N, weights="uniform", random_state=9)
                return _wrong_words(simulation)
        return "the batch is never done"

    return meeting.outcome(call)


VERBS: dict[str, Cell] = {
    "probe": probed,
    "simulate": simulated,
    "ask": asked,
    "fit": fitted,
    "embed": embedded,
    "interrupt": interrupted,
    "resume": resumed,
    "batch": batched,
}


def cells(name: str) -> dict[str, str]:
    """Return the outcome of each verb for one personality."""
    with TemporaryDirectory() as folder:
        server = ScriptedServer()
        try:
            meeting = Meeting(PERSONALITIES[name], server, Path(folder))
            outcomes = {verb: run(meeting) for verb, run in VERBS.items()}
            meeting.study.store.close()
        finally:
            server.close()
    return outcomes


def table(matrix: dict[str, dict[str, str]]) -> str:
    """Return the matrix as Markdown."""
    head = ["server", "seen at", *VERBS]
    rows = [
        [name, PERSONALITIES[name].seen_at, *outcomes.values()] for name, outcomes in matrix.items()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


@contextmanager
def short_waits() -> Iterator[None]:
    """Wait for hundredths of a second before another attempt."""
    before = defaults.FIRST_WAIT, defaults.MAX_WAIT
    defaults.FIRST_WAIT, defaults.MAX_WAIT = 0.01, 0.02
    try:
        yield
    finally:
        defaults.FIRST_WAIT, defaults.MAX_WAIT = before


@contextmanager
def _slow(server: ScriptedServer) -> Iterator[None]:
    """Let the server take a while for each reply, so that an interrupt comes in the middle."""
    answer = server.default
    assert callable(answer)
    server.default = lambda body: answer(body)._replace(seconds=0.03)
    try:
        yield
    finally:
        server.default = answer


def _wrong_words(simulation: Simulation) -> str:
    """Return a response that is not what the server answered, or nothing.

    A response may be empty if the server gave no text in any attempt, and it is counted.
    """
    n_empty = simulation.provenance["finished"].get("empty", 0)
    if simulation.responses.count("") != n_empty:
        return "an empty response is not counted"
    wrong = [text for text in simulation.responses if set(text.split()) - set(WORDS)]
    return f"a response is {wrong[0]!r}" if wrong else ""
