"""Folders of each test's own, one numerical thread, and the order of files among workers."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before numpy is imported, here and in the kernels: matrices are small, and workers run abreast.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")


settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")  # a busy machine is no failure


@cache
def marks(path: Path) -> tuple[bool, bool]:
    """Tell whether a file has tests with the embedded model, and with a browser."""
    text = path.read_text(encoding="utf-8")
    return "mark.model" in text, "mark.browser" in text


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what takes long, unless the command for it runs."""
    if item.get_closest_marker("slow") and "MOP_SLOW" not in os.environ:
        pytest.skip("slow: make slow runs it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: the embedded model's, then the browsers'."""
    items.sort(key=lambda item: [not has for has in marks(item.path)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep a file's tests on one worker, and all files with the embedded model on the same one.

    The model takes every core by itself; the other worker's browsers mostly wait.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  only where workers are used

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "model" if marks(config.rootpath / file)[0] else file

    config.option.loadscopereorder = False
    return Files(config, log)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's store and IPython profile out of every test; model files stay shared."""
    monkeypatch.setenv("JUPYTER_MOP_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture(scope="session")
def notebooks_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one store for all runs in small: what one notebook asked, the next one knows."""
    return tmp_path_factory.mktemp("notebooks") / "store.sqlite"
