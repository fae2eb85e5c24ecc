"""A real JupyterLab in a real Chromium, without network.

`lab` is the server, `page` a browser page whose test fails if it requests anything from outside,
and `lab.open(page, cells)` opens a notebook to run, query and photograph.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Page, sync_playwright

from jupyter_mop.config import cache_dir

ROOT = Path(__file__).parents[2]
LAB_PYTHON = os.environ.get("JUPYTER_MOP_LAB_PYTHON") or sys.executable  # with the wheel installed
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAB_FLAGS = [
    "--no-browser",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--ServerApp.allow_root=True",
    "--ServerApp.shutdown_no_activity_timeout=600",  # where a broken run has left it alone
    "--MappingKernelManager.cull_idle_timeout=600",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    "--LabApp.expose_app_in_browser=True",
    "--JupyterNotebookApp.expose_app_in_browser=True",
]
LAB_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
UNRUN_JS = """() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .filter(cell => cell.cell_type === 'code' && cell.execution_count === null)
    .map(cell => cell.source)"""
ERRORS_JS = """() => jupyterapp.shell.currentWidget.content.widgets
    .flatMap(cell => cell.model.outputs?.toJSON() ?? [])
    .filter(output => output.output_type === "error")
    .map(output => `${output.ename}: ${output.evalue}`)"""
EXECUTE_JS = """async code => {
    const { commands, shell } = jupyterapp, notebook = shell.currentWidget.content;
    notebook.activeCellIndex = notebook.widgets.length - 1;
    await commands.execute("notebook:insert-cell-below");
    const cell = notebook.activeCell;
    cell.model.sharedModel.setSource(code);
    await commands.execute("notebook:run-cell");
    const outputs = cell.model.outputs.toJSON();
    await commands.execute("notebook:delete-cell");
    return outputs;
}"""


@dataclass
class LabNotebook:
    """An open notebook in JupyterLab."""

    page: Page
    path: Path

    def run_all(self, *, timeout: float = 120) -> None:
        """Run all cells and fail on the first error that one of them shows."""
        self.page.evaluate(
            "() => { window.ran = jupyterapp.commands.execute('notebook:run-all-cells')"
            ".then(() => { window.ran = 'all'; }); }"
        )
        self.page.wait_for_function("() => window.ran === 'all'", timeout=1000 * timeout)
        self.settle()
        errors = self.page.evaluate(ERRORS_JS)
        assert errors == []
        assert self.page.evaluate(UNRUN_JS) == []

    def execute(self, code: str) -> str:
        """Run `code` in a passing cell at the end; return what it prints or shows as text."""
        self.settle()
        outputs = self.page.evaluate(EXECUTE_JS, code)
        errors = [output for output in outputs if output["output_type"] == "error"]
        assert errors == []
        texts = [output.get("text") or output["data"]["text/plain"] for output in outputs]
        return "".join("".join(text) for text in texts).strip()

    def settle(self) -> None:
        """Wait until what the screen has changed has reached the kernel."""
        idle = "() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"
        for _ in range(3):
            self.page.wait_for_timeout(100)
            self.page.wait_for_function(f"({idle})() === 'idle'", timeout=60_000)

    def set_theme(self, name: str) -> None:
        """Switch to "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )
        light = str(name.endswith("Light")).lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")


@dataclass
class Lab:
    """A running JupyterLab server."""

    url: str
    token: str
    root: Path

    def open(self, page: Page, source: Path | list[str]) -> LabNotebook:
        """Open a copy of a notebook file, or a notebook of these code cells, with its kernel."""
        path = self.root / f"{secrets.token_hex(4)}.ipynb"
        if isinstance(source, Path):
            shutil.copy(source, path)
        else:
            cells = [nbformat.v4.new_code_cell(code) for code in source]
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
        page.goto(f"{self.url}/lab/tree/{path.name}?token={self.token}&reset")
        notebook = LabNotebook(page, path)
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
        notebook.settle()
        return notebook


KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lab_environment(home: Path) -> dict[str, str]:
    """Everything that JupyterLab and its kernels write goes below `home`, models excepted."""
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "JUPYTER_MOP_CACHE_DIR": cache_dir(),
        "JUPYTER_MOP_STORE": home / "store.sqlite",
        "PYTHONPATH": "" if sys.executable != LAB_PYTHON else ROOT,
    }
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")
    }
    return inherited | {name: str(folder) for name, folder in folders.items()}


def write_settings(folder: Path) -> None:
    for name, values in LAB_SETTINGS.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def wait_for_lab(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            opener.open(f"{lab.url}/api/status?token={lab.token}", timeout=5).close()
            return
        time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def end_group(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
            return


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Run a quiet JupyterLab, offline, whose kernel is this interpreter."""
    home = tmp_path_factory.mktemp("lab")
    served = Lab(f"http://127.0.0.1:{free_port()}", secrets.token_hex(16), home / "notebooks")
    served.root.mkdir()
    write_settings(home / "settings")
    addressed = [
        f"--ServerApp.port={urlsplit(served.url).port}",
        f"--ServerApp.root_dir={served.root}",
        f"--IdentityProvider.token={served.token}",
    ]
    log = home / "lab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [LAB_PYTHON, "-m", "jupyterlab", *LAB_FLAGS, *addressed],
            env=lab_environment(home),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_lab(served, process, log)
        yield served
    finally:
        end_group(process)


def find_chromium(own: str) -> str:
    """Return the Chromium to use: the environment's, the system's, then Playwright's `own`."""
    names = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", own)
    chosen = os.environ.get("JUPYTER_MOP_CHROMIUM")
    found = [path for path in map(shutil.which, [chosen] if chosen else names) if path]
    if not found:
        pytest.fail(
            f"No Chromium was found{f' at {chosen}' if chosen else ''}: install one (`apt-get "
            "install chromium`, or `python -m playwright install chromium`), point "
            'JUPYTER_MOP_CHROMIUM at it, or leave the browser tests out with -m "not browser".'
        )
    return found[0]


# Its scope is one module: Playwright keeps an event loop in the main thread while it lives.
@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        with playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS) as browser:
            yield browser


def is_inside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"blob", "data"} or parts.hostname == "127.0.0.1"


@contextlib.contextmanager
def guarded_page(browser):
    """Open an empty page; what it asks of the outside is stopped and fails at the end."""
    outside = []

    def guard(route):
        if is_inside(route.request.url):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(60_000)
        context.route("**/*", guard)
        opened = context.new_page()
        opened.on("websocket", lambda ws: is_inside(ws.url) or outside.append(ws.url))
        yield opened
    assert outside == []


@pytest.fixture
def page(chromium):
    """Give each test a page of its own."""
    with guarded_page(chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_page(chromium):
    """Give the tests of one file one page, where opening a notebook each time is too slow."""
    with guarded_page(chromium) as opened:
        yield opened


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Return the folder for screenshots, outside version control."""
    default = Path(__file__).parent / "artefacts"
    folder = Path(os.environ.get("JUPYTER_MOP_ARTEFACTS") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
