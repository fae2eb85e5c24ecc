"""The edits to a study's personas, with undo and redo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jupyter_mop.charts.style.theme import keep_colours
from jupyter_mop.engine.data import persona_edits as edits
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
from jupyter_mop.study.study import Study

EDITS: dict[str, Callable[[list[Persona], Mapping[str, Any]], list[Persona]]] = {
    "name": lambda personas, edit: edits.rename(personas, edit["at"], edit["text"]),
    "description": lambda personas, edit: edits.describe(personas, edit["at"], edit["text"]),
    "split": lambda personas, edit: edits.split(personas, edit["at"]),
    "merge": lambda personas, edit: edits.merge(personas, edit["at"], edit["other"]),
    "delete": lambda personas, edit: edits.delete(personas, edit["at"]),
    "add": lambda personas, edit: edits.add(personas, edit["name"], edit["description"]),
}
"""The edits that a view can request, by name."""


class Snapshot(NamedTuple):
    """What one step back or forward restores in the study."""

    personas: list[Persona]
    mixture: MixtureOfPersonas | None = None
    panel_weights: dict[str, float] | None = None


class PersonaHistory:
    """The edits to a study's personas, with what they replaced.

    Parameters
    ----------
    study : Study

    Attributes
    ----------
    past, future : list of Snapshot
        States to undo and to redo, the next one last.

    Examples
    --------
    >>> import tempfile
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = Study(ToyBackend(["sun", "rain"]), store=f"{folder.name}/store.sqlite")
    >>> history = PersonaHistory(study)
    >>> history.apply([Persona("sunny", "You say sun.", None)])
    >>> history.undo(), study.personas
    (True, [])
    >>> study.store.close()
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self.past: list[Snapshot] = []
        self.future: list[Snapshot] = []

    @property
    def has_fit_to_restore(self) -> bool:
        """Whether an undo can restore a fitted mixture."""
        mixtures = (snapshot.mixture for snapshot in self.past)
        return any(mixture and mixture.is_fitted for mixture in mixtures if self._is_valid(mixture))

    def apply(self, personas: list[Persona]) -> None:
        """Write new personas to the study; as always, that discards a fitted mixture."""
        self.past.append(self._snapshot())
        self.future.clear()
        self._keep_colours(personas)
        self._study.use_personas(personas)

    def add_external_change(self, previous: list[Persona]) -> None:
        """Record that the study's personas were changed elsewhere."""
        if previous:
            self.past.append(Snapshot(previous))
        self.future.clear()

    def undo(self) -> bool:
        """Restore the state before the latest edit; return whether there was one."""
        return self._move(self.past, self.future)

    def redo(self) -> bool:
        """Restore the state before the latest undo; return whether there was one."""
        return self._move(self.future, self.past)

    def _move(self, start: list[Snapshot], end: list[Snapshot]) -> bool:
        if not start:
            return False
        end.append(self._snapshot())
        snapshot, study = start.pop(), self._study
        self._keep_colours(snapshot.personas)
        study.personas, study.panel_weights = snapshot.personas, snapshot.panel_weights
        study.mixture = snapshot.mixture if self._is_valid(snapshot.mixture) else None
        return True

    def _keep_colours(self, new: list[Persona]) -> None:
        before, after = ([p.name for p in of] for of in (self._study.personas, new))
        keep_colours(before, after)

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._study.personas, self._study.mixture, self._study.panel_weights)

    def _is_valid(self, mixture: MixtureOfPersonas | None) -> bool:
        """Return whether the study still has the mixture's model and population."""
        return (
            mixture is not None
            and mixture.backend is self._study.backend
            and mixture.population_ is self._study.population
        )
