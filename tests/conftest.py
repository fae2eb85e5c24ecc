"""Folders of each test's own, one numerical thread, and the order of files among workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before numpy is imported, here and in the kernels: matrices are small, and workers run abreast.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

SLOW = ("model", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker; files with a model or a browser are begun first."""
    slow = {item.path for item in items if any(map(item.get_closest_marker, SLOW))}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(
                pytest.mark.xdist_group(str(item.path.relative_to(item.config.rootpath)))
            )


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's store and IPython profile out of every test; model files stay shared."""
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture(scope="session")
def notebooks_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one store for all runs in small: what one notebook asked, the next one knows."""
    return tmp_path_factory.mktemp("notebooks") / "store.sqlite"
