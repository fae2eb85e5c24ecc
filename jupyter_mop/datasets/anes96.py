"""Respondents of the American National Election Study of 1996, from statsmodels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mop.errors import missing

if TYPE_CHECKING:
    import pandas as pd

PARTIES = (
    "strong Democrat",
    "weak Democrat",
    "independent leaning Democrat",
    "independent",
    "independent leaning Republican",
    "weak Republican",
    "strong Republican",
)
POSITIONS = (
    "extremely liberal",
    "liberal",
    "slightly liberal",
    "moderate",
    "slightly conservative",
    "conservative",
    "extremely conservative",
)
NEWS = ("never", "1 to 3 days", "4 to 6 days", "every day")
AGES = ("18 to 29", "30 to 44", "45 to 59", "60 or older")
EDUCATIONS = ("no high school diploma", "high school diploma", "some college", "college degree")
INCOMES = ("under $15,000", "$15,000 to $35,000", "$35,000 to $60,000", "over $60,000")


def load_anes96() -> pd.DataFrame:
    """Return 944 respondents of the American National Election Study of 1996.

    Returns
    -------
    pandas.DataFrame
        Columns `vote` (intended vote, "Clinton" or "Dole"), `party` (party identification, seven
        steps from "strong Democrat" to "strong Republican"), `education`, `age` and `income` (of
        the household), and `group`, a sentence that describes a respondent by the last three.
        `party`, `education`, `age` and `income` are ordered categoricals.

    Raises
    ------
    MissingPackageError
        If statsmodels is not installed.

    Notes
    -----
    The data are in the public domain; `statsmodels.datasets.anes96` documents the codes.

    Examples
    --------
    >>> voters = load_anes96()
    >>> voters.shape
    (944, 6)
    >>> voters["vote"].value_counts().to_dict()
    {'Clinton': 551, 'Dole': 393}
    """
    import pandas as pd

    table = pd.read_csv(_file(), sep=r"\s+", quotechar="'")
    groups = pd.DataFrame(
        {
            "vote": table["vote"].map({0: "Clinton", 1: "Dole"}),
            "party": pd.Categorical(
                table["PID"].map(dict(enumerate(PARTIES))), list(PARTIES), ordered=True
            ),
            "education": _cut(table["educ"], (2, 3, 4), EDUCATIONS),
            "age": _cut(table["age"], (29, 44, 59), AGES),
            "income": _cut(table["income"], (10, 16, 20), INCOMES),
        }
    )
    described = zip(groups["age"], groups["education"], groups["income"], strict=True)
    return groups.assign(group=[_sentence(*respondent) for respondent in described])


def load_anes96_battery() -> pd.DataFrame:
    """Return the same respondents with six closed questions and three context columns.

    Returns
    -------
    pandas.DataFrame
        944 rows. Questions `vote`, `party`, `self` (the respondent's own political position, seven
        steps from "extremely liberal" to "extremely conservative"), `clinton` and `dole` (the
        positions that the respondent gives the candidates), and `news` (days a week with
        television news). Contexts `education`, `age` and `income`. All but `vote` are ordered.

    Raises
    ------
    MissingPackageError
        If statsmodels is not installed.

    Examples
    --------
    >>> battery = load_anes96_battery()
    >>> battery["news"].value_counts()["every day"]
    np.int64(288)
    """
    import pandas as pd

    table = pd.read_csv(_file(), sep=r"\s+", quotechar="'")
    steps = dict(enumerate(POSITIONS, 1))
    positions = {
        name: pd.Categorical(table[column].map(steps), list(POSITIONS), ordered=True)
        for name, column in (("self", "selfLR"), ("clinton", "ClinLR"), ("dole", "DoleLR"))
    }
    voters = load_anes96()
    columns = {name: voters[name] for name in ("vote", "party")}
    contexts = {name: voters[name] for name in ("education", "age", "income")}
    return pd.DataFrame(
        {**columns, **positions, "news": _cut(table["TVnews"], (0, 3, 6), NEWS), **contexts}
    )


def _cut(codes: pd.Series, last: tuple[int, ...], names: tuple[str, ...]) -> pd.Series:
    """Return the group of each code; `last` is the highest code of each group but the last."""
    import pandas as pd

    return pd.cut(codes, [-float("inf"), *last, float("inf")], labels=list(names))


def _sentence(age: str, education: str, income: str) -> str:
    article = "a " if education in ("high school diploma", "college degree") else ""
    return f"An American aged {age} with {article}{education} and a household income of {income}."


def _file() -> Path:
    """Return the file; importing the package would take seconds."""
    spec = find_spec("statsmodels")
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / "datasets" / "anes96" / "anes96.csv"
        if file.exists():
            return file
    raise missing("statsmodels", "examples")
