"""Run all cells of a notebook on a kernel of a running server, and print the seconds they took.

`python execute.py NOTEBOOK URL TOKEN` prints two numbers: the seconds from Run All, kernel start
included, to the reply of the first cell, and to the reply of the last.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from jupyter_client import BlockingKernelClient
from jupyter_core.paths import jupyter_runtime_dir


def ask(url, token, method, path, body=None):
    """Return the server's answer."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(  # noqa: S310  our own server
        f"{url}/api/{path}", data, {"Authorization": f"token {token}"}, method=method
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.loads(answer.read() or "null")


def start(notebook, url, token):
    """Open a session as JupyterLab does; return it and a client of its kernel."""
    body = {
        "path": f"notebooks/{notebook.name}",
        "name": notebook.name,
        "type": "notebook",
        "kernel": {"name": "python3"},
    }
    session = ask(url, token, "POST", "sessions", body)
    file = Path(jupyter_runtime_dir()) / f"kernel-{session['kernel']['id']}.json"
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    return session, client


def main(notebook, url, token):
    """Run every code cell in order; return 1 if one fails that is not tagged `raises-exception`."""
    cells = [c for c in nbformat.read(notebook, 4).cells if c.cell_type == "code"]
    began, replies = time.perf_counter(), []
    session, client = start(notebook, url, token)
    try:
        for cell in cells:
            reply = client.execute_interactive(cell.source, timeout=900, output_hook=lambda _: None)
            replies.append(time.perf_counter() - began)
            may_fail = "raises-exception" in cell.metadata.get("tags", ())
            if reply["content"]["status"] != "ok" and not may_fail:
                print(cell.source, *reply["content"].get("traceback", ()), sep="\n")
                return 1
    finally:
        client.stop_channels()
        ask(url, token, "DELETE", f"sessions/{session['id']}")
    print(replies[0] if replies else 0.0, replies[-1] if replies else 0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
