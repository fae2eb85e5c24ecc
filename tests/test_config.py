from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mop import config
from jupyter_mop.errors import ModelError


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_MOP_CACHE_DIR", raising=False)
    monkeypatch.delenv("JUPYTER_MOP_STORE", raising=False)


def test_the_default_is_the_users_cache_folder() -> None:
    assert config.cache_dir().name == "jupyter-mop"
    assert config.cache_dir().is_absolute()
    assert config.store_path() == config.cache_dir() / "store.sqlite"


def test_the_environment_moves_folder_and_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", str(tmp_path))
    assert config.cache_dir() == tmp_path
    assert config.store_path() == tmp_path / "store.sqlite"
    monkeypatch.setenv("JUPYTER_MOP_STORE", "~/elsewhere.sqlite")
    assert config.store_path() == Path.home() / "elsewhere.sqlite"


def test_an_empty_variable_is_not_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", "")
    assert config.cache_dir().name == "jupyter-mop"


def test_the_context_manager_comes_before_the_environment_and_nests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", "/env")
    with config.settings(cache_dir=tmp_path):
        assert config.cache_dir() == tmp_path
        with config.settings(cache_dir="/inner", store="/other.sqlite"):
            assert config.cache_dir() == Path("/inner")
            assert config.store_path() == Path("/other.sqlite")
        assert config.store_path() == tmp_path / "store.sqlite"
    assert config.cache_dir() == Path("/env")


def test_settings_end_with_an_error_too() -> None:
    with pytest.raises(KeyError), config.settings(cache_dir="/data"):
        raise KeyError
    assert config.setting("cache_dir") is None


def test_the_environment_sets_the_size_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_MOP_CACHE_BLOCKS", raising=False)
    assert config.cache_blocks() == config.DEFAULT_CACHE_BLOCKS
    monkeypatch.setenv("JUPYTER_MOP_CACHE_BLOCKS", "128")
    assert config.cache_blocks() == 128


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_an_invalid_size_of_the_cache_is_refused(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_MOP_CACHE_BLOCKS", wrong)
    with pytest.raises(ModelError, match=f"JUPYTER_MOP_CACHE_BLOCKS must be .*, got '{wrong}'"):
        config.cache_blocks()
