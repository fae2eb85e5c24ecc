"""The resident memory of a process and all its descendants, measured from outside (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path

MEGABYTE = 10**6
PAGE = os.sysconf("SC_PAGE_SIZE")
PERIOD = 0.05


def descendants(root):
    """Return the ids of a process and of all processes that it started."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found.extend(parents.get(process, ()))
    return found


def resident(processes):
    """Return their resident memory in megabytes; shared pages count once per process."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return total * PAGE / MEGABYTE


class Watch:
    """Record the peak memory of a process tree during a block; kill its children above a limit."""

    def __init__(self, *, limit=float("inf")):
        self.limit, self.peak, self.over = limit, 0.0, False
        self._ended = threading.Event()
        self._thread = None

    def follow(self, root):
        """Start watching `root` and its descendants."""
        self._thread = threading.Thread(target=self._run, args=(root,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _run(self, root):
        while not self._ended.wait(PERIOD):
            tree = descendants(root)
            self.peak = max(self.peak, resident(tree))
            if self.peak > self.limit and not self.over:
                self.over = True
                for process in tree[1:]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
