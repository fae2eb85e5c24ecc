"""What is set for every endpoint: how many calls at once, how long to wait, how often to try."""

from __future__ import annotations

OPENAI_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
KEYRING_SERVICE = "jupyter-mop"

IN_FLIGHT = 32
FIRST_AT_ONCE = 16
HELD = 2.0
CATCH_UP_SECONDS = 0.1
TIMEOUT_SECONDS = 120.0
CONNECT_SECONDS = 5.0

ATTEMPTS = 8
MALFORMED_ATTEMPTS = 3
PROBE_ATTEMPTS = 2
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 120.0

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0
LAST_CALLS_SECONDS = 10.0

TOP_TOKENS = (20, 5)
ALL_TOKENS = {"top_k": -1, "min_p": 0.0}  # limits that servers set where nothing is said: none
EMBEDDED_AT_ONCE = 64
