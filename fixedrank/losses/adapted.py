"""An object with loss(W) and gradient(W) as a Loss, where a problem comes in."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fixedrank._aliases import LossLike
from fixedrank.losses.loss import Loss

# What an object may have of its own, and has by default otherwise.
_OPTIONAL = (
    "gradient_products",
    "hessian_product",
    "line_minimum",
    "network_loss",
    "network_gradient",
    "riemannian_gradient",
    "riemannian_hessian",
)


def as_loss(problem: LossLike) -> Loss:
    """Return a problem as a Loss: itself if it is one, otherwise what its methods make.

    Raises
    ------
    TypeError
        If it has no methods loss(W) and gradient(W).
    """
    if isinstance(problem, Loss):
        return problem
    for name in ("loss", "gradient"):
        if not callable(getattr(problem, name, None)):
            raise TypeError(
                f"a problem has methods loss(W) and gradient(W); {problem!r} has no {name}"
            )
    return _Adapted(problem)


class _Adapted(Loss):
    """The loss of an object of another class, with all methods that the object has."""

    def __init__(self, problem: LossLike) -> None:
        self.problem = problem
        self.shape = getattr(problem, "shape", None)
        self.infimum = getattr(problem, "infimum", None)
        self.samples = getattr(problem, "samples", None)
        for name in _OPTIONAL:
            own = getattr(problem, name, None)
            if callable(own):
                setattr(self, name, own)

    def loss(self, W: Any) -> float:
        """Return the loss at a matrix."""
        return float(self.problem.loss(W))

    def gradient(self, W: Any) -> Any:
        """Return the gradient."""
        return self.problem.gradient(W)

    def batch(self, indices: ArrayLike) -> Loss:
        """Return the loss of some samples, which may be an object of another class too."""
        own = getattr(self.problem, "batch", None)
        return as_loss(own(indices)) if callable(own) else super().batch(indices)

    @property
    def _name(self) -> str:
        return type(self.problem).__name__
