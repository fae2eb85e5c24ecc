"""Teaching material of the course: toy populations with known truth, a game, and answer checks.

Everything here runs on the toy language model, in seconds and without a network.
"""

from __future__ import annotations

from jupyter_mop.teaching.canteen import canteen_cards, canteen_model, canteen_study
from jupyter_mop.teaching.checks import check
from jupyter_mop.teaching.student_survey import (
    student_questionnaire,
    survey_answers,
    survey_study,
)
from jupyter_mop.teaching.verdicts import Verdict
from jupyter_mop.teaching.weights_game import HiddenWeights

__all__ = [
    "HiddenWeights",
    "Verdict",
    "canteen_cards",
    "canteen_model",
    "canteen_study",
    "check",
    "student_questionnaire",
    "survey_answers",
    "survey_study",
]
