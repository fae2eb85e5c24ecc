"""The persona panel: personas as cards that can be edited, heard and undone."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import anywidget
import traitlets

from jupyter_mop.charts import PERSONA_COLOURS
from jupyter_mop.engine.data import persona_edits as edits
from jupyter_mop.engine.data.nearest_records import MAX_RECORDS
from jupyter_mop.engine.data.personas import Persona, read_personas
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.errors import DataError, MopError
from jupyter_mop.notebook.widgets.assets import STATIC, style
from jupyter_mop.study.study import Study

_MOST_SHOWN = 600
_FITTED = (
    "The learned weights belong to these personas. The first change sets the fit aside, and the "
    "stated weights count again; undo brings the fit back."
)
_SET_ASIDE = "The fit was set aside by a change: undo brings it back, %mop_fit learns anew."
_CHANGED = "The personas were changed outside this panel, which shows them now; undo goes back."

_EDITS: dict[str, Callable[[list[Persona], Mapping[str, Any]], list[Persona]]] = {
    "name": lambda personas, asked: edits.rename(personas, asked["at"], asked["text"]),
    "description": lambda personas, asked: edits.describe(personas, asked["at"], asked["text"]),
    "split": lambda personas, asked: edits.split(personas, asked["at"]),
    "merge": lambda personas, asked: edits.merge(personas, asked["at"], asked["other"]),
    "delete": lambda personas, asked: edits.delete(personas, asked["at"]),
    "add": lambda personas, asked: edits.add(personas, asked["name"], asked["description"]),
}


class _Moment(NamedTuple):
    """What one step back or forth restores in the study."""

    personas: list[Persona]
    mixture: MixtureOfPersonas | None
    panel_weights: dict[str, float] | None


class PersonaPanel(anywidget.AnyWidget):
    """A panel of cards, one for each persona of a study, that edits the study's personas.

    Every edit, on the screen or by assigning `personas`, is written to the study at once and can
    be undone. An edit sets a fitted mixture aside, as `Study.use_personas` does; undoing it brings
    mixture and personas back as they were. What is not valid is said at its card and not written.

    Where no scripts run, the panel is shown as a table of the personas at the time of display.

    Parameters
    ----------
    study : Study
        Whose personas are shown and edited; it may have none yet.

    Attributes
    ----------
    personas : list of dict
        name, description and stated weight (None where there is none) of each persona.
    cell : str
        The `%%mop_personas` cell that gives these personas.

    Raises
    ------
    DataError
        If what is assigned to `personas` cannot be read as personas.

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

    _esm = STATIC / "personas" / "personas.js"
    _css = style("personas")

    personas = traitlets.Any().tag(sync=True)
    cards: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    adding: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    colours = traitlets.List(list(PERSONA_COLOURS)).tag(sync=True)
    fitted = traitlets.Bool(default_value=False).tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)
    nearest_note = traitlets.Unicode("").tag(sync=True)
    cell = traitlets.Unicode("").tag(sync=True)
    can_undo = traitlets.Bool(default_value=False).tag(sync=True)
    can_redo = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, study: Study, **traits: object) -> None:
        self._study = study
        self._past: list[_Moment] = []
        self._future: list[_Moment] = []
        self._drafts: dict[int, dict[str, dict[str, str]]] = {}
        self._sounds: dict[str, dict[str, Any]] = {}
        self._near: dict[str, list[dict[str, Any]]] = {}
        self._looked = False
        self._asked: tuple[Population | None, str | None] = (None, None)
        super().__init__(personas=[asdict(persona) for persona in study.personas], **traits)
        self._show()
        self.observe(self._assigned, "personas")
        self.on_msg(self._receive)

    @traitlets.validate("personas")
    def _read(self, proposal: Mapping[str, Any]) -> list[dict[str, Any]]:
        if proposal["value"] == [] and not self._study.personas:
            return []
        return [asdict(persona) for persona in read_personas(proposal["value"])]

    def __repr__(self) -> str:
        return f"PersonaPanel({', '.join(persona['name'] for persona in self.personas) or 'none'})"

    def undo(self) -> None:
        """Take the last edit back, and bring back what was fitted before it."""
        self._travel(self._past, self._future)

    def redo(self) -> None:
        """Make the edit again that was undone last."""
        self._travel(self._future, self._past)

    def sound(self, index: int) -> None:
        """Generate two responses as the persona at `index` and show them on its card."""
        persona = self._study.personas[index]
        heard = self._sounds.get(persona.description, {"turn": -1, "responses": []})
        turn = heard["turn"] + 1
        self._sounds[persona.description] = {**heard, "busy": True, "problem": ""}
        self.cards = self._cards()
        try:
            made = self._study.preview(persona, template=self._template(), random_state=turn)
            rows = zip(made.frame["context"], made.responses, strict=True)
            heard = {"turn": turn, "responses": [_shown(*row) for row in rows], "problem": ""}
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a callback's would be lost
            heard = {**heard, "problem": _sentence(error)}
        self._sounds[persona.description] = {**heard, "busy": False}
        self.cards = self._cards()

    def look(self) -> None:
        """Look for the real records nearest each persona; a view asks for it when it opens."""
        self._looked = True
        self.refresh()

    def refresh(self) -> None:
        """Show what the study holds now, where it was changed outside this panel."""
        if self._is_stale():
            if self._seen:
                self._past.append(_Moment(self._seen, None, None))
            self._future.clear()
            self._drafts.clear()
            self._show(notice=_CHANGED)
        else:
            self._show()

    def _is_stale(self) -> bool:
        return self._study.personas is not self._seen

    def _receive(self, _widget: object, asked: dict[str, Any], _buffers: object) -> None:
        """Do what a view asks for, unless the personas it shows are no longer the study's."""
        last = max(asked.get("at", 0), asked.get("other", 0))
        if asked["do"] == "look":
            self.look()
        elif self._is_stale() or last >= max(len(self.personas), 1):
            self.refresh()
        elif asked["do"] in _EDITS:
            self._edit(asked)
        elif asked["do"] == "state":
            weights = list(self._study.weights().values())
            self._take(edits.set_weights(self._study.personas, weights))
        elif asked["do"] == "sound":
            self.sound(asked["at"])
        elif asked["do"] in ("undo", "redo"):
            (self.undo if asked["do"] == "undo" else self.redo)()

    def _edit(self, asked: Mapping[str, Any]) -> None:
        try:
            new = _EDITS[asked["do"]](self._study.personas, asked)
        except DataError as error:
            self._refuse(asked, error.message)
            return
        if asked["do"] == "add":
            self.adding = {}
        else:
            for part in (asked["do"], "card"):
                self._drafts.get(asked["at"], {}).pop(part, None)
        self._take(new)

    def _refuse(self, asked: Mapping[str, Any], problem: str) -> None:
        if asked["do"] == "add":
            self.adding = {**asked, "problem": problem}
            return
        part = asked["do"] if asked["do"] in ("name", "description") else "card"
        draft = {"text": asked.get("text", ""), "problem": problem}
        self._drafts.setdefault(asked["at"], {})[part] = draft
        self.cards = self._cards()

    def _assigned(self, change: Mapping[str, Any]) -> None:
        if change["new"] != [asdict(persona) for persona in self._study.personas]:
            self._take(read_personas(change["new"]))

    def _take(self, new: list[Persona]) -> None:
        """Write `new` to the study, if it differs, and remember how it was."""
        if new != self._study.personas:
            self._past.append(self._moment())
            self._future.clear()
            if len(new) != len(self._study.personas):
                self._drafts.clear()
            self._study.use_personas(new)
        self._show()

    def _moment(self) -> _Moment:
        return _Moment(self._study.personas, self._study.mixture, self._study.panel_weights)

    def _travel(self, start: list[_Moment], end: list[_Moment]) -> None:
        if not start:
            return
        end.append(self._moment())
        study, moment = self._study, start.pop()
        study.personas, study.panel_weights = moment.personas, moment.panel_weights
        study.mixture = moment.mixture if self._still_fits(moment.mixture) else None
        self._drafts.clear()
        self._show()

    def _still_fits(self, mixture: MixtureOfPersonas | None) -> bool:
        """Whether neither model nor population have changed since."""
        return (
            mixture is not None
            and mixture.backend is self._study.backend
            and mixture.population_ is self._study.population
        )

    def _template(self) -> str | None:
        """Return the question last asked of this population, which an edit must not forget."""
        population, text = self._asked
        return text if population is self._study.population else None

    def _show(self, *, notice: str = "") -> None:
        study = self._study
        self._seen = study.personas
        if study.mixture and study.mixture.is_ready:
            self._asked = (study.population, study.mixture.template_.text)
        note = self._find_nearest()
        with self.hold_sync():
            self.fitted = study.mixture is not None and study.mixture.is_fitted
            self.personas = [asdict(persona) for persona in study.personas]
            self.cards = self._cards()
            self.nearest_note = note
            self.notice = notice or self._notice()
            self.cell = f"%%mop_personas\n{edits.as_text(study.personas)}" if self.personas else ""
            self.can_undo, self.can_redo = bool(self._past), bool(self._future)

    def _notice(self) -> str:
        if self.fitted:
            return _FITTED
        kept = [moment.mixture for moment in self._past if self._still_fits(moment.mixture)]
        return _SET_ASIDE if any(mixture.is_fitted for mixture in kept if mixture) else ""

    def _cards(self) -> list[dict[str, Any]]:
        shares = self._study.weights() if self._study.personas else {}
        quiet = {"busy": False, "responses": [], "problem": ""}
        return [
            {
                "share": shares[persona.name],
                "nearest": self._near.get(persona.name, []),
                "sound": self._sounds.get(persona.description, quiet),
                "drafts": dict(self._drafts.get(index, {})),
            }
            for index, persona in enumerate(self._study.personas)
        ]

    def _find_nearest(self) -> str:
        """Look for the nearest records; return what is to be said about them."""
        self._near = {}
        if not self._looked or not self._study.personas:
            return ""
        try:
            found = self._study.nearest()
        except Exception as error:  # noqa: BLE001  the cards are of use without
            return _sentence(error)
        for row in found.to_dict("records"):
            shown = {**_shown(row["context"], row["response"]), "cosine": row["cosine"]}
            self._near.setdefault(row["persona"], []).append(shown)
        assert self._study.population is not None  # noqa: S101  there are records near
        n = len(set(self._study.population.responses))
        return f"Nearest of {MAX_RECORDS} of {n:,} responses." if n > MAX_RECORDS else ""

    def _repr_mimebundle_(
        self, **kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        self.refresh()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = self._still_table()
        return bundle

    def _still_table(self) -> str:
        heads = ["persona", "learned" if self.fitted else "weight", "text"]
        heads += ["nearest real record"] if self._near else []
        head = "".join(f"<th>{name}</th>" for name in heads)
        pairs = zip(self.personas, self.cards, strict=True)
        body = "".join(_still_row(persona, card) for persona, card in pairs)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _still_row(persona: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    cells = [persona["name"], f"{card['share']:.1%}", persona["description"]]
    cells += [near["response"] for near in card["nearest"][:1]]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _shown(context: object, response: object) -> dict[str, Any]:
    return {"context": _clipped(str(context)), "response": _clipped(str(response))}


def _clipped(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}\u2026"


def _sentence(error: BaseException) -> str:
    if isinstance(error, MopError):
        return _clipped(str(error))
    if isinstance(error, KeyboardInterrupt):
        return "Stopped; ask again to go on."
    return _clipped(f"It failed with {type(error).__name__}: {error}")
