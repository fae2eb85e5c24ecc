"""A study's cost: what a verb would cost before it runs, a budget while it does, what it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Self

from jupyter_mop.backends.costs import CostEstimate, actual
from jupyter_mop.backends.meter import Usage
from jupyter_mop.backends.planned import PlannedBackend, PlannedEncoder
from jupyter_mop.errors import DataError, ModelError
from jupyter_mop.inference import Inference

_TYPICAL = 200


class Spending(Inference):
    """Estimates, budgets and costs of the verbs of a study."""

    def plan(self, verb: str, *args: Any, **options: Any) -> CostEstimate:  # noqa: ANN401
        """Return what a verb would cost, with no call of any model and nothing kept.

        Parameters
        ----------
        verb : str
            Such as "fit", "simulate" or "ask".
        *args, **options
            Those of the verb.

        Returns
        -------
        CostEstimate
            Calls, cache hits, tokens, money and time.

        Examples
        --------
        >>> import tempfile
        >>> import pandas as pd
        >>> from jupyter_mop import Study, ToyBackend, ToyEncoder
        >>> words = ["sun", "rain", "wind"]
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = f"{folder.name}/store.sqlite"
        >>> study = Study(ToyBackend(words), ToyEncoder(words), store=store)
        >>> _ = study.use_personas("a: You say sun.")
        >>> df = pd.DataFrame({"topic": "weather", "said": ["sun", "rain", "wind", "sun"] * 30})
        >>> _ = study.use_population(df, context="topic", response="said")
        >>> study.plan("simulate", n=50).calls
        50
        >>> study.store.close()
        """
        twin = self._twin()
        run = getattr(twin, verb, None)
        if verb.startswith("_") or not callable(run):
            raise DataError(
                f"There is no verb {verb!r}.", hint='Use "fit", "simulate", "ask" or "synthesize".'
            )
        run(*args, **{k: v for k, v in options.items() if k not in {"on_step", "client"}})
        assert isinstance(twin.backend, PlannedBackend)  # noqa: S101  see `_twin`
        return twin.backend.estimate(verb)

    @contextmanager
    def within(self, usd: float) -> Iterator[Self]:
        """Spend at most `usd` US dollars on the language model inside a `with` block.

        No call begins that could pass the budget, those under way counted at their worst. What is
        finished by then is kept, so that the same cell goes on from there.

        Raises
        ------
        BudgetError
            Where a run needs more.
        ModelError
            Where nobody says what the model costs.

        Examples
        --------
        >>> import tempfile
        >>> from jupyter_mop import Study, ToyBackend
        >>> folder = tempfile.TemporaryDirectory()
        >>> study = Study(ToyBackend(["sun", "rain"]), store=f"{folder.name}/store.sqlite")
        >>> with study.within(5.00):
        ...     study.backend.meter.is_limited
        True
        >>> study.store.close()
        """
        if not 0 <= usd < math.inf:
            raise DataError(
                f"A budget must be zero or more US dollars, not {usd}.", hint="Use --budget 5.00."
            )
        price = self.backend.price
        if price is None:
            raise ModelError(
                "Nobody says what this model costs, so no budget can be kept.",
                hint="State it, in US dollars a million tokens: %mop_backend ... --price-in 0.15 "
                "--price-out 0.60.",
            )
        with self.backend.meter.limit(usd, price):
            yield self

    def _cost(self, before: Usage) -> dict[str, Any]:
        """Return what the model has cost since `before`, for a provenance."""
        return actual(self.backend.usage - before, self.backend.price)

    def _twin(self) -> Self:
        """Return this study with a model and an encoder that are never asked."""
        twin = copy(self)
        backend = PlannedBackend(self.backend, self._typical())
        encoder = PlannedEncoder(self.encoder.encoder, self.store)
        vars(twin).update(backend=backend, encoder=encoder)
        twin.simulations, twin.answers = dict(self.simulations), dict(self.answers)
        if self.mixture is not None:
            twin.mixture = self.mixture.with_backend(backend)
            twin.mixture.encoder = encoder
            encoder.dimension = self.mixture.gate_.personas.shape[1]
        return twin

    def _typical(self) -> list[str]:
        return self.population.responses[:_TYPICAL] if self.population is not None else []
