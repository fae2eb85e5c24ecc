"""What a report is made from: the results of a study, gathered but not yet HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_mop.engine.data.population import Population
    from jupyter_mop.engine.evaluation.alignment import Alignment
    from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas
    from jupyter_mop.engine.simulation.simulation import Simulation
    from jupyter_mop.engine.survey.population_answer import PopulationAnswer


@dataclass(frozen=True)
class ReportContents:
    """The results of one simulation or answer, for `report_page`.

    Attributes
    ----------
    simulation : Simulation
        The simulation, or the drawn answers of a closed question.
    model : str
        Name of the language model.
    train, target : Population or None
        Training and held-out records.
    mixture : MixtureOfPersonas or None
        The mixture whose weights the simulation has.
    alignment : Alignment or None
        A comparison with people that has this simulation.
    diagnosis : Diagnosis or None
    answers : mapping of str to pair
        Each closed answer with the frame of its baselines.
    verdicts : sequence of str
        How far to trust the results, one sentence each.
    problems : sequence of str
        What was left out, not measured or failed, one sentence each.
    facts : mapping of str to str
        Seeds, versions and dates.
    shown : sequence of int
        Rows of the simulated responses to show.
    with_quotes : bool
        Whether to show texts of real people.
    """

    simulation: Simulation
    model: str
    train: Population | None = None
    target: Population | None = None
    mixture: MixtureOfPersonas | None = None
    alignment: Alignment | None = None
    diagnosis: Diagnosis | None = None
    answers: Mapping[str, tuple[PopulationAnswer, pd.DataFrame]] = field(default_factory=dict)
    verdicts: Sequence[str] = ()
    problems: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    shown: Sequence[int] = ()
    with_quotes: bool = False
