"""Each way to ask is one row, from which options, help and results take what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mop.backends.toy import ToyBackend
from jupyter_mop.engine.survey.elicitation import methods
from jupyter_mop.engine.survey.elicitation.methods import METHODS
from jupyter_mop.engine.survey.elicitation_options import METHOD_NAMES, ElicitationOptions
from jupyter_mop.errors import ModelError
from jupyter_mop.options import declared_options


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_row_and_a_module(name: str) -> None:
    method = METHODS[name]
    assert name in METHOD_NAMES
    assert method.ask.__module__.endswith(name.replace("-", "_"))
    assert Path(methods.__file__).with_name(f"{name.replace('-', '_')}.py").is_file()
    help_ = {field: option.help for field, _, option in declared_options(ElicitationOptions)}
    assert f"{name}: {method.help}; " in help_["method"]
    assert method.unit
    assert ElicitationOptions(method=name).needs_encoder == method.needs_encoder


def test_auto_is_the_first_that_the_model_supports() -> None:
    assert [name for name in METHODS if METHODS[name].is_auto] == [
        "scored",
        "first-token",
        "sampled",
    ]
    model = ToyBackend(["yes", "no"])
    assert ElicitationOptions().method_for(model) == "scored"
    with pytest.raises(ModelError, match="does not report probabilities of the first tokens"):
        ElicitationOptions(method="first-token").method_for(model)
    assert not ElicitationOptions().needs_encoder
