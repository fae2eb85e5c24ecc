from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.data import persona_edits as edits
from jupyter_mop.engine.data.personas import Persona, persona_shares, read_personas
from jupyter_mop.errors import DataError

TEXT = "fan [0.4]: You love films.\ncritic: You judge films.\nparent: You watch with children."
texts = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
HOSTILE = [
    "colon: here",
    "bracket [0.4]",
    "]{}[",
    "two\nlines",
    "windows\r\nlines",
    "- dash",
    "# hash",
    "\"double\" and 'single'",
    "back\\slash \\n",
    "<img src=x onerror=alert(1)>",
    "{{column}}",
    "yes",
    "null",
    "2024",
    "a\u2028b\u2029c\x85d\x0be",
    "\x00\x07\x1b[31m",
    "\u202eright\u202c \u05e9\u05dc\u05d5\u05dd",
    "\U0001f600 \U0001f468\u200d\U0001f469",
    "%%mop_fit",
    "---",
    "&anchor *alias !tag",
    "long " * 2000 + "end",
]


@st.composite
def lists(draw, n=5):
    names = draw(st.lists(texts, min_size=1, max_size=n, unique=True))
    weights = draw(st.lists(st.none() | st.floats(0.01, 0.15), min_size=n, max_size=n))
    return [Persona(name, draw(texts), weights[i]) for i, name in enumerate(names)]


@pytest.fixture
def three():
    return read_personas(TEXT)


def names(personas):
    return [persona.name for persona in personas]


def shares(personas):
    return dict(zip(names(personas), persona_shares(personas).tolist(), strict=True))


def test_splitting_halves_a_share_and_keeps_the_others(three):
    for index, name in enumerate(names(three)):
        before, after = shares(three), shares(edits.split(three, index))
        assert after[f"{name} 1"] == pytest.approx(before[name] / 2, abs=1e-4)
        assert after[f"{name} 2"] == pytest.approx(before[name] / 2, abs=1e-4)
        assert all(after[n] == pytest.approx(before[n], abs=1e-4) for n in before if n != name)


def test_halves_take_the_position_and_free_numbers():
    personas = read_personas("fan 1: You shout.\nfan: You love films.\ncritic: You judge.")
    assert names(edits.split(personas, 1)) == ["fan 1", "fan 2", "fan 3", "critic"]


def test_halves_keep_the_description(three):
    halves = edits.split(three, 0)[:2]
    assert [half.description for half in halves] == ["You love films."] * 2
    assert [half.weight for half in halves] == [0.2, 0.2]


@pytest.mark.parametrize(
    ("index", "other", "order"),
    [
        (0, 2, ["fan and parent", "critic"]),
        (2, 0, ["critic", "parent and fan"]),
        (1, 2, ["fan", "critic and parent"]),
    ],
)
def test_merging_joins_texts_and_adds_shares(three, index, other, order):
    before, merged = shares(three), edits.merge(three, index, other)
    assert names(merged) == order
    joined = next(p for p in merged if " and " in p.name)
    assert joined.description == f"{three[index].description} {three[other].description}"
    wanted = before[three[index].name] + before[three[other].name]
    assert shares(merged)[joined.name] == pytest.approx(wanted, abs=1e-4)


def test_merging_undoes_a_split(three):
    merged = edits.merge(edits.split(three, 0), 0, 1)
    assert (merged[0].description, merged[0].weight) == ("You love films.", 0.4)


def test_a_merged_name_that_exists_gets_a_number():
    personas = read_personas("a: x\nb: y\na and b: z")
    assert names(edits.merge(personas, 0, 1)) == ["a and b 1", "a and b"]


@given(lists(), st.data())
def test_shares_survive_split_and_merge(personas, data):
    index = data.draw(st.integers(0, len(personas) - 1))
    before, after = persona_shares(personas), persona_shares(edits.split(personas, index))
    assert after[index] + after[index + 1] == pytest.approx(before[index], abs=1e-3)
    if len(personas) > 1:
        merged = edits.merge(personas, 0, len(personas) - 1)
        assert persona_shares(merged)[0] == pytest.approx(before[0] + before[-1], abs=1e-3)


@given(lists())
def test_written_personas_are_read_back(personas):
    assert read_personas(edits.as_text(personas)) == personas


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_descriptions_are_read_back(text):
    personas = [Persona(text.strip(), "You say x.", 0.25), Persona("other", text.strip())]
    assert read_personas(edits.as_text(personas)) == personas


def test_plain_personas_are_one_per_line(three):
    assert edits.as_text(three) == TEXT


def test_an_added_persona_gets_the_mean_weight(three):
    assert edits.add(three, " kid ", " You laugh. ")[-1] == Persona("kid", "You laugh.")
    stated = read_personas("a [0.5]: x\nb [0.5]: y")
    assert shares(edits.add(stated, "c", "z"))["c"] == pytest.approx(1 / 3)


def test_deleting_keeps_the_others(three):
    assert names(edits.delete(three, 1)) == ["fan", "parent"]


def test_stated_weights_are_rounded(three):
    stated = edits.set_weights(three, [0.123456, 0.5, 0.376544])
    assert [persona.weight for persona in stated] == [0.1235, 0.5, 0.3765]


def test_edits_return_new_lists(three):
    before = list(three)
    edits.rename(three, 0, "lover")
    edits.describe(three, 0, "You adore films.")
    edits.delete(three, 0)
    edits.merge(three, 0, 1)
    assert three == before


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda p: edits.rename(p, 0, "  "), "needs a name"),
        (lambda p: edits.rename(p, 0, "critic"), "already a persona 'critic'"),
        (lambda p: edits.describe(p, 0, "\n"), "needs a description"),
        (lambda p: edits.add(p, "critic", "You."), "already a persona"),
        (lambda p: edits.add(p, "", "You."), "needs a name"),
        (lambda p: edits.add(p, "kid", " "), "needs a description"),
        (lambda p: edits.merge(p, 1, 1), "with itself"),
        (lambda p: edits.delete(p[:1], 0), "last persona"),
        (lambda _: edits.delete(read_personas("a [1]: x\nb [0]: y"), 0), "sum to zero"),
    ],
)
def test_an_invalid_edit_is_refused(three, edit, words):
    with pytest.raises(DataError, match=words) as caught:
        edit(three)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_persona_can_keep_its_name(three):
    assert edits.rename(three, 0, " fan ") == three
