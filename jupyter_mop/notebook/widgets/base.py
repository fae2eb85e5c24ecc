"""What the weights panel and the alignment panel share: one slider for each persona."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

import anywidget
import traitlets
from traitlets import TraitType

from jupyter_mop.charts import persona_colours
from jupyter_mop.charts.style.html_table import literal
from jupyter_mop.notebook.widgets.traits import (
    InvalidTraitError,
    as_flags,
    as_names,
    as_weights,
    refuse_unknown,
)

Bundle = tuple[dict[str, Any], dict[str, Any]]


class PersonaWeightsPanel(anywidget.AnyWidget):
    """A widget with a weight for each persona, which can be locked or muted.

    A subclass has a script, a style sheet and `_static_html`, which is shown where no script runs.

    Attributes
    ----------
    names : list of str
        Names of the K personas; they cannot change.
    weights : list of float, shape (K,)
        Current weights; what is assigned is normalised to sum 1.
    learned : list of float, shape (K,) or (0,)
        Learned weights, if there are any; normalised too.
    locked : list of bool, shape (K,)
        Weights that do not move with the others.
    muted : list of bool, shape (K,)
        Personas that are set to 0 until they are unmuted.
    is_owner : bool or None
        Whether `weights="panel"` of a study uses this panel's weights; None without a study.
    """

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    weights: TraitType[list[float], Iterable[float]] = TraitType().tag(sync=True)
    learned: TraitType[list[float], Iterable[float] | None] = TraitType().tag(sync=True)
    locked: TraitType[list[bool], Iterable[bool]] = TraitType().tag(sync=True)
    muted: TraitType[list[bool], Iterable[bool]] = TraitType().tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    is_owner = traitlets.Bool(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, names: Iterable[str], **traits: Any) -> None:  # noqa: ANN401  any trait
        refuse_unknown(self, traits)
        self._names = as_names(names)
        for flags in ("locked", "muted"):
            traits.setdefault(flags, [False] * len(self._names))
        super().__init__(names=self._names, colours=persona_colours(self._names), **traits)

    def as_dict(self) -> dict[str, float]:
        """Return the current weight of each persona by name; the weights sum to 1."""
        return dict(zip(self.names, self.weights, strict=True))

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {weight:.1%}" for name, weight in self.as_dict().items())
        return f"{type(self).__name__}({shares})"

    def _static_html(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: dict[str, Any]) -> Bundle | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = literal(self._static_html())
        return bundle

    @traitlets.validate("names")
    def _check_names(self, proposal: Any) -> list[str]:  # noqa: ANN401  a traitlets Bunch
        if proposal["value"] != self._names:
            raise InvalidTraitError(
                "`names` cannot change after the panel is built.", hint="Build a new panel."
            )
        return self._names

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Any) -> list[float]:  # noqa: ANN401
        return as_weights("weights", proposal["value"], len(self._names))

    @traitlets.validate("learned")
    def _check_learned(self, proposal: Any) -> list[float]:  # noqa: ANN401
        learned = proposal["value"]
        is_empty = learned is None or (isinstance(learned, Sized) and len(learned) == 0)
        return [] if is_empty else as_weights("learned", learned, len(self._names))

    @traitlets.validate("locked", "muted")
    def _check_flags(self, proposal: Any) -> list[bool]:  # noqa: ANN401
        return as_flags(proposal["trait"].name, proposal["value"], len(self._names))
