"""Gather the results of a simulation or an answer, and write them as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from jupyter_mop.backends.store.run_history import read_runs
from jupyter_mop.engine.data.persona_sources.voices import quoted_texts
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.evaluation import trust
from jupyter_mop.engine.evaluation.alignment import Alignment
from jupyter_mop.engine.evaluation.answer_baselines import answer_baselines
from jupyter_mop.engine.evaluation.copying import MIN_COPY_WORDS, longest_runs
from jupyter_mop.engine.evaluation.diagnosis import Diagnosis
from jupyter_mop.engine.simulation.export import writable
from jupyter_mop.engine.simulation.simulation import PERSONA, Simulation
from jupyter_mop.engine.survey.population_answer import PopulationAnswer
from jupyter_mop.errors import DataError
from jupyter_mop.study.session import Session

SUFFIXES = (".html", ".htm")
N_SHOWN, MAX_SHOWN = 2, 24


def write_report(session: Session, name: str, path: Path, *, with_quotes: bool) -> Path:
    """Write the report of a simulation or an answer as one HTML file; see `Study.report`.

    Raises
    ------
    DataError
        If there is no such simulation, for a file that is not HTML, or one that cannot be written.
    """
    from jupyter_mop.charts.report.contents import ReportContents
    from jupyter_mop.charts.report.page import report_page

    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"A report is an .html file, got {str(path)!r}.", hint=f"Use {path.stem or name}.html."
        )
    found = Results.of(session, name)
    contents = ReportContents(
        simulation=found.simulation,
        model=session.backend.fingerprint,
        train=session.population,
        target=session.target,
        mixture=session.mixture if found.has_mixture else None,
        alignment=found.alignment,
        diagnosis=found.diagnosis,
        answers=found.answers,
        verdicts=found.verdicts(session),
        problems=found.problems(session),
        facts=_facts(session, found),
        shown=_shown(session, found.simulation, with_quotes=with_quotes),
        with_quotes=with_quotes,
    )
    return _write(path, report_page(contents))


@dataclass(frozen=True)
class Results:
    """What a study has measured of one simulation.

    Attributes
    ----------
    simulation : Simulation
    alignment : Alignment or None
        The latest comparison that had this very simulation.
    diagnosis : Diagnosis or None
    answers : dict
        Closed answers by name, each with its baselines.
    has_mixture : bool
        Whether the study's mixture has the simulation's personas.
    """

    simulation: Simulation
    alignment: Alignment | None
    diagnosis: Diagnosis | None
    answers: dict[str, tuple[PopulationAnswer, pd.DataFrame]]
    has_mixture: bool

    @classmethod
    def of(cls, session: Session, name: str) -> Results:
        """Return the results of the simulation or answer `name`."""
        simulation = session.simulation(name)
        train = session.population if session.target is not None else None
        answers = {
            key: (answer, answer_baselines(answer, _answering(train, answer)))
            for key, answer in session.answers.items()
        }
        chosen = {name: answers[name]} if name in answers else answers
        mixture = session.fitted_mixture
        return cls(
            simulation,
            session.measured(simulation, Alignment),
            session.measured(simulation, Diagnosis),
            chosen,
            mixture is not None and mixture.names == simulation.names,
        )

    @property
    def is_answer(self) -> bool:
        """Whether the simulation has the drawn answers to a closed question."""
        return self.simulation.name in self.answers

    def verdicts(self, session: Session) -> list[str]:
        """Return how far to trust the results, in plain words."""
        said = [] if self.is_answer else self._fit_verdict(session)
        said += trust.simulation_verdict(self.simulation)
        if self.alignment is not None:
            said += trust.alignment_verdict(self.alignment, self.simulation.name)
        elif not self.is_answer:
            said.append("It has not been compared with people, so nothing says how close it is.")
        if self.diagnosis is not None:
            said += trust.diagnosis_verdict(self.diagnosis)
        for name, (_, baselines) in self.answers.items():
            said += trust.answer_verdict(name, baselines)
        return [*said, trust.LIMIT]

    def _fit_verdict(self, session: Session) -> list[str]:
        """Return what the fit learned, or that weights were not learned."""
        if self.has_mixture:
            return [getattr(session.mixture, "verdict_", "The persona weights were learned.")]
        return ["The persona weights were not learned from records."]

    def problems(self, session: Session) -> list[str]:
        """Return what was left out, not measured or failed."""
        simulation, name = self.simulation, self.simulation.name
        found = [simulation.selection_note if trust.simulation_verdict(simulation) else ""]
        if self.alignment is None and not self.is_answer:
            found.append(f"Not compared with people: run %mop_align {name} before the report.")
        elif self.alignment is not None:
            found += self.alignment.notes
            by = self.alignment.by_context
            found += by.notes if by else [f"Not compared by group: %mop_align {name} --by COLUMN."]
        if self.diagnosis is None and not self.is_answer:
            found.append(f"Not diagnosed: run %mop_diagnose {name} before the report.")
        for answer, _ in self.answers.values():
            found += [f"{answer.name}: {note}" for note in answer.notes]
        if session.population is not None and session.population.n_left_out:
            found.append(f"{session.population.n_left_out:,} rows without a response are left out.")
        return list(filter(None, [*found, *_failed(session, name)]))


def _answering(train: Population | None, answer: PopulationAnswer) -> Population | None:
    """Return the training records with the answers to the question of this answer."""
    if train is None or answer.column is None:
        return train
    return train.answering(answer.column)


def _failed(session: Session, name: str) -> list[str]:
    """Return which runs of this name did not finish, or had requests that failed."""
    return [
        f"Run {run.run} ({run.state}): {run.failed:,} of {run.requested:,} requests failed, "
        f"{run.cancelled:,} were cancelled."
        for run in read_runs(session.store)
        if run.arguments.get("name") == name and (run.failed or run.cancelled)
    ]


def _facts(session: Session, found: Results) -> dict[str, str]:
    seeds = {"seed of the responses": found.simulation.provenance.get("seed", "")}
    if found.has_mixture and session.mixture is not None:
        seeds["seed of the fit"] = session.mixture.random_state
    if found.alignment is not None and found.alignment.sets:
        seeds["seed of the comparison"] = found.alignment.sets["random_state"]
    return {
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": f"jupyter-mop {version('jupyter-mop')}",
        **{key: str(seed) for key, seed in seeds.items()},
    }


def _shown(session: Session, simulation: Simulation, *, with_quotes: bool) -> list[int]:
    """Return the first rows of each persona; without quotes, none that copies a real text."""
    real = [] if with_quotes else _real_texts(session, simulation)
    frame = simulation.frame.reset_index(drop=True)
    groups = frame[PERSONA].astype(object).where(frame[PERSONA].notna(), "")
    wanted = 1 if groups.nunique() > MAX_SHOWN // N_SHOWN else N_SHOWN
    rows: list[int] = []
    for _, part in frame.groupby(groups, sort=False):
        first = list(part.index[: 4 * wanted])
        rows += [i for i in first if i not in _copied(simulation, first, real)][:wanted]
    return sorted(rows[:MAX_SHOWN])


def _real_texts(session: Session, simulation: Simulation) -> list[str]:
    """Return the real texts that prompts contain, and those of the records; none for options."""
    if session.population is None or session.population.is_closed:
        return []
    quoted = [text for known in simulation.descriptions.values() for text in quoted_texts(known)]
    return [*(exemplar.response for exemplar in simulation.exemplars), *quoted]


def _copied(simulation: Simulation, rows: Sequence[int], real: Sequence[str]) -> set[int]:
    """Return which rows repeat a real text, or eight words in a row of one."""
    texts = [simulation.responses[i] for i in rows]
    whole = set(real)
    runs = longest_runs(texts, real) if real else []
    return {
        i
        for i, text, run in zip(rows, texts, runs, strict=False)
        if text in whole or run.size >= MIN_COPY_WORDS
    }


def _write(path: Path, text: str) -> Path:
    """Write a file under a temporary name, then rename it."""
    part = path.with_name(f"{path.name}.part")
    with writable(path, [part]):
        part.write_text(text, encoding="utf-8", errors="replace")
        part.replace(path)
    return path
