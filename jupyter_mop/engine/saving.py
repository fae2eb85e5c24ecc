"""A mixture on disk: one JSON file that a person can read and one npz file of arrays."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.exemplars import Exemplar
from jupyter_mop.engine.gate import Gate
from jupyter_mop.engine.personas import Persona
from jupyter_mop.engine.population import Population
from jupyter_mop.engine.prompts import PromptTemplate
from jupyter_mop.errors import DataError

if TYPE_CHECKING:
    from jupyter_mop.backends.base import Backend, Encoder
    from jupyter_mop.engine.mixture import MixtureOfPersonas

VERSION = 1
_WEIGHT = "__weight__"
_ARRAYS = ("personas", "exemplars", "w_x", "w_g", "w_e", "b")
_SETTINGS = (
    *("template", "n_exemplars", "n_records", "n_components"),
    *("rank", "l2", "stratify", "random_state"),
)


def save(mixture: MixtureOfPersonas, path: Path) -> Path:
    """Write `mixture` to the folder `path`; the JSON file last, so that half is never read."""
    path.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(mixture.gate_, name) for name in _ARRAYS}
    with (path / "gate.npz.part").open("wb") as file:
        np.savez_compressed(file, **arrays)
    text = json.dumps(_described(mixture), ensure_ascii=False, indent=1)
    (path / "mixture.json.part").write_text(text, encoding="utf-8")
    for name in ("gate.npz", "mixture.json"):
        (path / f"{name}.part").replace(path / name)
    return path


def load(
    kind: type[MixtureOfPersonas], path: Path, backend: Backend, encoder: Encoder
) -> MixtureOfPersonas:
    """Read the mixture in the folder `path`."""
    try:
        facts = json.loads((path / "mixture.json").read_text(encoding="utf-8"))
        with np.load(path / "gate.npz", allow_pickle=False) as arrays:
            gate = Gate(**{name: arrays[name] for name in _ARRAYS})
        version, learned_with = facts["version"], facts["encoder"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"There is no readable mixture in {str(path)!r}.",
            hint="Give the folder that save(path) wrote.",
        ) from error
    if version > VERSION:
        raise DataError(
            f"The mixture in {str(path)!r} is from a newer version of jupyter-mop.",
            hint="Update with: pip install -U jupyter-mop",
        )
    if learned_with != encoder.fingerprint:
        raise DataError(
            "The mixture was learned with another encoder.",
            hint=f"Load it with the encoder {learned_with!r}.",
        )
    mixture = kind([Persona(**p) for p in facts["personas"]], backend, encoder, **facts["settings"])
    mixture.gate_ = gate
    mixture.template_ = PromptTemplate(facts["question"])
    mixture.exemplars_ = [Exemplar(**exemplar) for exemplar in facts["exemplars"]]
    mixture.population_ = _population(facts["contexts"])
    if facts["report"]:
        mixture.report_ = pd.DataFrame(facts["report"])
    return mixture


def _described(mixture: MixtureOfPersonas) -> dict[str, Any]:
    report = getattr(mixture, "report_", None)
    return {
        "version": VERSION,
        "encoder": mixture.encoder.fingerprint,
        "model": mixture.backend.fingerprint,
        "settings": {name: getattr(mixture, name) for name in _SETTINGS},
        "question": mixture.template_.text,
        "personas": [asdict(persona) for persona in mixture.personas],
        "exemplars": [asdict(exemplar) for exemplar in mixture.exemplars_],
        "contexts": _contexts(mixture.population_),
        "report": None if report is None else report.to_dict("records"),
    }


def _contexts(population: Population) -> dict[str, Any]:
    """Return each different context once, with the weight of its records."""
    frame = pd.DataFrame(population.records).assign(**{_WEIGHT: population.weights})
    columns = list(population.context)
    counted = frame.groupby(columns, sort=False, as_index=False)[[_WEIGHT]].sum()
    return {"columns": columns, "response": population.response, "rows": counted.to_dict("records")}


def _population(facts: dict[str, Any]) -> Population:
    frame = pd.DataFrame(facts["rows"])
    return Population(frame, tuple(facts["columns"]), facts["response"], _WEIGHT)
