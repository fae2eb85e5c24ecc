"""Which chart and which table show a result of the engine."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jupyter_mop.charts import questions, tables
from jupyter_mop.charts.answers import Weights, length_bars, share_bars, shares
from jupyter_mop.charts.calibration import calibration_chart, calibration_table
from jupyter_mop.charts.diagnosis import diagnosis_chart, diagnosis_table
from jupyter_mop.charts.estimates import estimates_chart, estimates_table
from jupyter_mop.charts.explanation import explanation_chart
from jupyter_mop.charts.synthesis import synthesis_chart, synthesis_table
from jupyter_mop.charts.tables import is_reweighted, simulation_facts
from jupyter_mop.charts.texts import plain
from jupyter_mop.charts.theme import styled
from jupyter_mop.charts.weights import weights_chart, weights_layers, weights_map_layers
from jupyter_mop.engine.answers import PopulationAnswer
from jupyter_mop.engine.calibration import Calibration
from jupyter_mop.engine.diagnosis import Diagnosis
from jupyter_mop.engine.estimates import Estimates
from jupyter_mop.engine.explanation import Explanation
from jupyter_mop.engine.mixture import MixtureOfPersonas
from jupyter_mop.engine.population import Population, are_closed
from jupyter_mop.engine.simulation import PERSONA, WEIGHT, Simulation
from jupyter_mop.engine.synthesis import Synthesis

if TYPE_CHECKING:
    import altair as alt

    from jupyter_mop.engine.views import Chart

MOST_CONTEXTS = 12
NO_DIFFERENCE = 0.005


@singledispatch
def plot(value: object) -> Chart:
    """Return the chart that shows a population, a mixture or a simulation."""
    raise TypeError(f"There is no chart of a {type(value).__name__}.")


@singledispatch
def html(value: object) -> str:
    """Return the table that shows a population, a mixture or a simulation, as HTML."""
    raise TypeError(f"There is no table of a {type(value).__name__}.")


html.register(Population)(tables.population_table)
html.register(MixtureOfPersonas)(tables.mixture_table)
html.register(Simulation)(tables.simulation_table)
html.register(Calibration)(calibration_table)
html.register(Diagnosis)(diagnosis_table)
html.register(Estimates)(estimates_table)
plot.register(Calibration)(calibration_chart)
plot.register(Diagnosis)(diagnosis_chart)
plot.register(Estimates)(estimates_chart)
plot.register(Explanation)(explanation_chart)
html.register(Explanation)(tables.explanation_table)
html.register(Synthesis)(synthesis_table)
plot.register(Synthesis)(synthesis_chart)
html.register(PopulationAnswer)(questions.answer_table)
plot.register(PopulationAnswer)(questions.answer_chart)


@plot.register(Population)
def population_chart(population: Population) -> alt.HConcatChart:
    """Draw how many records each context has, and the answers or the lengths of the responses."""
    import altair as alt

    contexts = shares(population.contexts, population.weights)
    parts = [share_bars(contexts, "Contexts")] if len(contexts) > 1 else []
    parts.append(_said(population.responses, population.weights))
    title = alt.TitleParams(
        f"{len(population):,} real responses",
        subtitle=plain(
            f"Context: {', '.join(population.context)}; response: {population.response}."
        ),
    )
    chart: alt.HConcatChart = styled(alt.hconcat(*parts, title=title, spacing=32))
    return chart


@plot.register(MixtureOfPersonas)
def mixture_chart(mixture: MixtureOfPersonas) -> alt.LayerChart | alt.VConcatChart:
    """Draw the persona weights, and by context where they differ between contexts."""
    import altair as alt

    overall = mixture.summary()
    by_context = context_weights(mixture)
    if by_context.empty:
        return weights_chart(overall)
    n_shown, n_all = by_context["context"].nunique(), len(set(mixture.population_.contexts))
    note = f"The {n_shown} most frequent of {n_all} contexts." if n_shown < n_all else ""
    parts = weights_layers(overall), weights_map_layers(by_context, note)
    chart: alt.VConcatChart = styled(
        alt.vconcat(*parts, spacing=32).resolve_scale(color="independent")
    )
    return chart


@plot.register(Simulation)
def simulation_chart(simulation: Simulation) -> alt.HConcatChart:
    """Draw each persona's share of the responses, and the answers or their lengths."""
    import altair as alt

    weights = simulation.frame[WEIGHT].to_numpy(dtype=np.float64)
    parts = [_said(simulation.responses, weights)]
    if simulation.frame[PERSONA].notna().any():
        reweighted = is_reweighted(simulation)
        heading = "Personas (tick: as drawn)" if reweighted else "Personas"
        personas = weights_layers(persona_shares(simulation), ticks=reweighted)
        parts.insert(0, personas.properties(title=alt.TitleParams(heading, fontSize=12)))
    title = alt.TitleParams(
        f"{len(simulation):,} simulated responses: {plain(simulation.name)}",
        subtitle=simulation_facts(simulation),
    )
    chart: alt.HConcatChart = styled(
        alt.hconcat(*parts, title=title, spacing=32).resolve_scale(color="independent")
    )
    return chart


def persona_shares(simulation: Simulation) -> pd.DataFrame:
    """Return persona, weight (its share now) and start (its share as drawn), in their order."""
    frame = simulation.frame[simulation.frame[PERSONA].notna()]
    weights = frame[WEIGHT].astype(float)
    now = weights.groupby(frame[PERSONA]).sum() / weights.sum()
    drawn = frame[PERSONA].value_counts(normalize=True)
    names = simulation.personas
    counted = pd.DataFrame({"weight": now, "start": drawn}).reindex(names, fill_value=0.0)
    return counted.rename_axis("persona").reset_index()


def context_weights(mixture: MixtureOfPersonas) -> pd.DataFrame:
    """Return context, persona and weight for the most frequent contexts; none if all are alike."""
    population = mixture.population_
    counts = pd.Series(population.contexts).value_counts()
    first = [population.contexts.index(name) for name in counts.index[:MOST_CONTEXTS]]
    weights = mixture.persona_weights(population.take(first))
    if np.ptp(weights, axis=0).max() < NO_DIFFERENCE:
        return pd.DataFrame()
    contexts = [population.contexts[i] for i in first]
    wide = pd.DataFrame(weights, index=pd.Index(contexts, name="context"), columns=mixture.names)
    return wide.reset_index().melt("context", var_name="persona", value_name="weight")


def _said(responses: list[str], weights: Weights) -> alt.LayerChart:
    if are_closed(responses):
        return share_bars(shares(responses, weights), "Answers")
    return length_bars(responses, weights)
