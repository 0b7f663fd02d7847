"""Whether a flow has come to rest: by the size of what is left, and by what could still grow.

A small velocity alone means nothing: a flow passes saddles as slowly as it likes, and an explicit
method at the limit of its stability keeps trembling about a rest point at the level of its
tolerances. So the flow is linearised. With rates L (the Hessian in orthonormal coordinates of the
metric) and gradient g, it is at rest for the remaining time T if the rest point, L^{-1} g away, is
within ten tolerances, and no rate is below -1 / (10 T): then nothing grows by more than a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, cg, eigsh

from fixedrank._checks import Array

# A step that moves less than this many tolerances is worth a look.
_SLOW = 100.0
# How near a rest point has to be, in tolerances. At the limit of stability explicit methods tremble
# by a few; RKC, which damps all directions in each step, comes as near as one likes.
CLOSE, CLOSE_DAMPED = 10.0, 0.01
# A singular value of fewer tolerances may be on its way to zero, and is followed there.
_VANISHING = 1000.0
# Up to this size a dense matrix of rates is cheaper.
_DENSE = 40
# The first look after so many evaluations; later ones may cost half of all that went before.
_PATIENCE = 500


class Linearised(Protocol):
    """A flow that can be linearised at a state."""

    def moved(self, before: Array, after: Array) -> tuple[float, float]:
        """Return how far the matrix, or the layers, moved, and their norm."""
        ...

    def smallest(self, state: Array) -> float:
        """Return what is kept to relative accuracy and may tend to zero."""
        ...

    def linearisation(self, state: Array) -> tuple[LinearOperator, Array, Array]:
        """Return L and g in orthonormal coordinates, and the length of each coordinate."""
        ...


@dataclass
class RestTest:
    """Asks now and then whether a flow is at rest, and keeps the cost of asking in proportion."""

    rtol: float
    atol: float
    close: float = CLOSE
    spent: int = field(default=0)

    def at_rest(
        self, system: Linearised, before: Array, after: Array, left: float, evaluations: int
    ) -> str | None:
        """Return why the flow is at rest for the time that is left, or None if it is not."""
        if evaluations < _PATIENCE + 2 * self.spent:
            return None
        distance, norm = system.moved(before, after)
        tolerance = self.rtol * norm + self.atol
        if distance > _SLOW * tolerance or system.smallest(after) < _VANISHING * tolerance:
            return None
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                rates, gradient, lengths = system.linearisation(after)
                # A residual r moves nothing further than r * left.
                small = 0.1 * self.close * tolerance / (left * float(np.abs(lengths).max()))
                step, info = cg(self._counted(rates), gradient, rtol=1e-6, atol=small, maxiter=400)
                remaining = float(np.linalg.norm(lengths * step))
                if info != 0 or remaining > self.close * tolerance:
                    return None
                if self._lowest(rates, gradient, left) * left < -0.1:
                    return None
        except (ArpackError, np.linalg.LinAlgError, FloatingPointError):
            # No convergence, or a loss that is not defined around here: then who knows.
            return None
        return f"the limit is within {remaining:.1e} (tolerance {tolerance:.1e})"

    def _lowest(self, rates: LinearOperator, gradient: Array, left: float) -> float:
        """Return the lowest rate, to a hundredth of 1 / left."""
        if gradient.size <= _DENSE:
            matrix = self._counted(rates) @ np.eye(gradient.size)
            return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[0])
        # A constant vector has a part in directions that the gradient misses by symmetry.
        start = gradient + 1e-3 * float(np.linalg.norm(gradient))
        options = {"k": 1, "v0": start, "ncv": min(40, start.size), "return_eigenvectors": False}
        highest = float(eigsh(self._counted(rates), which="LA", tol=0.1, **options)[0])
        # Turned around and shifted, as ARPACK measures convergence relative to the eigenvalue.
        turned = self._counted(rates, shift=highest)
        tol = max(1e-2 / (1 + highest * left), 1e-12)
        return highest - float(eigsh(turned, which="LA", tol=tol, maxiter=60, **options)[0])

    def _counted(self, rates: LinearOperator, shift: float | None = None) -> LinearOperator:
        def product(vector: Array) -> Array:
            # Two evaluations of a gradient with blocks twice as wide; and the Lanczos method
            # orthogonalises, which takes 20 evaluations' time for 300,000 numbers in layers.
            self.spent += 4 + vector.size // 15_000
            vector = np.ravel(vector)  # some versions of SciPy hand in a column
            image = np.asarray(rates @ vector)
            if not np.isfinite(image.sum()):
                raise FloatingPointError
            return image if shift is None else shift * vector - image

        return LinearOperator(rates.shape, matvec=product, dtype=np.float64)
