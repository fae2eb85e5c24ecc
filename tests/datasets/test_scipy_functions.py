from __future__ import annotations

from jupyter_mop.datasets import load_scipy_functions
from jupyter_mop.datasets.scipy_functions import MIN_WORDS, SUBJECTS


def test_each_function_has_a_text_a_kind_and_a_subject() -> None:
    functions = load_scipy_functions()
    assert list(functions.columns) == ["subject", "kind", "text"]
    assert set(functions["subject"]) == set(SUBJECTS.values())
    assert set(functions["kind"]) == {"function", "class"}
    assert functions["text"].is_unique
    assert functions["text"].str.split().str.len().min() >= MIN_WORDS
    assert functions["subject"].value_counts().min() >= 40
    assert not functions["text"].str.contains("\n").any()


def test_the_subject_matches_the_text() -> None:
    functions = load_scipy_functions().set_index("subject")["text"]
    says_matrix = functions.str.contains("matri", case=False)
    assert says_matrix["linear algebra"].mean() > 5 * says_matrix["statistics"].mean()
