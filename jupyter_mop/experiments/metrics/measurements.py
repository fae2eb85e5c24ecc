"""Metrics against the held-out records, cached in the folder of the results."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Hashable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_mop.engine.metrics import alignment_table

Vectors = NDArray[np.float32]
CACHE_FOLDER = "figures"
EXCESS = {"FID": "FID excess over the human floor", "MAUVE": "MAUVE", "KL cosine": "KL cosine"}


class Metrics:
    """FID, MAUVE and KL cosine of each method, computed once and cached.

    Parameters
    ----------
    target : ndarray, shape (N, d)
        Vectors of the held-out records.
    folder : Path
        Folder of the cached metrics, one file per hash of vectors and settings.
    n_boot : int
        Number of random halves for each interval.
    seed : int
        Random seed.
    """

    def __init__(self, target: Vectors, folder: Path, *, n_boot: int, seed: int) -> None:
        self.target, self.folder = target.astype(np.float64), folder
        self.n_boot, self.seed = n_boot, seed

    def table(self, simulated: Mapping[str, Vectors]) -> pd.DataFrame:
        """Return the frame of `alignment_table.align` for these methods."""
        parts = [self._method(name, vectors) for name, vectors in simulated.items()]
        return pd.concat(parts, ignore_index=True)

    def gains(
        self, frame: pd.DataFrame, simulated: Mapping[str, Vectors], method: str, rivals: list[str]
    ) -> pd.DataFrame:
        """Return the difference of `method` from the best rival on each metric, in percent.

        FID is compared by its excess over the human floor. The differences are paired; their
        intervals are in percent of the rival's value.
        """
        rows = [self._gain(frame, simulated, method, name, rivals) for name in EXCESS]
        return pd.DataFrame(rows)

    def _gain(
        self,
        frame: pd.DataFrame,
        simulated: Mapping[str, Vectors],
        method: str,
        metric: str,
        rivals: list[str],
    ) -> dict[str, Any]:
        known = {row["method"]: row for row in frame[frame["figure"] == metric].to_dict("records")}
        best = min((known[name] for name in rivals), key=badness)
        found = self._difference([simulated[method], simulated[best["method"]]])
        row = found[found["figure"] == metric].to_dict("records")[0]
        base = best["value"] - (best["floor"] if metric == "FID" else 0.0)
        percent = {part: 100 * row[part] / base for part in ("difference", "low", "high")}
        return {
            "method": method,
            "against": best["method"],
            "figure": EXCESS[metric],
            **percent,
            "verdict": row["verdict"],
        }

    def _method(self, name: str, vectors: Vectors) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            made = {"method": vectors.astype(np.float64)}
            return alignment_table.align(
                self.target, made, n_boot=self.n_boot, random_state=self.seed
            )

        return self._cached(["align", vectors], compute).assign(method=name)

    def _difference(self, pair: list[Vectors]) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            mine, other = (vectors.astype(np.float64) for vectors in pair)
            return alignment_table.differences(
                self.target,
                {"mine": mine, "other": other},
                against="other",
                n_boot=self.n_boot,
                random_state=self.seed,
            )

        return self._cached(["differences", *pair], compute)

    def _cached(self, key: list[Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return the frame that is cached for `key`, or compute it and cache it."""
        digest = hashlib.sha256(json.dumps([key[0], self.n_boot, self.seed]).encode())
        for vectors in (self.target, *key[1:]):
            digest.update(np.ascontiguousarray(vectors).tobytes())
        file = self.folder / f"{digest.hexdigest()[:32]}.json"
        if not file.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # few responses: the table states n
                frame = compute()
            self.folder.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_text(frame.to_json(orient="split", double_precision=15), encoding="utf-8")
            part.replace(file)
        return pd.read_json(StringIO(file.read_text(encoding="utf-8")), orient="split")


def badness(row: Mapping[Hashable, Any]) -> float:
    """Return a number that is lower for a better metric."""
    return float(row["value"] if row["better"] == "lower" else -row["value"])
