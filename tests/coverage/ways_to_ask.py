"""Ways to an answer on a public survey: distances from held-out people, cost, exemplars.

Two closed questions of the American National Election Study of 1996, to the embedded model, in the
contexts of education. Printed: `Study.compare_methods` calibrated and uncalibrated, and what
exemplars add.

Run: python tests/coverage/ways_to_ask.py [--draws 10] [--exemplars 3]
The embedded model writes about 1,400 replies and scores 900 options (13 minutes on two busy cores).
"""

from __future__ import annotations

import argparse
import tempfile

import pandas as pd
from calibrated_answers import VOTERS

from jupyter_mop import Question, Study
from jupyter_mop.datasets import load_anes96
from jupyter_mop.datasets.anes96 import PARTIES

VOTER = "It is 1996. You have {education}. "
QUESTIONS = {
    "vote": Question(f"{VOTER}Who do you expect to vote for?", ["Clinton", "Dole"]),
    "party": Question(f"{VOTER}In politics, what do you call yourself?", PARTIES, "scale"),
}
COLUMNS = ["method", "TV", "TV_by_subgroup", "log_score", "behind", "behind_low", "behind_high",
           "requests", "tokens", "seconds", "unusable"]  # fmt: skip


def main() -> None:
    """Ask both questions in every way and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--exemplars", type=int, default=3)
    args = parser.parse_args()
    pd.set_option("display.width", 200, "display.max_columns", 20)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(store=f"{folder}/store.sqlite")
        study.use_personas(VOTERS)
        for column, question in QUESTIONS.items():
            study.use_population(load_anes96(), context="education", response=column)
            settings = {"n_draws": args.draws, "n_orders": 2}
            for is_calibrated in (False, True):
                found = study.compare_methods(question, calibrated=is_calibrated, **settings)
                print(f"\n{column}, {'' if is_calibrated else 'un'}calibrated: {found.verdict}")
                print(found.frame[COLUMNS].round(3).to_string(index=False))
                for _, row in found.frame[found.frame["failure"] != ""].iterrows():
                    print(f"{row['method']}: {row['failure']}")
            answer = study.ask(question, n_exemplars=args.exemplars, n_orders=2)
            assert answer.calibration is not None
            print(f"\n{column}, {args.exemplars} exemplars: {answer.calibration.added}")
        study.store.close()


if __name__ == "__main__":
    main()
