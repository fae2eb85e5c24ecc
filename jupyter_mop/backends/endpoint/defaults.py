"""Defaults for every endpoint: concurrency, timeouts, waits and retries."""

from __future__ import annotations

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
KEYRING_SERVICE = "jupyter-mop"

IN_FLIGHT = 32
INITIAL_IN_FLIGHT = 16
LATENCY_TOLERANCE = 2.0  # times the lowest mean latency
CATCH_UP_SECONDS = 0.1
TIMEOUT_SECONDS = 120.0
CONNECT_SECONDS = 5.0

ATTEMPTS = 8
MALFORMED_ATTEMPTS = 3
PROBE_ATTEMPTS = 2
FIRST_WAIT = 0.5
MAX_WAIT = 8.0
MAX_RETRY_AFTER = 120.0

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0
LAST_CALLS_SECONDS = 10.0

TOP_TOKENS = (20, 5)
ALL_TOKENS = {"top_k": -1, "min_p": 0.0}  # switches off limits that some servers set by default
THINKING_PROBE_TOKENS = 256, 4096  # to see whether the model thinks, and how much
HIDDEN_PROBE_TOKENS = 1024  # for thinking that shows at its end only
THINKING_FACTOR = 4  # times the most thinking that was measured
MIN_THINKING_ROOM = 512
MAX_THINKING_ROOM = 32_768
MAX_CHOICES = 16  # responses of one call
MAX_REFUSALS = 8  # of one request, each learned from
EMBEDDING_BATCH_SIZE = 64
