"""Ask an endpoint many questions with EDSL, its limits lifted; its own environment runs this.

python edsl_calls.py URL N prints seconds and seconds of CPU as JSON.
"""

import json
import os
import sys
import tempfile
import time

WARM_UP = 50


def main(url, n):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it leaves files where it is
        os.environ.update(HOME=folder, OPENAI_COMPATIBLE_API_KEY="none")
        from edsl import Cache, Model, QuestionFreeText, Scenario, ScenarioList  # noqa: PLC0415

        model = Model("slow", service_name="openai_compatible", base_url=url, rpm=1e9, tpm=1e12)
        text = "Write sentence {{ scenario.i }} of a review."
        question = QuestionFreeText(question_name="said", question_text=text)

        def ask(first, count):
            numbers = ScenarioList([Scenario({"i": i}) for i in range(first, first + count)])
            return (
                question.by(numbers)
                .by(model)
                .run(
                    cache=Cache(),
                    disable_remote_inference=True,
                    disable_remote_cache=True,
                    progress_bar=False,
                )
            )

        ask(n, WARM_UP)
        before, began = time.process_time(), time.perf_counter()
        said = ask(0, n).select("said").to_list()
        taken, cpu = time.perf_counter() - began, time.process_time() - before
        os.chdir("/")
    assert len(said) == n
    assert all(said)
    print(json.dumps({"seconds": taken, "cpu": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
