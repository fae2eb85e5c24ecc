"""Which option an answer is: whole answers of people, replies of models, first tokens."""

# ruff: noqa: RUF001

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mop.engine.survey.answer_matching import (
    match_first_token,
    match_option,
    read_option,
    share_first_word,
)

# Options, and for each reply the option that it names ("" for none).
REPLIES: dict[str, dict[str, str]] = {
    "-2|-1|0|1|2": {
        "- -2\n\nSo, this option is only 2 but it": "-2",
        "- 2\n- 1\n- -2": "",
        "- 1\n\nHere, we have four options:\n\n1.": "1",
        "2": "2",
        "-2": "-2",
        "I'd say 2.": "2",
        "\u22122": "-2",
        "2 or 1": "",
        "minus 2": "-2",
        "negative 2": "-2",
        "I would not say 2": "",
        "'-2'": "-2",
        "**-2**": "-2",
        "2024-01-01": "",
        "": "",
    },
    "C|C++|C#": {
        "C++": "C++",
        "I use C++.": "C++",
        "C#!": "C#",
        "C": "C",
    },
    "👍|👎": {
        "👍": "👍",
        "👎🏽": "👎",
        "👍👎": "",
        "I say 👍!": "👍",
        "😀": "",
    },
    "Agree|Disagree": {
        "I do not agree.": "",
        "I don't agree": "",
        "I disagree.": "Disagree",
        "I barely agree": "",
        "I cannot say that I agree": "",
        "I’m not so sure that I agree": "",
        "I refuse to agree": "",
        "I fail to disagree": "",
        "Nobody would agree": "",
        "I ain't sure I agree": "",
        "I fail to see why, but I agree": "Agree",
    },
    "Strongly agree|Agree|Disagree|Strongly disagree": {
        "I agree strongly.": "",
        "I strongly agree with it": "Strongly agree",
        "I agree with it": "Agree",
    },
    "Never|Sometimes|Always": {
        "Almost never": "",
        "nearly always": "",
        "Well, never.": "Never",
        "Never mind, sometimes": "Sometimes",
    },
    "Almost never|Never|Always": {
        "almost never, I think": "Almost never",
    },
    "Pass|Fail": {
        "I would say fail": "Fail",
        "It has to fail, sadly": "Fail",
    },
    "spokojený|nespokojený": {
        "Nejsem spokojený": "",
        "Jsem nespokojený": "nespokojený",
    },
    "<50%|>50%": {
        ">50%": ">50%",
        "It is >50%.": ">50%",
        "50%": "",
    },
    "Very satisfied|Satisfied|Not satisfied|Don't know": {
        "- Satisfied\nThere is no middle option out of this list.": "Satisfied",
        "- Satisfied\nTo get your fix, it's essential to know, just don": "Satisfied",
        "- Very satisfied\n\nHere is the option to choose:\n\n- not satisfied\n": "",
        "I'm not satisfied with my job.": "Not satisfied",
        "I'm not happy with my life.": "",
    },
    "Satisfied|Unsatisfied": {
        "Not satisfied": "",
    },
    "Satisfied|Not satisfied": {
        "Not satisfied": "Not satisfied",
    },
    "Yes|No": {
        "No opinion": "",
        "No, I would not": "No",
        "No I would not": "No",
        "No.": "No",
        "Yes I would": "Yes",
        "Dont know": "",
        "**Yes**": "Yes",
        "Yes, definitely, no doubt": "Yes",
        "No way": "",
        "- Yes": "Yes",
        "-Yes": "Yes",
        "_Yes_": "Yes",
        "Answer: _Yes_": "Yes",
        "Yes\n\nExplanation: no one would refuse.": "Yes",
        "I'd not say no": "",
        "No problem, yes!": "Yes",
        "There is no doubt: yes": "Yes",
        "I have no objection": "",
        "Yes and no": "",
        "1": "",
        "True": "",
        "Ｙｅｓ": "Yes",
        "...": "",
    },
    "Yes|No|Don't know": {
        "Dont know": "Don't know",
    },
    "Yes|No|Don’t know": {
        "I dont know": "Don’t know",
    },
    "café|thé": {
        "cafe\u0301": "café",
    },
    "同意|不同意": {
        "同意": "同意",
        "我不同意。": "不同意",
    },
    "同意|反对": {
        "我不同意。": "",
        "我非常同意": "同意",
        "我不太同意": "",
    },
    "tea|iced tea": {
        "Tea!": "tea",
        "Iced tea, please": "iced tea",
    },
    "tea|iced tea|milk": {
        "milk or iced tea": "",
        "Perhaps milk, perhaps tea": "",
        "teapot": "",
    },
    "tea|milk": {
        "": "",
        "Tea. Milk makes me ill.": "tea",
    },
    "Satisfied|Very satisfied": {
        "My answer: Very satisfied": "Very satisfied",
    },
    "18-29|30+": {
        "18\u201329": "18-29",
        "30+": "30+",
        "30": "",
        "30 or more, say 30+": "30+",
    },
    "1|2": {
        "1.0": "1",
        "我选2。": "2",
    },
    "Always|Never": {
        "Never": "Never",
        "I never smoke": "",
    },
    "yes|no": {
        "I would never go": "",
        "I am not sure, but yes": "yes",
        "I'd say no, but maybe yes": "",
    },
    "A|None of these": {
        "None of these": "None of these",
    },
    "US|us": {
        "US": "US",
        "us": "us",
        "Us": "",
    },
    "A|B": {
        "A.": "A",
        "我选A。": "A",
        "A good question": "",
        "I would go with A.": "A",
        "It is a matter of taste: B": "B",
    },
    "agree|strongly agree": {
        "strongly agree": "strongly agree",
    },
    "நன்று|தீது": {
        "நன்று": "நன்று",
    },
    "Ja|Nein": {
        "Ja": "Ja",
    },
    "gut|schlecht": {
        "Das finde ich nicht gut": "",
    },
    "good|bad": {
        "neither good nor bad": "",
    },
    "1|2|3|4|5": {
        "4 out of 5": "4",
        "4/5": "4",
        "On a scale from 1 to 5, I'd say 4.": "4",
        "3.5": "",
    },
    "1|1000": {
        "1,000": "1000",
    },
    "10%|20%": {
        "It's 0.10%": "",
    },
    "5|6 or more": {
        "I have 5.5 kids": "",
    },
    "เห็นด้วย|เป็นกลาง": {
        "ไม่เห็นด้วย": "",
    },
    "เห็นด้วย|ไม่เห็นด้วย": {
        "เห็นด้วย": "เห็นด้วย",
    },
    "同意|反対": {
        "同意しません": "",
        "同意します": "同意",
    },
    "好き|嫌い": {
        "好きではない": "",
    },
    "US|Them": {
        "Tell us about it: Them": "Them",
        "US": "US",
    },
    "Tea|None": {
        "None of these": "None",
    },
    "Tea|None of these.": {
        "None of these": "None of these.",
    },
    "-1|1": {
        "-1": "-1",
        "- 1": "1",
    },
    "सहमत|असहमत": {
        "मैं सहमत नहीं हूँ": "",
        "मैं सहमत हूँ": "सहमत",
    },
    "क|ख": {
        "की": "",
    },
    "согласен|против": {
        "Я не согласен": "",
    },
    "d'accord|contre": {
        "Ne sunt pas d'accord": "",
    },
    "D'accord|Pas d'accord": {
        "Je ne suis pas d’accord.": "Pas d'accord",
    },
    "gefällt mir|egal": {
        "Das gefällt mir nicht": "",
    },
    "zufrieden|unzufrieden": {
        "Ich bin zufrieden": "zufrieden",
    },
    "memnun|kararsız": {
        "memnun değilim": "",
    },
    "gosto|odeio": {
        "não gosto": "",
    },
    "동의|반대": {
        "동의 안 해요": "",
        "동의하지 않습니다": "",
    },
    "동의합니다|동의하지 않습니다": {
        "동의합니다": "동의합니다",
    },
    "Satisfied|Dissatisfied": {
        "less than satisfied": "",
        "far from satisfied": "",
        "anything but satisfied": "",
    },
    "R|Python": {
        "R&D": "",
    },
    "C|C++": {
        "C/C++": "",
    },
    "True|False": {
        "yes": "",
    },
    "Dont know|Yes": {
        "don't know": "Dont know",
    },
    "U.S.|Canada": {
        "U.S.": "U.S.",
        "The U.S., I think": "U.S.",
    },
    "Agree|Neither agree nor disagree|Disagree": {
        "Neither agree nor disagree": "Neither agree nor disagree",
    },
    "Agree|Neutral|Disagree": {
        "I neither agree nor disagree": "",
    },
    "-|+": {
        "-": "-",
        "+": "+",
    },
    "Not at all|Somewhat": {
        "I'm not at all worried": "Not at all",
    },
    "worried|Not at all worried": {
        "Not at all worried": "Not at all worried",
    },
}
# What stands after an option, or around it, and turns it round, asks for it or takes it back.
TURNED: dict[str, dict[str, str]] = {
    "Agree|Neutral": {
        "We agree to not agree.": "",
        "I agree not to agree.": "",
        "I agree to join.": "Agree",
    },
    "Satisfied|Dissatisfied": {
        "Satisfied (not).": "",
        "Satisfied (not really)": "",
        "(Not) satisfied": "",
        "Am I satisfied? No.": "",
        "Am I satisfied? Yes, very.": "Satisfied",
        "Am I satisfied? Hard to say.": "",
        "Am I satisfied, all in all? Not at all.": "",
        "Satisfied? No.": "",
        "Satisfied?\nNo.": "",
        "Satisfied? I don't think so.": "",
        "Satisfied? No. Dissatisfied.": "Dissatisfied",
        "Satisfied or dissatisfied? Satisfied.": "Satisfied",
        "Who could be satisfied?": "",
        "Satisfied. Not!": "",
        "Satisfied, not.": "",
        "Satisfied: no. Dissatisfied: yes.": "Dissatisfied",
        "Satisfied - no": "",
        "Satisfied ... NOT": "",
        "Satisfied I am not.": "",
        "I am satisfied with it. Not really.": "",
        "Satisfied is not the word.": "",
        "'Satisfied' would be an exaggeration.": "",
        "Satisfied by no means": "",
        "I am not, and never will be, satisfied": "",
        "Not really, truly satisfied": "",
        "I'm satisfied. Just kidding.": "",
        "Satisfied. Wait, dissatisfied.": "",
        "I used to be satisfied": "",
        "I wish I were satisfied.": "",
        "As if I were satisfied": "",
        "rarely satisfied": "",
        "Satisfied rather than dissatisfied": "Satisfied",
        "Satisfied, and I do not say that lightly": "Satisfied",
        "Satisfied (very much so)": "Satisfied",
        "I am satisfied, why wouldn't I be?": "Satisfied",
        "Believe it or not, I'm satisfied": "Satisfied",
        "[ ] Satisfied\n[x] Dissatisfied": "Dissatisfied",
        "☐ Satisfied ☑ Dissatisfied": "Dissatisfied",
        "❌ Satisfied": "",
        "Satisfied ❌": "",
        "~~Satisfied~~ Dissatisfied": "Dissatisfied",
        "¿Satisfied? No": "",
    },
    "Yes|No": {
        "Yes? No.": "No",
        "Yes. No.": "",
        "No. Wait, yes.": "",
        "Yes, not really.": "",
        "Yes (no).": "",
        "Yes, why not?": "Yes",
        "Yes! Why would anyone say no?": "Yes",
        "No, I do not.": "No",
        "No. Not at all.": "No",
        "Yes. No doubt about it.": "Yes",
        "Would I say yes? Never.": "",
        "Yes would be a lie.": "",
        "It would be wrong to say yes": "",
        "If yes, why?": "",
        "Yes... but no": "",
        "Yeah, no.": "",
        "No, yeah": "",
        "Yes, nope": "",
    },
    "Agree|Neutral|Disagree": {
        "Agree? Nope.": "",
        "I agree that it should not be legal.": "Agree",
        "I agree, but not strongly": "Agree",
        "Agree (just not today)": "",
        "I agree. It is not too late.": "Agree",
        "Agree → no": "",
        "I doubt that I would agree": "",
        "I cannot but agree": "Agree",
        "Not neutral but disagree": "Disagree",
    },
    "1|2|3|4|5": {
        "4? No, 3.": "3",
        "4 (not 5)": "4",
        "4 (no).": "",
        "more than 3": "",
        "at least 4": "",
        "3 or higher": "",
        "4 is too high": "",
        "On a scale of 1-5: 4": "4",
        "Not 4 but 5": "5",
    },
    "👍|👎": {
        "👍? No.": "",
        "👍 (not)": "",
        "not 👍": "",
        "🚫👍": "",
        "👍? 👎": "👎",
    },
    "tea|milk": {
        "tea not milk": "tea",
        "tea instead of milk": "tea",
        "Tea? Not for me. Milk.": "milk",
    },
    "满意|不满意": {
        "满意吗？不。": "",
        "满意（不）": "",
    },
    "zufrieden|unzufrieden": {
        "Zufrieden? Nein.": "",
        "zufrieden (nicht)": "",
        "Bin ich zufrieden? Ja.": "zufrieden",
    },
    "満足|不満": {
        "満足ですか。いいえ。": "",
    },
}
PEOPLE: dict[str, dict[str, str]] = {
    "yes|no": {
        "YES": "yes",
        "1": "yes",
        "0": "no",
        "1.0": "yes",
        "I would say yes": "",
        "Refused": "",
        " Yes": "yes",
    },
    "Yes|No": {
        "False": "No",
    },
    "Yes|No|Maybe": {
        "1": "",
    },
    "True|False": {
        "yes": "True",
    },
    "1|0": {
        "1": "1",
    },
    "1|2": {
        "2": "2",
        "2.0": "2",
    },
    "No|Yes": {
        "n": "No",
    },
    "10|1": {
        "1": "1",
    },
    "0|1": {
        "2": "",
    },
}


def cases(table: dict[str, dict[str, str]]) -> list[tuple[str, list[str], str]]:
    return [
        (text, options.split("|"), expected)
        for options, answers in table.items()
        for text, expected in answers.items()
    ]


def name(found: int | None, options: list[str]) -> str:
    return "" if found is None else options[found]


@pytest.mark.parametrize(("text", "options", "expected"), cases(REPLIES) + cases(TURNED))
def test_a_reply_names_one_option_or_none(text: str, options: list[str], expected: str) -> None:
    assert name(match_option(text, options), options) == expected
    turned = options[::-1]
    assert name(match_option(text, turned), turned) == expected


@pytest.mark.parametrize(("text", "options", "expected"), cases(PEOPLE))
def test_a_person_gives_a_whole_option(text: str, options: list[str], expected: str) -> None:
    assert name(read_option(text, options), options) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("option", ["café", "Müller", "한국어", "ไม่แน่ใจ", "நன்று", "सहमत"])
def test_the_form_of_unicode_makes_no_difference(option: str, form: str) -> None:
    options = [unicodedata.normalize("NFD" if form == "NFC" else "NFC", option), "other"]
    for read in (match_option, read_option):
        assert read(unicodedata.normalize(form, option), options) == 0


WORDS = st.lists(st.text("abc", min_size=1), min_size=1, max_size=3).map(" ".join)


@given(st.lists(WORDS, min_size=2, unique=True))
def test_an_option_matches_itself(options: list[str]) -> None:
    for read in (match_option, read_option):
        found = [read(f" {option.upper()}!", options) for option in options]
        assert found == list(range(len(options)))


@given(st.integers(-20, 20), st.integers(-20, 20))
def test_numbers_are_never_other_numbers(said: int, option: int) -> None:
    options = [str(option), "999"]
    for text in (str(said), f"I would say {said}.", f"{said}.0", f"**{said}**"):
        assert match_option(text, options) == (0 if said == option else None)


@pytest.mark.parametrize(
    ("token", "labels", "expected"),
    [
        (" yes", ["Yes", "No"], 0),
        ("N", ["Yes", "No"], 1),
        ("Not", ["Yes", "No"], None),
        ("", ["Yes", "No"], None),
        ("**", ["Yes", "No"], None),
        ("B", ["A", "B"], 1),
        ("caf", ["cafe\u0301", "thé"], 0),
        ("सह", ["सहमत", "असहमत"], 0),
        ("v", ["very good", "very bad"], None),
    ],
)
def test_a_first_token_begins_one_label(token: str, labels: list[str], expected: int) -> None:
    assert match_first_token(token, labels) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["yes", "no"], False),
        (["-1", "1"], True),
        (["C", "C++"], True),
        ([">50%", "<50%"], True),
        (["👍", "👎"], True),
        (["No", "No opinion"], True),
        (["1", "10"], True),
        (["सहमत", "असहमत"], False),
    ],
)
def test_options_with_the_same_first_word_need_letters(options: list[str], expected: bool) -> None:
    assert share_first_word(options) == expected
