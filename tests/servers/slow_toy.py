"""A slow toy model, which workers of a cluster import by name."""

from __future__ import annotations

import time

from jupyter_mop.backends.toy import ToyBackend


class SlowToy(ToyBackend):
    """A toy model that waits before each response."""

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
