"""Real data sets as frames, read from installed packages."""

from __future__ import annotations

from jupyter_mop.datasets.anes96 import load_anes96, load_anes96_battery
from jupyter_mop.datasets.drug_reviews import load_drug_reviews
from jupyter_mop.datasets.movie_reviews import load_movie_reviews
from jupyter_mop.datasets.scipy_functions import load_scipy_functions

__all__ = [
    "load_anes96",
    "load_anes96_battery",
    "load_drug_reviews",
    "load_movie_reviews",
    "load_scipy_functions",
]
