"""What a newcomer waits for and carries: ours beside what peers take, in the same run.

Run it alone: python tests/benchmarks/first_minutes.py. Every turn is a new process, ours and the
peer's one after the other; the least counts. Peers have environments of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import nbformat
import throughput
from environments import python_with
from nbconvert import HTMLExporter
from playwright.sync_api import sync_playwright

from tests.e2e.conftest import CHROMIUM_ARGS, find_chromium

ROUNDS = 5
KILO = 1000
EDSL = ["edsl", [throughput.EDSL, "openai"]]
JUPYTER_AI = ["jupyter-ai", ["jupyter-ai-magics"]]
NOTEBOOK = ["pandas", "ipykernel", "nbconvert"]
ITABLES, QUAK = ["itables", ["itables", *NOTEBOOK]], ["quak", ["quak", "pyarrow", *NOTEBOOK]]
TIMED = """
import time
began = time.perf_counter()
{code}
print(time.perf_counter() - began)
"""
LOAD = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "{name}")
"""
ASK = """
from jupyter_mop import OpenAIBackend
from jupyter_mop.backends.protocols import GenerationRequest, Message, Prompt, SamplingParams
prompt = Prompt((Message("user", "Write a sentence of a review."),))
backend = OpenAIBackend({url!r}, "slow")
assert backend.generate([GenerationRequest(prompt, 0)], SamplingParams())[0].text
"""
ASK_EDSL = """
from edsl import Cache, Model, QuestionFreeText
model = Model("slow", service_name="openai_compatible", base_url={url!r}, rpm=1e9, tpm=1e12)
question = QuestionFreeText(question_name="said", question_text="Write a sentence of a review.")
found = question.by(model).run(cache=Cache(), disable_remote_inference=True,
                               disable_remote_cache=True, progress_bar=False)
assert all(found.select("said").to_list())
"""
FRAME = "frame = pd.DataFrame({'persona': list('abcde'), 'weight': [.3, .25, .2, .15, .1]})"
CHART = f"""
import pandas as pd
from jupyter_mop.charts import weights_chart
from jupyter_mop.charts.style.png import png
{FRAME}
assert png(weights_chart(frame))
"""
CHART_ALTAIR = f"""
import io
import pandas as pd
import altair as alt
{FRAME}
bar = alt.Chart(frame).mark_bar().encode(x="weight", y="persona", color="persona")
text = alt.Chart(frame).mark_text().encode(x="weight", y="persona", text="weight")
(bar + text).save(io.BytesIO(), format="png", scale_factor=2)
"""
PANEL = """
import numpy as np, pandas as pd
from jupyter_mop import Study, ToyBackend, ToyEncoder
words = ["sun", "rain", "wind", "snow"]
said = [" ".join(np.random.default_rng(i).choice(words, 6)) for i in range(1200)]
study = Study(ToyBackend(words), ToyEncoder(words))
study.use_personas("critic: You say rain.\\nfan: You say sun.")
study.use_population(pd.DataFrame({"topic": "sky", "said": said}), context="topic", response="said")
study.simulate("made", 600, weights="uniform")
study.panel("made")
"""
TABLE = """
import numpy as np, pandas as pd
words = ["sun", "rain", "wind", "snow"]
said = [" ".join(np.random.default_rng(i).choice(words, 6)) for i in range(1200)]
sides = {"source": ["real", "made"] * 600, "persona": ["critic", "fan"] * 600}
frame = pd.DataFrame({**sides, "said": said})
"""
TABLES = {
    "itables": "import itables\nitables.init_notebook_mode(connected=False)\n"
    "itables.options.maxBytes = 0\n" + TABLE + "\nitables.show(frame)",
    "quak": "import quak\n" + TABLE + "\nquak.Widget(frame)",
}


def in_new_process(python, code):
    """Return the seconds that `code` takes in a new process of `python`, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = {"HOME": folder, "IPYTHONDIR": folder, "OPENAI_COMPATIBLE_API_KEY": "none"}
        ours = {"JUPYTER_MOP_STORE": f"{folder}/store.sqlite"}
        if python == sys.executable:
            ours["PYTHONPATH"] = str(Path(__file__).parents[2])
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [python, "-c", TIMED.format(code=code)],
            check=True, capture_output=True, text=True, cwd=folder, env=kept | home | ours,
        )  # fmt: skip
    return float(done.stdout.split()[-1])


def in_turns(ours, peer, python):
    """Return the least seconds of our code and of the peer's, which `python` runs."""
    turns = [(in_new_process(sys.executable, ours), in_new_process(python, peer))
             for _ in range(ROUNDS)]  # fmt: skip
    return tuple(map(min, zip(*turns, strict=True)))


def beside(report, what, figures, peer, unit):
    """Report ours against the peer's, which it must not exceed, and both as they are."""
    ours, theirs = figures
    report.limit(f"{what} against {peer}", ours / theirs, 1, "", 2)
    digits = 2 if unit == "s" else 0
    print(f"{'':12}{ours:.{digits}f} against {theirs:.{digits}f} {unit}", flush=True)


def peer_python(name, installs):
    """Return the Python of a peer's environment, or None, saying so."""
    python = python_with(name, installs)
    if python is None:
        print(f"{name} could not be installed: not compared", flush=True)
    return python


def executed(python, code, folder):
    """Return the notebook of one cell, run and saved with its widgets, as a path."""
    path = folder / "notebook.ipynb"
    cell = nbformat.v4.new_code_cell(code)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), path)
    command = [python, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(path)]
    ours = {"JUPYTER_MOP_STORE": str(folder / "store.sqlite"), "IPYTHONDIR": str(folder)}
    if python == sys.executable:
        ours["PYTHONPATH"] = str(Path(__file__).parents[2])
    subprocess.run(command, check=True, capture_output=True, env=os.environ | ours)
    return path


def page_of(notebook):
    """Return the notebook as a page on disk, without widgets' states, as JupyterLab saves it."""
    read = nbformat.read(notebook, as_version=4)
    read.metadata.pop("widgets", None)
    html, _ = HTMLExporter(require_js_url="", mathjax_url="").from_notebook_node(read)
    page = notebook.with_suffix(".html")
    page.write_text(html, encoding="utf-8")
    return page


def opening(browser, page, selector):
    """Return the least milliseconds from opening a page, offline, to something in it."""
    times = []
    for _ in range(ROUNDS + 2):
        with browser.new_context(offline=True) as context:
            tab = context.new_page()
            tab.goto(page.as_uri(), wait_until="commit")
            tab.locator(selector).first.wait_for(timeout=60_000)
            times.append(tab.evaluate("() => performance.now()"))
    return min(times)


def notebooks(report):
    """Report the size of a notebook with one panel, and how soon its page shows it."""
    with tempfile.TemporaryDirectory() as folder:
        saved = {"ours": executed(sys.executable, PANEL, Path(tempfile.mkdtemp(dir=folder)))}
        for name, installs in (ITABLES, QUAK):
            python = peer_python(name, installs)
            if python:
                own = Path(tempfile.mkdtemp(dir=folder))
                saved[name] = executed(python, TABLES[name], own)
        sizes = {name: path.stat().st_size / KILO for name, path in saved.items()}
        for name in list(saved)[1:]:
            pair = sizes["ours"], sizes[name]
            beside(report, "a notebook with 1,200 responses", pair, name, "kB")
        if "itables" in saved:
            pair = opened(saved["ours"], saved["itables"])
            beside(report, "its page opens", pair, "itables", "ms")


def opened(ours, itables):
    """Return the milliseconds until our panel and itables' table are there."""
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        with playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS) as browser:
            return (
                opening(browser, page_of(ours), ".mop-alignment input[type=range]"),
                opening(browser, page_of(itables), "table.dataTable tbody td"),
            )


def wheel_size(requirement):
    """Return the kilobytes of a wheel, fetched alone, or of ours, built."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["pip", "download", "-qqq", "--no-deps", "-d", folder, requirement]
        if requirement == "ours":
            command = ["hatchling", "build", "-t", "wheel", "-d", folder]
        root = Path(__file__).parents[2]
        subprocess.run([sys.executable, "-m", *command], cwd=root, check=True, capture_output=True)
        (wheel,) = Path(folder).iterdir()
        return wheel.stat().st_size / KILO


def first_response(report, python):
    """Report import, first call and its answer, of an endpoint that takes 100 ms."""
    here = sys.executable, throughput.__file__
    server = subprocess.Popen([*here, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        figures = in_turns(ASK.format(url=url), ASK_EDSL.format(url=url), python)
        beside(report, "import and first response", figures, "EDSL", "s")
    finally:
        server.terminate()
        server.wait()


def add_rows(report):
    """Report every row; a peer that cannot be installed is left out and named."""
    edsl, jupyter_ai = peer_python(*EDSL), peer_python(*JUPYTER_AI)
    if edsl:
        beside(report, "import", in_turns("import jupyter_mop", "import edsl", edsl), "EDSL", "s")
        first_response(report, edsl)
    if jupyter_ai:
        figures = in_turns("import jupyter_mop", "import jupyter_ai_magics", jupyter_ai)
        beside(report, "import", figures, "jupyter-ai's magics", "s")
        codes = [LOAD.format(name=name) for name in ("jupyter_mop", "jupyter_ai_magics")]
        beside(report, "load_ext", in_turns(*codes, jupyter_ai), "jupyter-ai's magics", "s")
    figures = in_turns(CHART, CHART_ALTAIR, sys.executable)
    report.limit("first chart against Altair by hand", figures[0] / figures[1], 1.2, "", 2)
    print(f"{'':12}{figures[0]:.2f} against {figures[1]:.2f} s", flush=True)
    notebooks(report)
    size = wheel_size("ours")
    for peer in (throughput.EDSL, "itables"):
        beside(report, "wheel", (size, wheel_size(peer)), peer.partition("==")[0], "kB")


def main():
    """Report the rows of this module alone."""
    from run import Report, hardware  # noqa: PLC0415  it needs the embedded model's libraries

    print(hardware())
    report = Report()
    add_rows(report)
    return int(report.missed)


if __name__ == "__main__":
    sys.exit(main())
