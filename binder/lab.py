"""Configure JupyterLab: open the first notebook, collapse the side panels, show no news."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir
from jupyterlab.commands import get_workspaces_dir
from jupyterlab_server.workspaces_handler import WorkspacesManager

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
OVERRIDES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}


def workspace(notebook: str) -> dict[str, object]:
    """Return JupyterLab's default workspace with only one notebook open."""
    widget = f"notebook:notebooks/{notebook}"
    layout = {
        "main": {
            "dock": {"type": "tab-area", "currentIndex": 0, "widgets": [widget]},
            "current": widget,
        },
        "left": {"collapsed": True, "widgets": ["filebrowser", "running-sessions"]},
        "right": {"collapsed": True, "widgets": ["jp-property-inspector"]},
    }
    opened = {"data": {"path": f"notebooks/{notebook}", "factory": "Notebook"}}
    return {
        "data": {"layout-restorer:data": layout, widget: opened},
        "metadata": {"id": "default"},
    }


def write(path: Path, value: object) -> None:
    """Write `value` as JSON; create missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write the settings, the workspace and the address that the server opens."""
    first = min(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
    lab = {"LabApp": {"default_url": f"/lab/tree/notebooks/{first}", "news_url": None}}
    write(OVERRIDES, SETTINGS)
    write(Path(jupyter_config_dir()) / "jupyter_lab_config.json", lab)
    WorkspacesManager(get_workspaces_dir()).save("default", json.dumps(workspace(first)))


if __name__ == "__main__":
    main()
