"""A study from records to panel, with no magics: a script, with IPython not to be imported."""

from __future__ import annotations

import sys

sys.modules["IPython"] = None  # importing it fails, as where it is not installed

import pandas as pd

from jupyter_mop import Study, ToyBackend, ToyEncoder

words = ["sun", "rain", "wind", "snow"]
said = ["sun rain", "rain rain wind", "wind snow", "sun sun sun"] * 60
frame = pd.DataFrame({"topic": ["dawn", "dusk"] * 120, "said": said})
study = Study(ToyBackend(words), ToyEncoder(words))
study.use_personas("critic: You say rain.\nfan: You say sun.")
study.use_population(frame, context="topic", response="said")
study.fit(n_exemplars=8, n_records=60)
study.simulate("learned", 80)
alignment = study.align()
print(alignment)
alignment.plot().save("alignment.png")
assert set(alignment.frame["figure"]) == {"FID", "MAUVE", "KL cosine"}
assert not [name for name in sys.modules if name.startswith(("IPython.", "ipykernel"))]
print("done")
