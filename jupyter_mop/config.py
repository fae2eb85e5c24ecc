"""Settings, in this order: argument, context manager, environment variable, default."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_mop.errors import ModelError

DEFAULT_TEMPERATURE = 0.9
DEFAULT_TOP_P = 0.95
DEFAULT_MAX_TOKENS, MAX_DEFAULT_TOKENS = 48, 256
DEFAULT_CANDIDATES = 4
DEFAULT_EXEMPLARS = 1000
DEFAULT_RECORDS = 200
DEFAULT_COMPONENTS = 16
DEFAULT_CACHE_BLOCKS = 384

_overrides: dict[str, str] = {}


def setting(name: str) -> str | None:
    """Return the setting `name`, such as "cache_dir" or "store", or None if it is not set.

    Its environment variable is `JUPYTER_MOP_` followed by the name in capitals.
    """
    return _overrides.get(name) or os.environ.get(f"JUPYTER_MOP_{name.upper()}") or None


@contextmanager
def settings(**values: str | os.PathLike[str]) -> Iterator[None]:
    """Override settings inside a `with` block, for example `settings(cache_dir="/data")`."""
    before = dict(_overrides)
    _overrides.update({name: os.fspath(value) for name, value in values.items()})
    try:
        yield
    finally:
        _overrides.clear()
        _overrides.update(before)


def cache_dir() -> Path:
    """Return the folder of model files and the store (JUPYTER_MOP_CACHE_DIR)."""
    chosen = setting("cache_dir")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("jupyter-mop", appauthor=False)


def store_path() -> Path:
    """Return the path of the SQLite store (JUPYTER_MOP_STORE)."""
    chosen = setting("store")
    return Path(chosen).expanduser() if chosen else cache_dir() / "store.sqlite"


def cache_blocks() -> int:
    """Return the size of the embedded model's key-value cache (JUPYTER_MOP_CACHE_BLOCKS).

    Raises
    ------
    ModelError
        The setting is not a whole number of at least 1.
    """
    chosen = setting("cache_blocks") or str(DEFAULT_CACHE_BLOCKS)
    if not chosen.isdecimal() or not int(chosen):
        raise ModelError(
            f"JUPYTER_MOP_CACHE_BLOCKS must be a whole number of at least 1, got {chosen!r}.",
            hint=f"Give a number of blocks, or unset it for the default: {DEFAULT_CACHE_BLOCKS}.",
        )
    return int(chosen)
