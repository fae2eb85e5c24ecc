"""The cost of a study's verbs: estimated before a run, limited by a budget, reported after."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from jupyter_mop.backends.cost.estimate import actual
from jupyter_mop.backends.cost.prices import HOW_TO_STATE, not_listed
from jupyter_mop.backends.cost.usage import Usage
from jupyter_mop.backends.store.dry_run import PlannedBackend, PlannedEncoder
from jupyter_mop.errors import DataError, ModelError
from jupyter_mop.study.session import Session

_N_TYPICAL_RECORDS = 200


def dry_run_session(session: Session) -> tuple[Session, PlannedBackend]:
    """Return a copy of the session whose model and encoder count requests and run none."""
    twin = copy(session)
    records = session.population.responses[:_N_TYPICAL_RECORDS] if session.population else []
    backend = PlannedBackend(session.backend, records)
    encoder = PlannedEncoder(session.encoder.encoder, session.store)
    vars(twin).update(backend=backend, encoder=encoder)
    twin.simulations, twin.answers = dict(session.simulations), dict(session.answers)
    twin.predictions = dict(session.predictions)
    if session.mixture is not None:
        twin.mixture = session.mixture.with_backend(backend)
        twin.mixture.encoder = encoder
        encoder.dimension = session.mixture.gate_.personas.shape[1]
    return twin, backend


@contextmanager
def budget(session: Session, usd: float) -> Iterator[None]:
    """Limit the language model's cost to `usd` US dollars inside a `with` block."""
    if not 0 <= usd < math.inf:
        raise DataError(
            f"A budget must be at least 0 US dollars, got {usd}.", hint="Use --budget 5.00."
        )
    price = session.backend.price
    if price is None:
        raise ModelError(
            f"A budget needs the model's price, and {not_listed()}.", hint=HOW_TO_STATE
        )
    with session.backend.meter.limit(usd, price):
        yield


def cost_since(session: Session, before: Usage) -> dict[str, Any]:
    """Return the model's cost since the usage `before`, as stored in a provenance."""
    return actual(session.backend.usage - before, session.backend.price)
