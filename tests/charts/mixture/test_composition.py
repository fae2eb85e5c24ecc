"""A composition's chart and table: names are text, each persona has its own colour."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from jupyter_mop.charts.style.theme import persona_colours
from jupyter_mop.engine.mixture.composition import Composition

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def composition() -> Composition:
    rows = [
        (EVIL, "sunny", 0.6, 0.5, 0.4, 0.6),
        ("rainy", "rainy", 0.4, 0.3, 0.2, 0.4),
        (None, EVIL, 0.0, 0.2, 0.1, 0.3),
    ]
    names = ["rainy", "sunny", EVIL]
    return Composition(
        by=EVIL,
        frame=pd.DataFrame(rows, columns=["group", "persona", "true", "weight", "low", "high"]),
        total_variation=0.2,
        low=0.1,
        high=0.3,
        uniform=0.25,
        confusion=pd.DataFrame([[0.1, 0.8, 0.1], [0.9, 0.1, 0.0]], [EVIL, "rainy"], names),
        right=0.84,
        right_low=0.7,
        right_high=0.9,
        largest=0.6,
        n=50,
        matched="Groups and personas of the same name.",
        notes=(f"No group belongs to the persona '{EVIL}'.",),
    )


def test_the_table_shows_shares_confusion_and_remarks_as_text(composition: Composition) -> None:
    html = composition._repr_html_()
    assert "<img" not in html
    for text in ("60.0%", "40.0% to 60.0%", "80%", "84% [70%, 90%] of 50", "largest group: 60%"):
        assert text in html


def test_bars_have_the_colours_of_their_personas(composition: Composition) -> None:
    spec = composition.plot().to_dict()
    shares, likeliest = spec["vconcat"]
    scale = shares["layer"][0]["encoding"]["color"]["scale"]
    colours = dict(
        zip(composition.confusion.columns, persona_colours(["a", "b", "c"]), strict=True)
    )
    assert scale["range"] == [colours[name] for name in composition.frame["persona"]]
    assert scale["domain"][1] == "rainy"
    assert [layer["encoding"]["x"]["field"] for layer in shares["layer"]] == [
        "weight",
        "low",
        "true",
    ]
    cells = json.dumps(spec["datasets"])
    assert likeliest["layer"][0]["encoding"]["color"]["field"] == "share"
    assert "0.9" in cells
