"""IPython in a terminal of 100 columns: magics, tables as text, a panel as one line."""

from __future__ import annotations

import re
import sys

import pexpect

PROMPT = re.compile(r"In \[\d+\]: $")
LINES = [
    "import pandas as pd; from jupyter_mop import ToyBackend, ToyEncoder",
    "%load_ext jupyter_mop",
    "words = ['sun', 'rain', 'wind']",
    "said = ['sun rain', 'wind', 'rain'] * 40",
    "df = pd.DataFrame({'topic': ['dawn', 'dusk'] * 60, 'said': said})",
    "study = get_ipython().magics_manager.registry['MopMagics'].study",
    "study.use_backend(ToyBackend(words)); study.session.encoder_choice = ToyEncoder(words)",
    "personas = 'critic: You say rain.\\nfan: You say sun.'",
    "%mop_personas personas",
    "%mop_population df --context topic --response said",
    "%mop_fit --exemplars 6 --records 40",
    "%mop_simulate learned -n 80",
    "%mop_align",
    "%mop_weights",
    "%mop_simulate nobody --weights fun=1",
]
SHOWN = ["KL cosine", "WeightsPanel(critic", "DataError", "learned"]


def main():
    """Type each line, print the output, and fail if something is missing."""
    command = ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"]
    shell = pexpect.spawn(sys.executable, command, encoding="utf-8", dimensions=(40, 100))
    shell.logfile_read = sys.stdout
    shell.expect(PROMPT, timeout=60)
    output = ""
    for line in LINES:
        shell.sendline(line)
        shell.expect(PROMPT, timeout=120)
        output += shell.before
    shell.sendline("exit")
    missing = [text for text in SHOWN if text not in output]
    markup = [text for text in ("<table", "<div", "<bound") if text in output]
    assert (missing, markup) == ([], []), (missing, markup)
    print("done")


if __name__ == "__main__":
    main()
