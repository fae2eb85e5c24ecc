"""A study in a script, where IPython cannot be imported, and a chart saved as a file."""

from __future__ import annotations

import sys
from pathlib import Path

sys.modules["IPython"] = None  # importing it fails, as if it were not installed

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
assert {"FID", "MAUVE", "KL cosine"} <= set(alignment.frame["figure"])
del sys.modules["IPython"]  # Altair imports it through anywidget
alignment.plot().save("alignment.png")
assert Path("alignment.png").read_bytes().startswith(b"\x89PNG")
print("done")
