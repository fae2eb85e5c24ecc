"""Whether the words around an option in a reply turn it round, ask for it or take it back."""

# ruff: noqa: RUF001

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jupyter_mop.engine.survey.reading.folding import AROUND, NO_SPACES, lowered, words


def _either(text: str) -> str:
    """Return a pattern of the phrases between the bars, the longest first."""
    phrases = sorted((phrase.strip() for phrase in text.split("|")), key=len, reverse=True)
    return "(?:" + "|".join(map(re.escape, phrases)) + ")"


_INTERJECTIONS = words("no nope nah nay nein nej nee non não нет 아니요 아니오 いいえ hayır")
NEGATIONS = _INTERJECTIONS | words(
    "not never neither nor none nothing without hardly barely scarcely less cannot cant dont "
    "doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt havent hasnt hadnt aint "
    "nobody není nejsem nejsme nejsou "
    "nicht kein keine keinen keiner nie niemals ne pas jamais nunca niet geen nooit inte "
    "ikke ingen ei nem не ни δεν μη μην لا ليس لست غير לא नहीं không tidak bukan"
)
_AFTER = words("nicht niet inte ikke pas değil değilim değildir नहीं না 안 못 않 않음 않습니다")
_REFUSALS = words(
    "refuse refused refuses fail failed fails lack lacks unable false untrue lie lying wrong deny "
    "denies denied doubt doubts wish wished pretend pretended pretending"
)
_NEAR = words("almost nearly virtually practically rarely seldom")  # "almost never" is not never
_PHRASES_BEFORE = re.compile(
    _either(
        "far from|anything but|nothing but|all but|rather than|instead of|as if|as though|used to"
    )
    + r"(?: \w+){0,2} ?$|"
    + _either("hope to be|hoped to be|want to be|wanted to be|like to be|love to be")
    + r" ?$"
)
_TURNS = re.compile(r"^.*\b(?:but|sondern|sino|mais)\b")
# Scripts with no spaces: a negation is joined to the word, in front of it or behind it.
_JOINED_BEFORE = tuple(
    words("不 没 沒 無 未 不太 不是 不会 不會 不怎么 不怎麼 不完全 没有 沒有 ไม่ មិន ບໍ່")
)
STOPS = ".,;:!?()\n\u061f\u3001\u3002\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
ENDS = ".!?\n\u061f\u3002\uff01\uff1f"
_CLAUSE = re.compile(rf"[{STOPS}]|\u2026|\u2192|->| -+ | -+$|--+")
_END = re.compile(rf"[{ENDS}]+")
_JOINED_AFTER = re.compile(rf"^[^{STOPS}\s]{{0,6}}?(?:ない|ません|なかった|無い)")
_ASKED = re.compile(r"\?|\u061f|\uff1f")
_ASKED_WITHOUT_MARK = re.compile(r"^ ?(?:吗|嗎|么|ですか|ますか|입니까|습니까)")
_INTERROGATIVES = words(
    "am is are was were do does did would will can could should shall have has had who what why "
    "how which when where whether if so bin ist sind est suis es estoy soy sou"
)
_BELIEVES = re.compile(r"\b(?:why|or|than|if) not$")  # "believe it or not, I agree"
_ADVERBS = words(
    "really very truly entirely exactly quite ever so completely particularly at all actually "
    "fully totally especially wirklich vraiment du tout"
)
_REACH = 5  # words before an option that can negate it

# What denies by itself, as in "Satisfied? Not really." and "Satisfied (not)."
_SOFTENERS = _either(
    "well|oh|um|hmm|er|but|or|actually|certainly|definitely|absolutely|of course|really|probably|"
    "surely|hell|heck|obviously|clearly|maybe|perhaps|rather|just|im afraid|i think|natürlich"
)
_DENIALS = _either(
    "no|nope|nah|nay|not|never|hardly|barely|scarcely|rarely|no way|not at all|by no means|"
    "in no way|not in the least|not in the slightest|under no circumstances|far from it|"
    "anything but|i dont think so|i think not|i doubt it|as if|my foot|yeah right|false|wrong|"
    "nein|nicht|non|pas du tout|nej|nee|niet|нет|не|não|nao|不|不是|没有|沒有|いいえ|아니요|아니오|"
    "değil|hayır|nie|ne|ei|لا|לא|नहीं|ไม่"
)
_VERB = (
    r"(?:am|im|is|its|are|was|were|do|does|did|would|will|can|could|should|have|has|had) not|"
    r"(?:isnt|arent|wasnt|werent|dont|doesnt|didnt|wouldnt|wont|cant|cannot|couldnt|shouldnt|"
    r"havent|hasnt|hadnt|aint)"
)
_PRONOUN = r"(?:i|we|it|that|this|they|he|she|you)"
_TAIL = _either(
    "really|at all|quite|exactly|so much|even close|even remotely|remotely|a bit|one bit|ever|"
    "anymore|any more|any longer|no|way|chance|thanks|vraiment|wirklich|sir|truly|particularly|"
    "especially|yet|much|always|necessarily|entirely|completely|sorry|true|so|be|today|now|here|"
    "for me|this time"
)
_DENIAL = rf"(?:{_SOFTENERS} )*(?:{_DENIALS}|(?:{_PRONOUN} )?(?:{_VERB})|im not)(?: {_TAIL})*"
_IS_DENIAL = re.compile(_DENIAL)
_OVERTURNS = re.compile(
    rf"^ (?:(?:{_VERB}|(?:is|was|are|would be|could be|will be|will) (?:never|hardly))\b|"
    r"(?:is|was|are|would be|would have been|seems|sounds|feels) (?:\w+ ){0,2}?"
    + _either(
        "wrong|false|untrue|incorrect|a lie|lying|an exaggeration|an overstatement|inaccurate|"
        "too strong|too much|too high|too low|too generous|out of the question|far from|the last"
    )
    + r"\b)"
)
_TAKES_BACK = re.compile(
    r"\b(?:"
    + _either("kidding|joking|scratch that|strike that|take that back|take it back|changed my mind")
    + r")\b"
)
_AFFIRMATION = re.compile(
    rf"(?:{_SOFTENERS} )*"
    + _either(
        "yes|yeah|yep|yup|sure|definitely|absolutely|certainly|indeed|of course|very|totally|"
        "completely|i am|i do|i would|i will|it is|oui|ja|si|sí|sim|da|tak|да|はい|是|네|예|हाँ|نعم"
    )
    + r"\b"
)
_EMPTY_BOX = r"\[ ?\]|\( ?\)|☐|⬜|◻|□"
_REFUSED_SIGNS = "❌✗✘✖🚫⛔🙅"
_SIGN_BEFORE = re.compile(rf"(?:{_EMPTY_BOX}|[{_REFUSED_SIGNS}]) ?$")
_SIGN_AFTER = re.compile(rf"^ ?[{_REFUSED_SIGNS}]")
_HAS_EMPTY_BOX = re.compile(_EMPTY_BOX)


def is_negated(before: str, name: str, after: str, names: Sequence[str] = ()) -> bool:
    """Return whether the words around an option mean that it is not the answer.

    Parameters
    ----------
    before, name, after : str
        The option and the text around it, folded as the options are.
    names : sequence of str
        All options; a "no" that is one of them is another answer and no negation.

    Examples
    --------
    >>> [is_negated(before, "satisfied", after) for before, after in
    ...  [("i am ", ""), ("", " (not)"), ("am i ", "? no"), ("not, ", ""), ("i am ", " with it")]]
    [False, True, True, True, False]
    """
    before, name, after = lowered(before), lowered(name), lowered(after)
    sentence = _END.split(before)[-1]
    is_negative = name in NEGATIONS or (" " in name and bool(NEGATIONS & set(name.split())))
    if _is_turned(sentence, name) or _is_joined(before, name, after):
        return True
    if _SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after) or is_asked(sentence + name, after):
        return True
    if is_negative:
        return name in NEGATIONS and _is_of_a_noun(after)
    # "We agree to not agree."
    is_undone = after.startswith((f" to not {name}", f" not to {name}"))
    return is_undone or bool(_OVERTURNS.match(after)) or is_taken_back(after, names)


def is_taken_back(after: str, names: Sequence[str] = ()) -> bool:
    """Return whether the text after an option denies it, in its sentence or the next one.

    Examples
    --------
    >>> is_taken_back(" not at all."), is_taken_back(". not!"), is_taken_back(", no doubt")
    (True, True, False)
    """
    clauses, named = list(_following(lowered(after))), set(map(lowered, names))
    denied = (
        _IS_DENIAL.fullmatch(clause) and not named & set(clause.split()) for clause in clauses
    )
    return any(denied) or any(_TAKES_BACK.search(clause) for clause in clauses)


def is_asked(before: str, after: str) -> bool:
    """Return whether an option stands in a question that is not answered with yes.

    In "Yes, why not?" the question is another clause.

    Parameters
    ----------
    before : str
        The sentence up to the end of the option.
    after : str
        The rest of the text.

    Examples
    --------
    >>> is_asked("am i satisfied", "? hard to say"), is_asked("am i satisfied", "? yes, very")
    (True, False)
    >>> is_asked("yes", ", why not?")
    False
    """
    if _ASKED_WITHOUT_MARK.match(after):
        return True
    end = _END.search(after)
    if end is None or not _ASKED.search(end[0]) or "(" in after[: end.start()]:
        return False
    first = before.split()[:1]
    is_whole = not _CLAUSE.search(after[: end.start()])
    if not is_whole and not (_INTERROGATIVES & set(first) or before.startswith("\u00bf")):
        return False
    answer = _END.split(after[end.end() :].strip(AROUND + "\n"))[0]
    return not (_AFFIRMATION.match(answer) and not NEGATIONS & set(answer.split()))


def has_empty_box(text: str) -> bool:
    """Return whether a text has a box that is not ticked, as in "[ ] yes"."""
    return bool(_HAS_EMPTY_BOX.search(text))


def _following(after: str) -> Iterator[str]:
    """Yield the clauses after an option: the rest of its sentence, and the next one's first."""
    end = _END.search(after)
    own = after if end is None else after[: end.start()]
    following = "" if end is None else after[end.end() :]
    yield from filter(None, (clause.strip(AROUND) for clause in _CLAUSE.split(own)))
    yield from [clause for clause in map(_bare, _CLAUSE.split(following)) if clause][:1]


def _bare(clause: str) -> str:
    return clause.strip(AROUND)


def _is_turned(sentence: str, name: str) -> bool:
    """Return whether the words before an option in its sentence negate it."""
    *earlier, own = _CLAUSE.split(sentence)
    own = _TURNS.sub("", own) if not _PHRASES_BEFORE.search(own) else own
    last = [word.strip(AROUND) for word in own.split()][-_REACH:]
    has_negation = " " in name and bool(NEGATIONS & set(name.split()))
    if not has_negation and (NEGATIONS & set(last) or any(map(_dangles, earlier))):
        return True
    if _REFUSALS & set(last) or _NEAR & set(last[-1:]):
        return True
    return bool(_PHRASES_BEFORE.search(own))


def _dangles(clause: str) -> bool:
    """Return whether a clause ends in a negation of what follows: "I am not, truly, satisfied"."""
    said = [word for word in (word.strip(AROUND) for word in clause.split()) if word]
    while said and said[-1] in _ADVERBS:
        said.pop()
    if not said or _BELIEVES.search(" ".join(said)):
        return False
    return said[-1] in NEGATIONS - _INTERJECTIONS


def _is_joined(before: str, name: str, after: str) -> bool:
    """Return whether the next word negates an option, or one joined to it in some scripts."""
    next_word = _next_word(after)
    if next_word in _AFTER and next_word not in name.split():
        return True
    if not NO_SPACES.search(name):
        return False
    joined = _CLAUSE.split(before)[-1].endswith(_JOINED_BEFORE)
    return joined or bool(_JOINED_AFTER.match(after))


_CONTINUE_AN_ANSWER = words(
    "i we you he it she they this that there im its ive id thanks thank sir madam definitely "
    "absolutely because but and as for in never not of"
)


def _is_of_a_noun(after: str) -> bool:
    """Return whether a "no" belongs to the next word, as in "no opinion"."""
    next_word = _next_word(after)
    return bool(next_word) and next_word not in _CONTINUE_AN_ANSWER


def _next_word(after: str) -> str:
    goes_on = re.match(r" (\S+)", after)
    return goes_on[1].strip(AROUND) if goes_on else ""
