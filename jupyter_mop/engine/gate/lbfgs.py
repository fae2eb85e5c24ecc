"""The iterates of L-BFGS, computed once and as far as early stopping needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from jupyter_mop.engine.metrics.numerical_threads import one_thread

if TYPE_CHECKING:
    from jupyter_mop.engine.gate.component_scores import ComponentScores

Array = NDArray[np.float64]
OnIteration = Callable[[int, float], None]
_TOLERANCE = 1e-8  # relative gain of an iteration below which it has converged
_STOPPED_BY_CALLBACK = 99  # status of scipy.optimize.minimize


class LikelihoodModel(Protocol):
    """A model with parameters and a differentiable likelihood."""

    @property
    def theta(self) -> Array:
        """All parameters as one vector."""
        ...

    def with_theta(self, theta: Array) -> Self:
        """Return the model with other parameters."""
        ...

    def loss(self, scores: ComponentScores) -> float:
        """Return the mean negative log-likelihood in nats per record."""
        ...

    def loss_and_gradient(self, scores: ComponentScores, *, l2: float = 0.0) -> tuple[float, Array]:
        """Return the penalised mean negative log-likelihood and its gradient."""
        ...


ModelT = TypeVar("ModelT", bound=LikelihoodModel)


class LbfgsPath(Generic[ModelT]):
    """The iterates of L-BFGS from a start, for one set of training records.

    The best iterate depends on the validation records. Several sets of validation records share
    the iterates, so that each further set costs only its own losses.

    Parameters
    ----------
    start : LikelihoodModel
        The first iterate.
    train : ComponentScores
        The training records.
    l2 : float
        Penalty on the squares of the matrices, per record.
    max_iter : int
        Maximum number of iterations.
    """

    def __init__(
        self, start: ModelT, train: ComponentScores, *, l2: float = 0.1, max_iter: int = 300
    ) -> None:
        self.start, self.train, self.l2, self.max_iter = start, train, l2, max_iter
        self._thetas = [start.theta]
        self._losses = [np.nan]
        self._has_converged = False

    def best(
        self,
        validation: ComponentScores,
        *,
        patience: int = 10,
        on_iteration: OnIteration | None = None,
    ) -> ModelT:
        """Return the iterate with the lowest loss on `validation`, the start included.

        Parameters
        ----------
        validation : ComponentScores
            The records for early stopping.
        patience : int
            Iterations without a lower loss before stopping.
        on_iteration : callable, optional
            Called with (iteration, loss on `validation` in nats per record).
        """
        losses = [self.start.loss(validation)]

        def stop(iteration: int) -> bool:
            losses.append(self._model(iteration).loss(validation))
            if on_iteration:
                on_iteration(iteration, losses[-1])
            return iteration - int(np.argmin(losses)) >= patience

        self._iterate(stop)
        return self._model(int(np.argmin(losses)))

    def last(self, on_iteration: OnIteration | None = None) -> ModelT:
        """Return the last iterate; `on_iteration` is called with (iteration, training loss)."""

        def stop(iteration: int) -> bool:
            if on_iteration:
                on_iteration(iteration, self._losses[iteration])
            return False

        self._iterate(stop)
        return self._model(len(self._thetas) - 1)

    def _model(self, iteration: int) -> ModelT:
        return self.start.with_theta(self._thetas[iteration])

    def _iterate(self, stop: Callable[[int], bool]) -> None:
        """Pass each iteration to `stop` until it returns True; compute new iterates if needed."""
        for iteration in range(1, len(self._thetas)):
            if stop(iteration):
                return
        if not self._has_converged and len(self._thetas) <= self.max_iter:
            self._minimize(stop)

    def _minimize(self, stop: Callable[[int], bool]) -> None:
        from scipy.optimize import minimize

        def step(intermediate_result: object) -> None:
            self._thetas.append(intermediate_result.x.copy())  # type: ignore[attr-defined]
            self._losses.append(intermediate_result.fun)  # type: ignore[attr-defined]
            if stop(len(self._thetas) - 1):
                raise StopIteration

        n_done = len(self._thetas)
        with one_thread():  # the matrices of a few hundred records are small
            result = minimize(
                lambda theta: self.start.with_theta(theta).loss_and_gradient(
                    self.train, l2=self.l2
                ),
                self._thetas[-1],
                jac=True,
                method="L-BFGS-B",
                callback=step,
                options={"maxiter": self.max_iter + 1 - n_done, "ftol": _TOLERANCE},
            )
        self._has_converged = result.status != _STOPPED_BY_CALLBACK
