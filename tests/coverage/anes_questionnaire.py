"""Six questions of the ANES 1996 with the embedded model: imputed answers, and what is wrong.

Run: python tests/coverage/anes_questionnaire.py
"""

from __future__ import annotations

import time

import pandas as pd

from jupyter_mop import Question, Study, Survey, imputation_report, item_correlations
from jupyter_mop.datasets import load_anes96_battery
from jupyter_mop.datasets.anes96 import NEWS, PARTIES, POSITIONS
from jupyter_mop.engine.questionnaire.prediction import left_out_report

WHO = "It is 1996."
QUESTIONS = {
    "vote": Question(f"{WHO} Who do you expect to vote for?", ["Clinton", "Dole"]),
    "party": Question(f"{WHO} What is your party?", PARTIES, "scale"),
    "self": Question(f"{WHO} What are your own political views?", POSITIONS, "scale"),
    "clinton": Question(f"{WHO} What are Bill Clinton's political views?", POSITIONS, "scale"),
    "dole": Question(f"{WHO} What are Bob Dole's political views?", POSITIONS, "scale"),
    "news": Question(f"{WHO} On how many days a week do you watch news?", NEWS, "scale"),
}
PERSONAS = """
strong Democrat: You are a strong Democrat. You belong to a union and like Bill Clinton.
weak Democrat: You mostly vote for the Democrats, out of habit more than out of conviction.
independent: You belong to no party and do not follow politics much.
weak Republican: You mostly vote for the Republicans, out of habit more than out of conviction.
strong Republican: You are a strong Republican. You go to church and want lower taxes.
"""

if __name__ == "__main__":
    survey = Survey.from_frame(
        load_anes96_battery(), QUESTIONS, context=["education", "age", "income"]
    )
    study = Study()
    study.use_personas(PERSONAS)
    began = time.perf_counter()
    fit = study.survey(survey, n_orders=2)
    print(f"asked and fitted in {time.perf_counter() - began:.0f} s\n{fit}\n{fit.description}")
    with pd.option_context("display.width", 160, "display.max_columns", 20):
        print(imputation_report(fit).round(3).to_string(index=False))
        print(item_correlations(fit).round(3).to_string(index=False))
        print(left_out_report(fit).round(3).to_string(index=False))
        fidelity = study.fidelity()
        print(f"{fidelity.verdict}\n{fidelity.overall.round(3).to_string()}")
        print(study.design(300).verdict)
