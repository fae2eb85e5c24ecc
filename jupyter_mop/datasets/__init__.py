"""Real data sets as frames, read from installed packages."""

from __future__ import annotations

from jupyter_mop.datasets.anes96 import load_anes96
from jupyter_mop.datasets.movie_reviews import load_movie_reviews

__all__ = ["load_anes96", "load_movie_reviews"]
