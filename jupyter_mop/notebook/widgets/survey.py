"""The survey panel: move persona weights and see the shares of all questions follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from jupyter_mop.engine.questionnaire.reweighted_shares import ReweightedShares
from jupyter_mop.errors import DataError
from jupyter_mop.notebook.widgets.assets import script, style
from jupyter_mop.notebook.widgets.base import PersonaWeightsPanel
from jupyter_mop.notebook.widgets.html_page import fragment, page, table
from jupyter_mop.notebook.widgets.traits import InvalidTraitError, refuse_unknown
from jupyter_mop.notebook.widgets.wire_format import wire_statistics
from jupyter_mop.rendering import listed

if TYPE_CHECKING:
    from jupyter_mop.engine.questionnaire.survey_fit import SurveyFit

_COPIED_TRAITS = (
    *("names", "weights", "start", "learned", "locked", "muted", "colours", "notes", "shares"),
)


class SurveyPanel(PersonaWeightsPanel):
    r"""A panel to set persona weights and see the answers to all questions of a survey change.

    For one question it shows each option's share at the sliders, at the start and among people,
    for everyone or a group; for all questions the distance from people. The browser computes them
    from the fit's option probabilities, with no model call and no kernel. The sliders start at
    the fit's class sizes.

    Parameters
    ----------
    fit : SurveyFit
    weights : sequence of float, shape (K,), optional
        Initial weights; default: the fit's class sizes.
    **traits
        Other traits of the widget: `locked`, `muted` (K booleans), `layout`.

    Attributes
    ----------
    reweighted : ReweightedShares
        What the browser computes, in Python.

    Raises
    ------
    DataError
        If weights have another length than the personas, are negative, not finite, all zero or
        above 0 for a persona that the fit gives no respondent, or if a keyword is not a trait of
        the panel.

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.backends.toy import ToyBackend
    >>> from jupyter_mop.engine.questionnaire.survey import Survey
    >>> from jupyter_mop.engine.questionnaire.survey_fit import fit_survey
    >>> answers = pd.DataFrame({"drink": ["tea", "milk"] * 20, "morning": ["tea", "milk"] * 20})
    >>> survey = Survey.from_frame(answers, ["drink", "morning"])
    >>> fit = fit_survey(survey, "a: Tea!\nb: Milk!", ToyBackend(["tea", "milk"]))
    >>> panel = SurveyPanel(fit)
    >>> panel.weights = [3, 1]
    >>> panel.reweighted.shares("drink", panel.weights).round(1).tolist()
    [0.3, 0.7]
    """

    _esm = script("survey")
    _css = style("survey", "sliders")

    start = traitlets.List(traitlets.Float()).tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shares = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        fit: SurveyFit,
        *,
        weights: Sequence[float] | None = None,
        **traits: object,
    ) -> None:
        refuse_unknown(self, traits)
        self.reweighted = ReweightedShares.of(fit)
        sizes = self.reweighted.class_sizes.tolist()
        super().__init__(
            fit.names,
            weights=sizes if weights is None else weights,
            learned=sizes,
            **traits,
            notes=_notes(self.reweighted),
            shares=wire_statistics(self.reweighted.to_dict()),
        )
        self.start = list(self.weights)

    @traitlets.validate("weights")
    def _check_weights(self, proposal: Any) -> list[float]:  # noqa: ANN401
        weights: list[float] = super()._check_weights(proposal)
        try:
            self.reweighted.checked(weights)
        except DataError as error:
            raise InvalidTraitError(error.message, hint=error.hint) from None
        return weights

    def to_html(self, path: str | Path) -> Path:
        """Write the panel as one HTML file that works without kernel and network.

        The page has shares of people by group, no single respondent.
        """
        target = Path(path).expanduser()
        target.write_text(page(self._static_html(), title="Survey panel"), encoding="utf-8")
        return target

    def _static_html(self) -> str:
        return fragment(
            script=self._esm,
            style=self._css,
            state={name: getattr(self, name) for name in _COPIED_TRAITS},
            static=self._static_tables(),
        )

    def _static_tables(self) -> str:
        personas = [
            [name, f"{weight:.1%}", f"{size:.1%}"]
            for name, weight, size in zip(self.names, self.weights, self.learned, strict=True)
        ]
        rows = []
        for name, people in self.reweighted.people_shares.items():
            shares = self.reweighted.shares(name, self.weights)
            options = self.reweighted.people.questions[name].options
            rows += [
                [name, option, f"{share:.1%}", f"{real:.1%}" if np.isfinite(real) else "too few"]
                for option, share, real in zip(options, shares, people.share[0], strict=True)
            ]
        heads = ["question", "option", "share", "people"]
        return table(["persona", "weight", "class size"], personas) + table(heads, rows)


def _notes(reweighted: ReweightedShares) -> list[str]:
    """Return what limits the panel, as sentences."""
    if not reweighted.absent:
        return []
    return [f"The fit gives no respondent to {listed(reweighted.absent)}: this weight stays 0."]
