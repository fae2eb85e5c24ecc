"""One thread for many small matrices."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread: the matrices are small, and threads wait on each other."""
    import scipy.linalg  # noqa: F401  (only libraries that are loaded can be limited)
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return cast("AbstractContextManager[object]", threadpool_limits(limits=1))
