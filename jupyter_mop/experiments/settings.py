"""The settings of a run of the experiments, and the provenance of its results."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jupyter_mop import __version__, config
from jupyter_mop.backends.protocols import SamplingParams
from jupyter_mop.engine.generation.baselines.method import N_SHOWN
from jupyter_mop.errors import DataError

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas")
N, QUICK_N = 1000, 40
N_BOOT, QUICK_N_BOOT = 200, 40


@dataclass(frozen=True)
class Recipe:
    """Settings of the mixture, the prompts and the sampling.

    Attributes
    ----------
    n_personas : int
        Number of synthesized personas, K.
    n_exemplars, n_records, n_components : int
        Exemplars (J), training records and components (M); see `MixtureOfPersonas`.
    n_shown : int
        Exemplars per prompt, for baselines that use several.
    n_candidates : int
        Responses that the mixture draws for each selected one.
    temperature, top_p, max_tokens
        Sampling parameters.
    n_seeds : int
        Fits of `subgroups`, each with a seed of its own.
    stratify : str
        What the pool of exemplars is stratified by; "" for the contexts.
    template : str
        The prompt template; "" for that of the data.

    Examples
    --------
    >>> Recipe().changed(["temperature=1.0"]).temperature
    1.0
    """

    n_personas: int = 16
    n_exemplars: int = config.DEFAULT_EXEMPLARS
    n_records: int = config.DEFAULT_RECORDS
    n_components: int = config.DEFAULT_COMPONENTS
    n_shown: int = N_SHOWN
    n_candidates: int = config.DEFAULT_CANDIDATES
    temperature: float = config.DEFAULT_TEMPERATURE
    top_p: float = config.DEFAULT_TOP_P
    max_tokens: int = config.DEFAULT_MAX_TOKENS
    n_seeds: int = 3
    stratify: str = ""
    template: str = ""

    @property
    def params(self) -> SamplingParams:
        """The sampling parameters."""
        return SamplingParams(self.temperature, self.top_p, self.max_tokens)

    def changed(self, changes: Sequence[str]) -> Recipe:
        """Return the recipe with changes, each given as NAME=VALUE."""
        return replace(self, **dict(map(_read, changes)))


QUICK = Recipe(n_personas=4, n_exemplars=12, n_records=24, n_components=4, max_tokens=24)


@dataclass(frozen=True)
class Settings:
    """One run: responses per method, seed, recipe, models and folders."""

    n: int
    seed: int
    recipe: Recipe
    out: Path
    store: Path | None = None
    model: str = "local"
    backend: str | None = None
    n_boot: int = N_BOOT
    command: str = ""


def provenance(settings: Settings, model: str, encoder: str) -> dict[str, Any]:
    """Return the provenance of a result: command, models, versions, hardware, seed and date."""
    return {
        "command": settings.command,
        "model": model,
        "encoder": encoder,
        "recipe": asdict(settings.recipe),
        "n": settings.n,
        "seed": settings.seed,
        "n_boot": settings.n_boot,
        "versions": {
            "jupyter-mop": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "hardware": f"{os.cpu_count()} cores, {_processor()}, {platform.system()}",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def check_folder(out: Path, model: str) -> None:
    """Raise a DataError if the folder has results of another model; else record the model there."""
    file = out / "model.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps({"model": model}), encoding="utf-8")
        recorded = json.loads(file.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"Cannot save results to the folder {out}: {error}.",
            hint="Choose another folder with --out.",
        ) from error
    if recorded != model:
        raise DataError(
            f"The results in {out} are from the model {recorded}, not from {model}.",
            hint="Choose another folder with --out, or use that model with --model.",
        )


def command_line(arguments: list[str]) -> str:
    """Return the command line as text."""
    return shlex.join(["python", "-m", "jupyter_mop.experiments", *arguments])


def _processor() -> str:
    """Return the name of the processor as far as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _read(change: str) -> tuple[str, Any]:
    kinds = {field.name: type(getattr(Recipe(), field.name)) for field in fields(Recipe)}
    name, _, text = change.partition("=")
    if name not in kinds:
        raise DataError(
            f"The recipe has no setting {name!r}.", hint=f"Settings: {', '.join(kinds)}."
        )
    try:
        return name, kinds[name](text)
    except ValueError:
        raise DataError(
            f"`{name}` must be of type {kinds[name].__name__}, got {text!r}.",
            hint=f"For example: {name}={getattr(Recipe(), name)}.",
        ) from None
