"""What one run of the experiments was asked for, and what its results say of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shlex
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jupyter_mop import __version__
from jupyter_mop.errors import DataError
from jupyter_mop.experiments.recipe import Recipe

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas")
N_BOOT, QUICK_N_BOOT = 200, 40


@dataclass(frozen=True)
class Settings:
    """One run: data, responses of each method, seed, recipe, models and folders."""

    data: tuple[str, ...]
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
    """Return what a result was made by: command, models, versions, hardware, seed and date."""
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
    """Raise a DataError where the folder holds results of another model; else note the model."""
    note = out / "model.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            note.write_text(json.dumps({"model": model}), encoding="utf-8")
        held = json.loads(note.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The folder {out} cannot keep results: {error}.", hint="Choose another with --out."
        ) from error
    if held != model:
        raise DataError(
            f"The results in {out} are of the model {held}, not of {model}.",
            hint="Choose another folder with --out, or that model with --model.",
        )


def command_line(arguments: list[str]) -> str:
    """Return the command as it is typed."""
    return shlex.join(["python", "-m", "jupyter_mop.experiments", *arguments])


def _processor() -> str:
    """Return the name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
