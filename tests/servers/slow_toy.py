"""The toy model, as slow as a test needs it: workers of a cluster import it by its name."""

from __future__ import annotations

import time

from jupyter_mop.backends.toy import ToyBackend


class SlowToy(ToyBackend):
    """Waits before each answer."""

    def __init__(self, words, *, seconds):
        super().__init__(words)
        self.seconds = seconds

    def generate(self, requests, params, *, on_result=None):
        values = []
        for index, request in enumerate(requests):
            time.sleep(self.seconds)
            values += super().generate([request], params)
            if on_result:
                on_result(index, values[-1])
        return values
