"""The chat panel: ask one persona questions and read its responses."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import anywidget
import traitlets

from jupyter_mop.charts import html, persona_colours
from jupyter_mop.engine.generation.conversation import Conversation
from jupyter_mop.errors import MopError
from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.base import Bundle
from jupyter_mop.study.study import Study

_MAX_PROBLEM_LENGTH = 600
_STOPPED = "Stopped. Ask again to continue."


class _StoppedError(Exception):
    """The user stopped a response."""


class ChatPanel(anywidget.AnyWidget):
    """A panel to ask one persona questions.

    It shows the exemplar that the model was given. A model that streams shows its words as they
    come, others a busy state. A stopped response is not kept. Where no script runs, a table shows
    the conversation at the time of display.

    Parameters
    ----------
    study : Study
        The study of the persona.
    persona : str
        Name of the persona.
    **options
        Those of `Study.chat`: temperature, top_p, max_tokens, random_state.

    Attributes
    ----------
    conversation : Conversation
        Persona, exemplar and transcript; `conversation.frame` and `conversation.to_json()`.

    Raises
    ------
    DataError
        If there is no such persona.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop import ToyBackend
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = Study(ToyBackend(["sun", "rain"], length=2), store=f"{folder.name}/store.sqlite")
    >>> _ = study.use_personas("sunny: You say sun.")
    >>> panel = ChatPanel(study, "sunny", temperature=0)
    >>> panel.ask("How is it?")
    >>> panel.turns
    [{'question': 'How is it?', 'response': 'sun sun', 'finish_reason': 'stop'}]
    >>> study.store.close()
    """

    _esm = script("chat")
    _css = style("chat")

    persona: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    exemplar = traitlets.List(traitlets.Unicode()).tag(sync=True)
    turns: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    question = traitlets.Unicode("").tag(sync=True)
    partial = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(default_value=False).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)
    transcript = traitlets.Unicode("").tag(sync=True)

    def __init__(self, study: Study, persona: str, **options: Any) -> None:  # noqa: ANN401
        self._study, self._options = study, options
        self._seed = int(options.pop("random_state", 0))
        self._stopped = threading.Event()
        self.conversation = self._open(persona)
        names = [each.name for each in study.personas]
        colour = dict(zip(names, persona_colours(names), strict=True))[
            self.conversation.persona.name
        ]
        shown = self.conversation.persona
        super().__init__(
            persona={"name": shown.name, "description": shown.description, "colour": colour}
        )
        self._update()
        self.on_msg(self._handle_message)

    def _open(self, persona: str) -> Conversation:
        return self._study.chat(persona, random_state=self._seed, **self._options)

    def __repr__(self) -> str:
        return repr(self.conversation)

    def ask(self, question: str) -> None:
        """Ask the persona a question and wait for its response; a failure is shown in the panel."""
        stopped = self._stopped = threading.Event()
        with self.hold_sync():
            self.question, self.partial, self.problem, self.busy = question, "", "", True

        def show(text: str) -> None:
            if stopped.is_set():
                raise _StoppedError
            self.partial = text

        problem = ""
        try:
            self.conversation.ask(question, on_text=show)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a callback's error is lost
            problem = _sentence(error)
        if not stopped.is_set():
            self._update(problem=problem)

    def stop(self) -> None:
        """Stop the response that is being generated.

        The panel is free at once. A model that does not stream ends its call by itself; its
        response is cached then, and not shown.
        """
        if self.busy:
            self._stopped.set()
            self._update(problem=_STOPPED)

    def restart(self) -> None:
        """Begin a new conversation with another exemplar; the transcript so far is discarded."""
        self._seed += 1
        self.conversation = self._open(self.conversation.persona.name)
        self._update()

    def _update(self, *, problem: str = "") -> None:
        """Set all traits from the conversation."""
        with self.hold_sync():
            self.exemplar = list(self.conversation.exemplar or ())
            self.turns = [asdict(turn) for turn in self.conversation.turns]
            self.transcript = self.conversation.to_json()
            self.partial, self.busy, self.problem = "", False, problem
            if not problem:
                self.question = ""

    def _handle_message(
        self, _widget: object, message: Mapping[str, Any], _buffers: object
    ) -> None:
        """Handle a request of a view; a response is generated beside it, so that stop arrives."""
        action = message["do"]
        if action == "stop":
            self.stop()
        elif self.busy:
            return
        elif action == "ask":
            self.busy = True
            threading.Thread(target=self.ask, args=(str(message["text"]),), daemon=True).start()
        elif action == "restart":
            try:
                self.restart()
            except MopError as error:
                self.problem = _sentence(error)

    def _repr_mimebundle_(self, **kwargs: dict[str, Any]) -> Bundle | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = html(self.conversation)
        return bundle


def _sentence(error: BaseException) -> str:
    """Return an error as a sentence for the panel."""
    if isinstance(error, MopError):
        text = str(error)
    elif isinstance(error, KeyboardInterrupt):
        text = _STOPPED
    else:
        text = f"Failed with {type(error).__name__}: {error}"
    cut = len(text) > _MAX_PROBLEM_LENGTH
    return f"{text[:_MAX_PROBLEM_LENGTH]}\u2026" if cut else text
