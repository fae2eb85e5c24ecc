"""Save and load a mixture: a readable JSON file and an `.npz` file of arrays."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jupyter_mop.engine.data.exemplars import Exemplar
from jupyter_mop.engine.data.personas import Persona
from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.data.prompt_template import PromptTemplate
from jupyter_mop.engine.gate.gate import Gate
from jupyter_mop.engine.gate.structured_terms import StructuredTerms
from jupyter_mop.engine.mixture.context_features import ContextFeatures
from jupyter_mop.engine.mixture.fit_options import FitOptions
from jupyter_mop.errors import DataError
from jupyter_mop.options import declared_options

if TYPE_CHECKING:
    from jupyter_mop.backends.protocols import Backend, Encoder
    from jupyter_mop.engine.mixture.mixture import MixtureOfPersonas

VERSION = 2
_FILES = ("gate.npz", "mixture.json")
_WEIGHT = "__weight__"
_ARRAYS = ("personas", "exemplars", "w_x", "w_g", "w_e", "b", "a")
_TERMS = ("blocks", "affinity", "log_share")
SETTINGS = tuple(name for name, *_ in declared_options(FitOptions))


def save(mixture: MixtureOfPersonas, path: Path) -> Path:
    """Write `mixture` to the folder `path`, the JSON file last, so that it is complete."""
    _check_free(path)
    path.mkdir(parents=True, exist_ok=True)
    gate = mixture.gate_
    arrays = {name: getattr(gate, name) for name in _ARRAYS}
    arrays |= {name: getattr(gate.terms, name) for name in _TERMS}
    with (path / "gate.npz.part").open("wb") as file:
        np.savez_compressed(file, **arrays)
    text = json.dumps(_facts(mixture), ensure_ascii=False, indent=1)
    (path / "mixture.json.part").write_text(text, encoding="utf-8")
    for name in _FILES:
        (path / f"{name}.part").replace(path / name)
    return path


def _check_free(path: Path) -> None:
    """Raise a DataError if `path` is a file, or a folder without a mixture that is not empty."""
    if path.is_file():
        raise DataError(f"{str(path)!r} is a file, not a folder.", hint="Use a new folder.")
    found = {file.name.removesuffix(".part") for file in path.iterdir()} if path.is_dir() else set()
    if found and found.isdisjoint(_FILES):
        raise DataError(
            f"The folder {str(path)!r} contains files that are not a mixture.",
            hint="Use a new folder, or the folder of a mixture to replace.",
        )


def load(
    kind: type[MixtureOfPersonas], path: Path, backend: Backend, encoder: Encoder
) -> MixtureOfPersonas:
    """Read the mixture in the folder `path`.

    Raises
    ------
    DataError
        If there is no readable mixture, it is from another version, or it was edited.
    """
    with _readable(path):
        facts = json.loads((path / "mixture.json").read_text(encoding="utf-8"))
        version = facts["version"]
    if version != VERSION:
        hint = "Update with: pip install -U jupyter-mop" if version > VERSION else "Fit it again."
        raise DataError(
            f"The mixture in {str(path)!r} was saved by another version of jupyter-mop.", hint=hint
        )
    with _readable(path):
        with np.load(path / "gate.npz", allow_pickle=False) as arrays:
            gate = Gate(**{name: arrays[name] for name in _ARRAYS})
            parts = {name: arrays[name] for name in _TERMS}
        columns, levels = facts["columns"], facts["levels"]
        learned_with = facts["encoder"], facts["model"]
        marginal, digest = np.array(facts["weights"], dtype=np.float64), facts["digest"]
    if digest != _digest(facts):
        raise DataError(
            f"The personas or exemplars in {str(path)!r} were edited after the fit.",
            hint="Undo the edit, or fit a new mixture with the edited personas.",
        )
    mixture = kind([Persona(**p) for p in facts["personas"]], backend, encoder, **facts["settings"])
    mixture.features_ = ContextFeatures(tuple(columns), tuple(map(tuple, levels)))
    widths = tuple(mixture.features_.widths(gate.personas.shape[1]))
    mixture.gate_ = replace(gate, terms=StructuredTerms(tuple(columns), widths, **parts))
    mixture.template_ = PromptTemplate(facts["question"])
    mixture.exemplars_ = [Exemplar(**exemplar) for exemplar in facts["exemplars"]]
    mixture.population_ = _population(facts["contexts"])
    if facts["report"]:
        mixture.report_ = pd.DataFrame(facts["report"])
    if learned_with[0] != encoder.fingerprint:
        mixture.gate_ = mixture.start(parts["log_share"]).with_marginal(
            marginal, *mixture.context_vectors
        )
    _warn_of_transfer(learned_with, encoder.fingerprint, backend.fingerprint)
    return mixture


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise a DataError for any error while reading."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"There is no readable mixture in {str(path)!r}.",
            hint="Use a folder that save(path) wrote.",
        ) from error


def _warn_of_transfer(learned_with: tuple[str, str], encoder: str, model: str) -> None:
    """Warn if the encoder or the model differs from that of the fit."""
    if learned_with[0] != encoder:
        warnings.warn(
            f"The weights were learned with the encoder {learned_with[0]}, not {encoder}. Only the "
            "overall persona weights are used, not the weights by context or of exemplars.",
            stacklevel=4,
        )
    if learned_with[1] != model:
        warnings.warn(
            f"The weights were learned with the model {learned_with[1]} and are used with {model}. "
            "The held-out likelihoods are for the first model.",
            stacklevel=4,
        )


def _facts(mixture: MixtureOfPersonas) -> dict[str, Any]:
    """Return the content of the JSON file."""
    report = getattr(mixture, "report_", None)
    return {
        "version": VERSION,
        "encoder": mixture.encoder.fingerprint,
        "model": mixture.backend.fingerprint,
        "digest": _digest(
            {
                "personas": [asdict(persona) for persona in mixture.personas],
                "exemplars": [asdict(exemplar) for exemplar in mixture.exemplars_],
            }
        ),
        "weights": mixture.persona_weights().tolist(),
        "columns": mixture.features_.columns,
        "levels": mixture.features_.levels,
        "settings": {name: getattr(mixture, name) for name in SETTINGS},
        "question": mixture.template_.text,
        "personas": [asdict(persona) for persona in mixture.personas],
        "exemplars": [asdict(exemplar) for exemplar in mixture.exemplars_],
        "contexts": _contexts(mixture.population_),
        "report": None if report is None else report.to_dict("records"),
    }


def _digest(facts: Mapping[str, Any]) -> str:
    """Return a hash of the personas and exemplars that the weights belong to."""
    parts = [facts["personas"], facts["exemplars"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _contexts(population: Population) -> dict[str, Any]:
    """Return each distinct context with the weight of its records."""
    frame = pd.DataFrame(population.records).assign(**{_WEIGHT: population.weights})
    columns = list(population.context)
    totals = frame.groupby(columns, sort=False, as_index=False)[[_WEIGHT]].sum()
    return {"columns": columns, "response": population.response, "rows": totals.to_dict("records")}


def _population(facts: dict[str, Any]) -> Population:
    frame = pd.DataFrame(facts["rows"])
    return Population(frame, tuple(facts["columns"]), facts["response"], _WEIGHT)
