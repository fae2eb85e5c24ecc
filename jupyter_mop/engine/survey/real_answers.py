"""Real answers to a closed question: read as its options, or set aside by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jupyter_mop.engine.data.population import Population
from jupyter_mop.engine.survey.answer_matching import read_option
from jupyter_mop.engine.survey.question import SEPARATOR, Question
from jupyter_mop.engine.survey.reading.rating_scales import scale_order
from jupyter_mop.errors import DataError

MIN_READ = 0.5  # share of the answers that are options, from which the question is the same
MAX_NAMED, MAX_OPTIONS = 5, 12


def split_names(text: str | Sequence[str] | None) -> list[str]:
    """Return names given as a list, or as one text with `|` between them, quoted or not.

    Examples
    --------
    >>> split_names("'Refused|Don't know'"), split_names(["Refused"]), split_names(None)
    (['Refused', "Don't know"], ['Refused'], [])
    """
    if text is None:
        return []
    if not isinstance(text, str):
        return [str(name) for name in text]
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    names = (text[1:-1] if is_quoted else text).split(SEPARATOR)
    return [name.strip() for name in names if name.strip()]


def without_missing(
    population: Population,
    missing: str | Sequence[str] | None,
    *,
    separator: str | None = None,
) -> tuple[Population, dict[str, int]]:
    """Return the records without answers that are set aside, and the number of each of these.

    Parameters
    ----------
    population : Population
    missing : str or sequence of str, optional
        Names of the answers to set aside.
    separator : str, optional
        What stands between the chosen options of a multiple choice. A record is set aside if one
        of them is.

    Raises
    ------
    DataError
        If no record is left.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "vote": ["yes", "no", "REFUSED", "yes"]})
    >>> population = Population.from_frame(df, context="age", response="vote")
    >>> without_missing(population, "Refused|Don't know")
    (Population(3 records, context: age, response: vote), {'Refused': 1})
    """
    names = split_names(missing)
    if not names:
        return population, {}
    found = {text: _missing_name(text, names, separator) for text in set(population.responses)}
    aside = [found[text] for text in population.responses]
    rows = [i for i, name in enumerate(aside) if name is None]
    if not rows:
        raise DataError(
            f"All {len(population)} answers are set aside: {', '.join(names)}.",
            hint="Set fewer answers aside.",
        )
    if len(rows) == len(population):
        return population, {}
    return population.take(rows), dict(Counter(name for name in aside if name is not None))


def read_answers(population: Population, question: Question) -> Population | None:
    """Return the population with each response written as the options that it selects.

    Returns
    -------
    Population or None
        `None` if nobody answered, or fewer than half of the responses are made of the options:
        these are answers to another question, or free text.

    Raises
    ------
    DataError
        If at least half of the responses are made of the options, but not all of them. The values
        that are not are named.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "vote": [1.0, 0.0, 1.0]})
    >>> population = Population.from_frame(df, context="age", response="vote")
    >>> read_answers(population, Question("Vote?", ["Yes", "No"])).responses
    ['Yes', 'No', 'Yes']
    """
    if population.is_unanswered:
        return None
    texts, unread = _readings(population.responses, question)
    n_unread = sum(unread.values())
    if n_unread > MIN_READ * len(population):
        return None
    if unread:
        raise unread_error(unread, len(population), question.options)
    if all(text == read for text, read in texts.items()):
        return population
    responses = [texts[text] for text in population.responses]
    frame = population.frame.assign(**{population.response: responses})
    return replace(population, frame=frame)


def too_few_read(population: Population, question: Question) -> str:
    """Return why responses are no answers to the question though some are options, or none came.

    It is "" otherwise.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "vote": ["yes", "well", "oh", "hm"]})
    >>> population = Population.from_frame(df, context="age", response="vote")
    >>> too_few_read(population, Question("Vote?", ["yes", "no"]))
    'Only 1 of 4 responses of the population are options, so they are not compared with.'
    """
    if population.is_unanswered:
        return (
            f"The population has no column {population.response!r}, so there are no real answers "
            "to compare with."
        )
    _, unread = _readings(population.responses, question)
    n, n_read = len(population), len(population) - sum(unread.values())
    if n_read == 0 or n_read >= MIN_READ * n:
        return ""
    return (
        f"Only {n_read} of {n} responses of the population are options, so they are not compared "
        "with."
    )


def unread_error(unread: Mapping[str, int], n: int, options: Sequence[str]) -> DataError:
    """Return the error for answers that are none of the options, with their values and counts."""
    values = [f"{text[:60]!r} ({count})" for text, count in Counter(unread).most_common(MAX_NAMED)]
    more = f" and {len(unread) - MAX_NAMED} other values" if len(unread) > MAX_NAMED else ""
    names = SEPARATOR.join(text[:60] for text in list(unread)[:2])
    return DataError(
        f"{sum(unread.values())} of {n} real answers are none of {list(options)[:MAX_OPTIONS]}: "
        f"{', '.join(values)}{more}.",
        hint=f'Add them to the options, correct them, or set them aside: --missing "{names}".',
    )


def _readings(
    responses: Sequence[str], question: Question
) -> tuple[dict[str, str], dict[str, int]]:
    """Return the text in which each response is written, and those that cannot be read."""
    texts: dict[str, str] = {}
    unread: dict[str, int] = {}
    for text, count in Counter(responses).items():
        try:
            texts[text] = question.answer_text(question.selected_options(text))
        except DataError:
            unread[text] = count
    return texts, unread


def _missing_name(text: str, names: Sequence[str], separator: str | None) -> str | None:
    parts = [text, *(text.split(separator) if separator else [])]
    found = (read_option(part, names) for part in parts)
    return next((names[a] for a in found if a is not None), None)


def distinct_options(population: Population) -> tuple[str, ...]:
    """Return the distinct answers of a population; spellings of one answer count as one.

    The most frequent spelling is kept. They are in the order of a categorical column or of a verbal
    rating scale, or else alphabetical.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"age": "old", "vote": ["no", "yes", "YES ", "yes"]})
    >>> distinct_options(Population.from_frame(df, context="age", response="vote"))
    ('no', 'yes')
    """
    counts = Counter(population.responses)
    kept: list[str] = []
    for name in sorted(population.options, key=lambda name: -counts[name]):
        if name.strip() and read_option(name, kept) is None:
            kept.append(name)
    is_categorical = hasattr(population.frame[population.response].dtype, "categories")
    scale = None if is_categorical else scale_order(kept)
    return tuple(scale or (name for name in population.options if name in kept))
