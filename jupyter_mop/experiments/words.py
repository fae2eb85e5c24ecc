"""The metrics of every method in another space: the words of the responses.

Candidates are selected by the encoder's vectors, and FID, MAUVE and KL cosine usually compare the
same vectors. Here they compare words, which no method uses: TF-IDF of words and word pairs,
reduced to 100 axes (latent semantic analysis, Deerwester et al. 1990), fitted to the training
records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.charts import alignment_chart
from jupyter_mop.engine.metrics.vectors import unit
from jupyter_mop.experiments.generation import FLOOR, LEARNED, RIVALS, methods, notes
from jupyter_mop.experiments.metrics.measurements import CACHE_FOLDER, Metrics
from jupyter_mop.experiments.report import Result
from jupyter_mop.experiments.workbench import Workbench

N_AXES = 100
_OFFSET = 1e-4  # gives a text of unknown words a direction


def run(bench: Workbench) -> Result:
    """Compare the words of all methods with those of the held-out records."""
    settings, cut = bench.settings, bench.source.cut
    encode = word_encoder([cut(text) for text in bench.population.responses], settings.seed)
    target = encode([cut(text) for text in bench.target.responses[: 2 * settings.n]])
    vectors = {
        name: encode([cut(text) for text in simulation.responses])
        for name, simulation in methods(bench).items()
    }
    folder = settings.out / CACHE_FOLDER
    metrics = Metrics(target, folder, n_boot=settings.n_boot, seed=settings.seed)
    frame = metrics.table(vectors)
    space = f"Vectors of words (TF-IDF on {target.shape[1]} axes), not of the encoder."
    return Result(
        "words",
        bench.source.name,
        frame,
        FLOOR,
        [*notes(bench), space],
        metrics.gains(frame, vectors, LEARNED, RIVALS),
        alignment_chart(frame),
        bench.provenance,
    )


def word_encoder(
    texts: Sequence[str], random_state: int = 0
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Return a function from texts to unit vectors of their words, shape `(n, axes)`.

    The vocabulary and axes are fitted to `texts`.

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

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return unit(axes.transform(counts.transform(texts)) + _OFFSET).astype(np.float32)

    return encode
