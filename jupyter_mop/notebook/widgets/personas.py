"""The persona panel: personas as cards to edit, preview and undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import anywidget
import traitlets

from jupyter_mop.charts import persona_colours
from jupyter_mop.charts.style.html_table import literal
from jupyter_mop.engine.data import persona_edits as edits
from jupyter_mop.engine.data.nearest_records import MAX_RECORDS
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.errors import DataError, MopError
from jupyter_mop.notebook.persona_history import EDITS, PersonaHistory
from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.base import Bundle
from jupyter_mop.notebook.widgets.html_page import table
from jupyter_mop.study.study import Study

_MAX_TEXT_LENGTH = 600
_FITTED = (
    "The learned weights belong to these personas. An edit sets the fit aside, and the stated "
    "weights apply again; undo restores the fit."
)
_FIT_SET_ASIDE = "An edit set the fit aside: undo restores it, %mop_fit learns new weights."
_CHANGED = "The personas were changed outside this panel; undo restores those from before."
_NO_PREVIEW = {"busy": False, "responses": [], "problem": ""}


class PersonaPanel(anywidget.AnyWidget):
    """A panel with a card for each persona of a study, to edit the study's personas.

    Every edit, on the screen or by assigning `personas`, is written to the study at once and can
    be undone. An edit sets a fitted mixture aside, as `Study.use_personas` does; undoing the edit
    restores both. A card shows why an invalid edit is not written.

    Where no script runs, a table shows the personas at the time of display.

    Parameters
    ----------
    study : Study
        The study to edit; it may have no personas yet.

    Attributes
    ----------
    personas : list of dict
        name, description and stated weight (or None) of each persona.
    cell : str
        The `%%mop_personas` cell with these personas.

    Raises
    ------
    DataError
        If a value assigned to `personas` cannot be read as personas.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.toy import ToyBackend, ToyEncoder
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/store.sqlite"
    >>> study = Study(ToyBackend(["sun", "rain"]), ToyEncoder(["sun", "rain"]), store=path)
    >>> _ = study.use_personas("sunny: You say sun.")
    >>> panel = PersonaPanel(study)
    >>> panel.personas = {"sunny": "You say sun.", "rainy": "You say rain."}
    >>> [persona.name for persona in study.personas]
    ['sunny', 'rainy']
    >>> panel.undo()
    >>> [persona.name for persona in study.personas]
    ['sunny']
    >>> study.store.close()
    """

    _esm = script("personas")
    _css = style("personas")

    personas = traitlets.Any().tag(sync=True)
    cards: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    adding: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    colours: traitlets.List[str] = traitlets.List().tag(sync=True)
    fitted = traitlets.Bool(default_value=False).tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)
    nearest_note = traitlets.Unicode("").tag(sync=True)
    cell = traitlets.Unicode("").tag(sync=True)
    can_undo = traitlets.Bool(default_value=False).tag(sync=True)
    can_redo = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, study: Study, **traits: object) -> None:
        self._study, self._history = study, PersonaHistory(study)
        self._drafts: dict[int, dict[str, dict[str, str]]] = {}
        self._previews: dict[str, dict[str, Any]] = {}
        self._nearest: dict[str, list[dict[str, Any]]] = {}
        self._shows_nearest = False
        self._template_of: tuple[Population | None, str | None] = (None, None)
        super().__init__(personas=[asdict(persona) for persona in study.personas], **traits)
        self._update()
        self.observe(self._write_assigned, "personas")
        self.on_msg(self._handle_message)

    @traitlets.validate("personas")
    def _check_personas(self, proposal: Mapping[str, Any]) -> list[dict[str, Any]]:
        if proposal["value"] == [] and not self._study.personas:
            return []
        return [asdict(persona) for persona in read_personas(proposal["value"])]

    def __repr__(self) -> str:
        return f"PersonaPanel({', '.join(persona['name'] for persona in self.personas) or 'none'})"

    def undo(self) -> None:
        """Undo the latest edit; restores the fit from before it."""
        self._restore(self._history.undo)

    def redo(self) -> None:
        """Redo the latest undone edit."""
        self._restore(self._history.redo)

    def preview(self, index: int) -> None:
        """Generate two responses of the persona at `index` and show them on its card."""
        persona = self._study.personas[index]
        current = self._previews.get(persona.description, {"round": -1, "responses": []})
        n_rounds = current["round"] + 1
        self._previews[persona.description] = {**current, "busy": True, "problem": ""}
        self.cards = self._cards()
        try:
            made = self._study.preview(persona, template=self._template(), random_state=n_rounds)
            rows = zip(made.frame["context"], made.responses, strict=True)
            responses = [_quoted(*row) for row in rows]
            current = {"round": n_rounds, "responses": responses, "problem": ""}
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a callback's error is lost
            current = {**current, "problem": _sentence(error)}
        self._previews[persona.description] = {**current, "busy": False}
        self.cards = self._cards()

    def find_nearest(self) -> None:
        """Show the real records nearest to each persona; a view requests it when it opens."""
        self._shows_nearest = True
        self.refresh()

    def refresh(self) -> None:
        """Show the study's current personas and fit."""
        if self._is_stale():
            self._history.add_external_change(self._seen)
            self._drafts.clear()
            self._update(notice=_CHANGED)
        else:
            self._update()

    def _is_stale(self) -> bool:
        """Return whether the personas were changed outside this panel."""
        return self._study.personas is not self._seen

    def _handle_message(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        """Handle a request of a view, unless it is about personas that are gone."""
        action = message["do"]
        last = max(message.get("at", 0), message.get("other", 0))
        if action == "find_nearest":
            self.find_nearest()
        elif self._is_stale() or last >= max(len(self.personas), 1):
            self.refresh()
        elif action in EDITS:
            self._edit(message)
        elif action == "state":
            weights = list(self._study.weights().values())
            self._write(edits.set_weights(self._study.personas, weights))
        elif action == "preview":
            self.preview(message["at"])
        elif action in ("undo", "redo"):
            (self.undo if action == "undo" else self.redo)()

    def _edit(self, edit: Mapping[str, Any]) -> None:
        action = edit["do"]
        try:
            new = EDITS[action](self._study.personas, edit)
        except DataError as error:
            self._show_problem(edit, error.message)
            return
        if action == "add":
            self.adding = {}
        else:
            for field in (action, "card"):
                self._drafts.get(edit["at"], {}).pop(field, None)
        self._write(new)

    def _show_problem(self, edit: Mapping[str, Any], problem: str) -> None:
        """Show why an edit is invalid, beside what was typed."""
        if edit["do"] == "add":
            self.adding = {**edit, "problem": problem}
            return
        field = edit["do"] if edit["do"] in ("name", "description") else "card"
        draft = {"text": edit.get("text", ""), "problem": problem}
        self._drafts.setdefault(edit["at"], {})[field] = draft
        self.cards = self._cards()

    def _write_assigned(self, change: Mapping[str, Any]) -> None:
        if change["new"] != [asdict(persona) for persona in self._study.personas]:
            self._write(read_personas(change["new"]))

    def _write(self, new: list[Persona]) -> None:
        """Write the personas to the study if they differ."""
        if new != self._study.personas:
            if len(new) != len(self._study.personas):
                self._drafts.clear()
            self._history.apply(new)
        self._update()

    def _restore(self, move: Callable[[], bool]) -> None:
        if move():
            self._drafts.clear()
            self._update()

    def _template(self) -> str | None:
        """Return the template of the population's latest mixture, which an edit discards."""
        population, text = self._template_of
        return text if population is self._study.population else None

    def _update(self, *, notice: str = "") -> None:
        """Set all traits from the study."""
        study = self._study
        self._seen = study.personas
        if study.mixture and study.mixture.is_ready:
            self._template_of = (study.population, study.mixture.template_.text)
        note = self._read_nearest()
        with self.hold_sync():
            self.fitted = study.session.fitted_mixture is not None
            self.colours = persona_colours(persona.name for persona in study.personas)
            self.personas = [asdict(persona) for persona in study.personas]
            self.cards = self._cards()
            self.nearest_note = note
            self.notice = notice or self._notice()
            self.cell = f"%%mop_personas\n{edits.as_text(study.personas)}" if self.personas else ""
            self.can_undo, self.can_redo = bool(self._history.past), bool(self._history.future)

    def _notice(self) -> str:
        if self.fitted:
            return _FITTED
        return _FIT_SET_ASIDE if self._history.has_fit_to_restore else ""

    def _cards(self) -> list[dict[str, Any]]:
        shares = self._study.weights() if self._study.personas else {}
        return [
            {
                "share": shares[persona.name],
                "nearest": self._nearest.get(persona.name, []),
                "preview": self._previews.get(persona.description, _NO_PREVIEW),
                "drafts": dict(self._drafts.get(index, {})),
            }
            for index, persona in enumerate(self._study.personas)
        ]

    def _read_nearest(self) -> str:
        """Find the nearest records, if a view shows them; return a note about them."""
        self._nearest = {}
        if not self._shows_nearest or not self._study.personas:
            return ""
        try:
            found = self._study.nearest()
        except Exception as error:  # noqa: BLE001  the cards are useful without
            return _sentence(error)
        for row in found.to_dict("records"):
            quoted = {**_quoted(row["context"], row["response"]), "cosine": row["cosine"]}
            self._nearest.setdefault(row["persona"], []).append(quoted)
        assert self._study.population is not None  # noqa: S101  it has the nearest records
        n = len(set(self._study.population.responses))
        return f"Nearest of {MAX_RECORDS} of {n:,} responses." if n > MAX_RECORDS else ""

    def _repr_mimebundle_(self, **kwargs: dict[str, Any]) -> Bundle | None:
        self.refresh()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = literal(self._static_html())
        return bundle

    def _static_html(self) -> str:
        heads = ["persona", "learned" if self.fitted else "weight", "text"]
        rows = [
            [persona["name"], f"{card['share']:.1%}", persona["description"]]
            + [record["response"] for record in card["nearest"][:1]]
            for persona, card in zip(self.personas, self.cards, strict=True)
        ]
        return table([*heads, *(["nearest real record"] if self._nearest else [])], rows)


def _quoted(context: object, response: object) -> dict[str, Any]:
    return {"context": _clipped(str(context)), "response": _clipped(str(response))}


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:_MAX_TEXT_LENGTH]}\u2026"


def _sentence(error: BaseException) -> str:
    """Return an error as a sentence for a card."""
    if isinstance(error, MopError):
        return _clipped(str(error))
    if isinstance(error, KeyboardInterrupt):
        return "Stopped. Preview again to continue."
    return _clipped(f"Failed with {type(error).__name__}: {error}")
