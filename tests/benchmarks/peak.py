"""The most memory that this process has held."""

from __future__ import annotations

import resource
import sys


def peak_bytes():
    """Return the most resident memory so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)
