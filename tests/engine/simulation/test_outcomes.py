from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mop.engine.simulation.outcomes import label, labels, outcomes
from jupyter_mop.errors import DataError


def test_labels_do_not_depend_on_the_type() -> None:
    assert labels(pd.Series([1, 2])) == labels(pd.Series([1.0, 2.0])) == ["1", "2"]
    assert label(" a ") == "a"
    frame = pd.DataFrame({"response": ["x", "yy"], "n": [1, None]})
    assert outcomes(frame, len, "response").tolist() == [1, 2]
    with pytest.raises(DataError, match="missing for 1 of 2"):
        outcomes(frame, "n", "response")
