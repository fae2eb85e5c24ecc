"""A private IPython shell with the magics and a study on the toy model, for examples."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from jupyter_mop import Study, ToyBackend, ToyEncoder, load_ipython_extension

WORDS = ["warm", "cheap", "loud", "slow", "fresh", "dear"]
ODDS = {
    "morning": [0.36, 0.1, 0.06, 0.1, 0.3, 0.08],
    "evening": [0.1, 0.24, 0.3, 0.16, 0.06, 0.14],
}
Bundle = dict[str, Any]


def guests() -> pd.DataFrame:
    """Return 480 invented responses of guests of a toy cafe, columns `hour` and `said`."""
    rng, hours = np.random.default_rng(0), list(ODDS) * 240
    said = [" ".join(rng.choice(WORDS, size=rng.integers(2, 6), p=ODDS[hour])) for hour in hours]
    return pd.DataFrame({"hour": hours, "said": said})


@contextmanager
def private_shell() -> Iterator[InteractiveShell]:
    """Open a shell whose study has the toy model and its own store; remove both afterwards."""
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
        load_ipython_extension(shell)
        study = Study(ToyBackend(WORDS), ToyEncoder(WORDS), store=Path(folder) / "store.sqlite")
        shell.magics_manager.registry["MopMagics"].study = study
        shell.user_ns.update(guests=guests(), folder=folder, words=WORDS, ToyBackend=ToyBackend)
        yield shell
        study.store.close()
        atexit.unregister(shell.atexit_operations)
        InteractiveShell.clear_instance()
        sys.modules["__main__"] = main


def run(shell: InteractiveShell, code: str) -> list[Bundle]:
    """Run a cell; return its outputs as MIME bundles; raise its error."""
    with shell.display_trap, capture_output() as captured:  # in this order: both set the same hook
        result = shell.run_cell(code)
    result.raise_error()
    shown = [output.data for output in captured.outputs if output.data]
    return ([{"text/plain": captured.stdout}] if captured.stdout else []) + shown
