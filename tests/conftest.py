from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's store and IPython profile out of every test; model files stay shared."""
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
