"""A shell of one's own with the magics, a study on the toy backend and a few records."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_mop import Study, ToyBackend, ToyEncoder, load_ipython_extension
from jupyter_mop.notebook.magics.register import MopMagics

WORDS = ["sun", "rain", "wind", "fog"]
PERSONAS = "sunny: You say sun.\nrainy: You say rain.\nwindy: You say wind.\n"


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=4, p=[0.5, 0.2, 0.2, 0.1])) for _ in range(480)]
    return pd.DataFrame({"topic": ["dawn", "dusk"] * 240, "text": texts})


@pytest.fixture
def shell(frame: pd.DataFrame) -> Iterator[InteractiveShell]:
    """Give a fresh shell: the one that `display` finds, and nobody's afterwards."""
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    load_ipython_extension(shell)
    magics(shell).study = Study(ToyBackend(WORDS), ToyEncoder(WORDS))
    shell.user_ns["df"] = frame
    yield shell
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # a hundred shells would take minutes to end
    sys.modules["__main__"] = main


@pytest.fixture
def study(shell: InteractiveShell) -> Study:
    """Return the study behind the magics, still empty."""
    return magics(shell).study


@pytest.fixture
def ready(study: Study, frame: pd.DataFrame) -> Study:
    """Return the study behind the magics, with personas and a population."""
    study.use_personas(PERSONAS)
    study.use_population(frame, context="topic", response="text")
    return study


def magics(shell: InteractiveShell) -> MopMagics:
    registered = shell.magics_manager.registry["MopMagics"]
    assert isinstance(registered, MopMagics)
    return registered
