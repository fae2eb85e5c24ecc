"""The way that L-BFGS takes from a start: walked once, and as far as it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jupyter_mop.engine.gate.component_scores import ComponentScores

Array = NDArray[np.float64]
_STOPPED = 99  # the status of scipy's minimize where a callback ended it
OnIteration = Callable[[int, float], None]


class Learnable(Protocol):
    """What has parameters that a likelihood depends on."""

    @property
    def theta(self) -> Array:
        """All learned parameters as one vector."""
        ...

    def with_theta(self, theta: Array) -> Self:
        """Return the same with other parameters."""
        ...

    def loss(self, evidence: ComponentScores) -> float:
        """Return the mean negative log-likelihood."""
        ...

    def loss_and_gradient(
        self, evidence: ComponentScores, *, l2: float = 0.0
    ) -> tuple[float, Array]:
        """Return the penalised mean negative log-likelihood and its gradient."""
        ...


GateT = TypeVar("GateT", bound=Learnable)


class Path(Generic[GateT]):
    """The iterates of L-BFGS from a start, for one set of records to learn from.

    Where it is best to stop depends on who judges. Several judges share one walk, so that the
    second costs hardly more than its own look at each iterate.

    Parameters
    ----------
    start : Gate
        Where the way begins.
    train : ComponentScores
        Records to learn from.
    l2 : float
        Penalty on the squares of the matrices, per record.
    max_iter : int
        Most iterations.
    """

    def __init__(
        self, start: GateT, train: ComponentScores, *, l2: float = 0.1, max_iter: int = 300
    ) -> None:
        self.start, self.train, self.l2, self.max_iter = start, train, l2, max_iter
        self._thetas = [start.theta]
        self._losses = [np.nan]
        self._is_over = False

    def best(
        self,
        validation: ComponentScores,
        *,
        patience: int = 10,
        on_iteration: OnIteration | None = None,
    ) -> GateT:
        """Return the iterate that is best on `validation`, the start included.

        Parameters
        ----------
        validation : ComponentScores
            Who judges.
        patience : int
            Iterations without a better figure before stopping.
        on_iteration : callable, optional
            Called with (iteration, loss on `validation` in nats per record).
        """
        losses = [self.start.loss(validation)]

        def stops(iteration: int) -> bool:
            losses.append(self._gate(iteration).loss(validation))
            if on_iteration:
                on_iteration(iteration, losses[-1])
            return iteration - int(np.argmin(losses)) >= patience

        self._follow(stops)
        return self._gate(int(np.argmin(losses)))

    def last(self, on_iteration: OnIteration | None = None) -> GateT:
        """Return the end of the way; `on_iteration` is told the loss of the records learned."""

        def stops(iteration: int) -> bool:
            if on_iteration:
                on_iteration(iteration, self._losses[iteration])
            return False

        self._follow(stops)
        return self._gate(len(self._thetas) - 1)

    def _gate(self, iteration: int) -> GateT:
        return self.start.with_theta(self._thetas[iteration])

    def _follow(self, stops: Callable[[int], bool]) -> None:
        """Show each iteration to `stops` until it says so; walk on where nobody has been."""
        for iteration in range(1, len(self._thetas)):
            if stops(iteration):
                return
        if not self._is_over and len(self._thetas) <= self.max_iter:
            self._walk(stops)

    def _walk(self, stops: Callable[[int], bool]) -> None:
        from scipy.optimize import minimize

        def step(intermediate_result: object) -> None:
            self._thetas.append(intermediate_result.x.copy())  # type: ignore[attr-defined]
            self._losses.append(intermediate_result.fun)  # type: ignore[attr-defined]
            if stops(len(self._thetas) - 1):
                raise StopIteration

        before = len(self._thetas)
        result = minimize(
            lambda theta: self.start.with_theta(theta).loss_and_gradient(self.train, l2=self.l2),
            self._thetas[-1],
            jac=True,
            method="L-BFGS-B",
            callback=step,
            options={"maxiter": self.max_iter + 1 - before},
        )
        self._is_over = result.status != _STOPPED
