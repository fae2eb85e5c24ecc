"""The responses of every method in another space: their words, which nothing has looked at.

Resampling keeps candidates by the encoder's vectors, and FID, MAUVE and KL cosine are of the same
vectors. Here they are of the words: TF-IDF of words and pairs of words, on 100 axes (latent
semantic analysis, Deerwester et al. 1990), learned from the records that are not held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.metrics.vectors import unit
from jupyter_mop.experiments.generation import FLOOR, LEARNED, RIVALS, methods, notes
from jupyter_mop.experiments.measurements import Figures
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

N_AXES = 100
_NO_WORD = 1e-4  # so that a text of unknown words alone has a direction


def run(bench: Workbench) -> Result:
    """Compare the words of all methods with those of the held-out records."""
    settings, cut = bench.settings, bench.source.cut
    encode = word_encoder([cut(text) for text in bench.population.responses], settings.seed)
    target = encode([cut(text) for text in bench.target.responses[: 2 * settings.n]])
    vectors = {
        name: encode([cut(text) for text in made.responses])
        for name, made in methods(bench).items()
    }
    figures = Figures(target, settings.out / "figures", n_boot=settings.n_boot, seed=settings.seed)
    frame = figures.table(vectors)
    told = f"In the space of words: TF-IDF on {target.shape[1]} axes, not the encoder's vectors."
    return Result(
        "words",
        bench.source.name,
        frame,
        FLOOR,
        [*notes(bench), told],
        figures.gains(frame, vectors, LEARNED, RIVALS),
        alignment_chart(frame),
        bench.provenance,
    )


def word_encoder(
    texts: Sequence[str], random_state: int = 0
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Return what turns texts into unit vectors (n, axes) of their words, learned from `texts`.

    Examples
    --------
    >>> encode = word_encoder(["hot tea", "cold tea", "hot soup"] * 2)
    >>> cosines = encode(["hot tea"]) @ encode(["tea, hot", "cold tea"]).T
    >>> bool(cosines[0, 0] > cosines[0, 1])
    True
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    counts = TfidfVectorizer(min_df=2, sublinear_tf=True, ngram_range=(1, 2)).fit(texts)
    n_axes = min(N_AXES, len(counts.vocabulary_) - 1)
    axes = TruncatedSVD(n_axes, random_state=random_state).fit(counts.transform(texts))

    def encode(said: Sequence[str]) -> NDArray[np.float32]:
        return unit(axes.transform(counts.transform(said)) + _NO_WORD).astype(np.float32)

    return encode
