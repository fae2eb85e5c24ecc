"""Folders of each test's own, one numerical thread, and the order of files among workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before numpy is imported, here and in the kernels: matrices are small, and workers run abreast.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")


def files_with(mark: str, items: list[pytest.Item]) -> set[Path]:
    return {item.path for item in items if item.get_closest_marker(mark)}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, and all files with the embedded model on the same one.

    The model takes every core by itself; the other worker's browsers mostly wait. Both come first.
    """
    model, browser = files_with("model", items), files_with("browser", items)
    items.sort(key=lambda item: (item.path not in model, item.path not in browser))
    for item in items:
        group = "model" if item.path in model else item.path.relative_to(item.config.rootpath)
        item.add_marker(pytest.mark.xdist_group(str(group)))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's store and IPython profile out of every test; model files stay shared."""
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture(scope="session")
def notebooks_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one store for all runs in small: what one notebook asked, the next one knows."""
    return tmp_path_factory.mktemp("notebooks") / "store.sqlite"
