"""Open marimo_app.py in marimo's own server, move a slider, and check that Python follows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.conftest import CHROMIUM_ARGS as ARGS
from tests.e2e.conftest import end_group, find_chromium, free_port, guarded_page

APP = Path(__file__).with_name("marimo_app.py")


def wait(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            return opener.open(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


def check(page, url, artefacts):
    page.goto(url)
    slider = page.get_by_role("slider", name="Weight of critic", exact=True).first
    slider.wait_for()
    page.get_by_text("kept 0.50 of 2 personas").wait_for()
    slider.focus()
    slider.press("PageUp")
    page.get_by_text("kept 0.60 of 2 personas").wait_for()
    page.locator(".mop-alignment").wait_for()
    page.get_by_text("KL cosine").first.wait_for()
    page.screenshot(path=artefacts / "marimo.png", full_page=True)


def main(python):
    """Serve the app with `python`, the interpreter of the environment."""
    url = f"http://127.0.0.1:{free_port()}"
    command = ["-m", "marimo", "-q", "run", str(APP), "--headless", "--no-token"]
    other = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.Popen(
        [python, *command, "--port", url.rpartition(":")[2]],
        env=other | {"MARIMO_SKIP_UPDATE_CHECK": "1"},
        cwd="/",
        start_new_session=True,
    )
    artefacts = Path(os.environ.get("JUPYTER_MOP_ARTEFACTS") or ".")
    try:
        wait(url)
        with sync_playwright() as playwright:
            path = find_chromium(playwright.chromium.executable_path)
            launch = playwright.chromium.launch(executable_path=path, args=ARGS)
            with launch as browser, guarded_page(browser) as page:
                check(page, url, artefacts)
    finally:
        end_group(process)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
