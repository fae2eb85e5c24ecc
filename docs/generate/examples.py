"""An example of each magic, run on the toy cafe; its output is shown on the magic's page."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from generate.shell import Bundle, private_shell, run
from jupyter_mop.charts.runs_and_costs import PROGRESS_LINE

# (magic, cell), run in this order in one notebook. Without a magic's name a cell is not shown.
CELLS = [
    ("mop", "%mop"),
    ("mop_backend", "toy = ToyBackend(words)\n%mop_backend toy"),
    (
        "mop_population",
        (
            "others = guests.head(440)\n"
            "people = %mop_population others --context hour --response said\npeople"
        ),
    ),
    ("mop_population", "people.plot()"),
    (
        "mop_personas",
        (
            "%%mop_personas\n"
            "early [0.5]: You come early. You say warm and fresh.\n"
            "student: You come with friends. You say cheap and loud.\n"
            "critic: You are hard to please. You say slow and dear."
        ),
    ),
    (
        "mop_fit",
        "%%mop_fit --exemplars 24 --records 240 --components 24\nHow is the cafe in the {hour}?",
    ),
    ("mop_simulate", "sims = %mop_simulate learned -n 240\nsims"),
    ("mop_simulate", "sims.plot()"),
    ("", "%mop_simulate plain -n 240 --baseline plain;"),
    ("", "%mop_simulate even -n 240 --weights uniform;"),
    ("mop_align", "%mop_align"),
    ("mop_panel", "%mop_panel learned"),
    ("mop_reweight", "heavy = %mop_reweight even --weights critic=0.6 --as heavy\nheavy.plot()"),
    ("mop_reweight", "print(heavy.reliability())"),
    ("mop_match", "%mop_match even"),
    (
        "mop_calibrate",
        (
            "def first(said):\n    word = said.split()[0]\n"
            "    return word if word in known else 'other'\n\n"
            "known = {'warm': 0.23, 'cheap': 0.14, 'other': 0.63}\n"
            "found = %mop_calibrate even --targets known --of first\nfound"
        ),
    ),
    ("mop_calibrate", "found.plot()"),
    (
        "mop_composition",
        (
            "kinds = {'warm': 'early', 'fresh': 'early', 'cheap': 'student', 'loud': 'student',\n"
            "         'slow': 'critic', 'dear': 'critic'}\n"
            "kind = others['said'].str.split().str[0].map(kinds)\n"
            "found = %mop_composition --by kind\nfound"
        ),
    ),
    ("mop_composition", "found.plot()"),
    ("mop_diagnose", "diagnosis = %mop_diagnose even\ndiagnosis"),
    ("mop_diagnose", "diagnosis.plot()"),
    ("mop_explain", "who = %mop_explain morning\nwho"),
    ("mop_explain", "who.plot()"),
    (
        "mop_estimate",
        (
            "def warm(said):\n    return float('warm' in said)\n\n"
            "few = guests.tail(40)\nshare = %mop_estimate learned --of warm --human few\nshare"
        ),
    ),
    ("mop_estimate", "share.plot()"),
    ("mop_report", "%mop_report learned $folder/report.html"),
    (
        "mop_chat",
        (
            "panel = %mop_chat critic\npanel.ask('How is the cafe?')\npanel.ask('Is it dear?')\n"
            "panel.conversation"
        ),
    ),
    (
        "mop_ask",
        '%%mop_ask again --options "warm|cheap|slow"\nHow is the cafe in the {hour}?',
    ),
    (
        "mop_ask",
        (
            "%%mop_ask\nfood: How is the food in the {hour}? | warm | fresh\n"
            "place: How is the place? | cheap | slow | loud"
        ),
    ),
    (
        "mop_survey",
        (
            "said = others['said'].str.split(expand=True)\n"
            "said = said.replace({'fresh': 'warm', 'loud': 'cheap', 'dear': 'slow'})\n"
            "polled = others.assign(first=said[0], second=said[1])"
        ),
    ),
    (
        "mop_survey",
        (
            "%%mop_survey polled --context hour --orders 2\n"
            "first: How is the cafe? | warm | cheap | slow\n"
            "second: And what else? | warm | cheap | slow"
        ),
    ),
    ("mop_survey", "%mop_survey --panel"),
    ("mop_shares", "%mop_shares first --by hour"),
    ("mop_impute", "probabilities = %mop_impute second\nprobabilities.head(3)"),
    ("mop_respondents", "drawn = %mop_respondents -n 200\ndrawn.head(3)"),
    ("mop_fidelity", "fidelity = %mop_fidelity\nfidelity"),
    ("mop_fidelity", "fidelity.plot()"),
    ("mop_design", "%mop_design --budget 100"),
    (
        "mop_predict",
        '%%mop_predict would --options "warm|loud"\nHow would you like the cafe to be?',
    ),
    ("mop_synthesize", "%mop_synthesize -k 3 --records 120 --draws 2 --shown 4"),
    ("", "%mop_fit --exemplars 24 --records 240 --components 24;"),
    ("mop_save", "%mop_save $folder/cafe"),
    ("mop_load", "%mop_load $folder/cafe"),
    ("", "%mop_simulate learned -n 60;"),
    ("mop_export", "%mop_export learned $folder/learned.csv"),
    ("mop_runs", "%mop_runs"),
    ("mop_status", "%mop_status"),
]


@dataclass
class Example:
    """A cell and its outputs."""

    code: str
    outputs: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return cell and outputs as Markdown."""
        return "\n\n".join([f"```ipython\n{self.code}\n```", *self.outputs])


def run_examples(folder: Path) -> dict[str, list[Example]]:
    """Run all cells, write their charts into `folder`, and return the examples of each magic."""
    examples: dict[str, list[Example]] = {}
    with private_shell() as shell:
        hidden = shell.user_ns["folder"]
        for name, code in CELLS:
            bundles = run(shell, code)
            if name and code:
                visible = [bundle for bundle in bundles if not _is_monitor(bundle)]
                n = len(examples.setdefault(name, []))
                outputs = [
                    _rendered(bundle, folder / f"{name}-{n}-{i}.png", hidden)
                    for i, bundle in enumerate(visible)
                ]
                cell = code.replace("$folder/", "")
                examples[name].append(Example(cell, outputs))
    return examples


def _is_monitor(bundle: Bundle) -> bool:
    return PROGRESS_LINE in str(bundle.get("text/html", ""))


def _rendered(bundle: Bundle, picture: Path, hidden: str) -> str:
    """Return one output as Markdown: its picture, else its HTML, else its text."""
    if "image/png" in bundle:
        data = bundle["image/png"]
        picture.write_bytes(data if isinstance(data, bytes) else base64.b64decode(data))
        return f"![The chart that the cell shows]({picture.name})"
    html = bundle.get("text/html") or f"<pre>{escape(str(bundle['text/plain']))}</pre>"
    html = html.replace(f"{hidden}/", "").replace(hidden, "")
    return f'````{{raw}} html\n<div class="output">{html}</div>\n````'
