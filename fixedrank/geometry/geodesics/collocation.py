r"""Geodesics between two points by collocation.

The unknown is W'' as a polynomial, by its values at the nodes of equation.py. Where they are few,
Newton's method with a dense Jacobian solves the equation there; elsewhere, or where that fails,
with Krylov subspaces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.polynomial import chebyshev

from fixedrank._checks import Array
from fixedrank.geometry.geodesics.equation import (
    acceleration,
    applied,
    grid,
    interpolation,
    vandermonde,
)
from fixedrank.geometry.geodesics.paths import BalancedPath
from fixedrank.geometry.metric.spectral import SpectralMetric

# Enough for points at moderate distance; for all others to begin with; at the most.
_NODES, _MORE_NODES, _MOST_NODES = 16, 48, 600
# Of the way from A to B in a single step of the continuation, at the least.
_SHORTEST = 1 / 64
_COARSE = 1e-4
_ITERATIONS, _KRYLOV = 12, 30
# Unknowns of a dense Jacobian, at the most; of its differences, the step relative to W and W'.
_DENSE, _DIFFERENCE = 400, 1e-7
# A Jacobian is kept as long as each step of Newton's method reduces the residual by this factor;
# of the step by a new one such a part is taken that reduces it at all.
_REDUCED, _FACTORS = 0.3, (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
# Relative differences of velocities below this are those of coarse solutions of the same equation.
_ALIKE = 1e-3


class NotJoinedError(ArithmeticError):
    """No solution of the collocation equations was found."""


class Collocation:
    """The equations for a geodesic of rank-k matrices from A to B."""

    def __init__(self, a: Array, b: Array, k: int, metric: SpectralMetric) -> None:
        self.a, self.straight, self.k, self.metric = a, b - a, k, metric
        self._correction: Callable[[Array], Array] | None = None

    def residual(self, second: Array) -> Array:
        """Return by how much the values of W'' miss the equation."""
        return second - acceleration(*self._curve(second), self.k, self.metric)

    def _curve(self, second: Array) -> tuple[Array, Array]:
        """Return the values of W and W'."""
        nodes = grid(len(second) - 1)
        line = self.a + nodes.nodes[:, None, None] * self.straight
        return (
            line + applied(nodes.position, second),
            self.straight + applied(nodes.velocity, second),
        )

    def solve(self, guess: Array, tolerance: float) -> Array:
        """Return the values of W''; the tolerance is that of W', relative to B - A."""
        from scipy.optimize import NoConvergence, newton_krylov

        integral = grid(len(guess) - 1).velocity
        goal = tolerance * float(np.abs(self.straight).max())

        def size(rest: Array) -> float:
            return float(np.abs(integral @ rest.reshape(len(integral), -1)).max())

        try:
            with np.errstate(all="ignore"):
                if (_NODES + 1) * self.a.size <= _DENSE:
                    second = self._newton(guess, goal, size)
                    if second is not None:
                        return second
                return np.asarray(
                    newton_krylov(
                        self.residual,
                        guess,
                        f_tol=goal,
                        tol_norm=size,
                        maxiter=_ITERATIONS,
                        method="lgmres",
                        inner_maxiter=_KRYLOV,
                        outer_k=0,
                    )
                )
        except (NoConvergence, ValueError, np.linalg.LinAlgError) as error:
            raise NotJoinedError("Newton's method did not converge") from error

    def _newton(self, guess: Array, goal: float, size: Callable[[Array], float]) -> Array | None:
        """Return the solution by Newton's method with a dense Jacobian, or None."""
        second, rest = guess, self.residual(guess)
        error = size(rest)
        for _ in range(_ITERATIONS):
            if error <= goal:
                break
            kept = self._correction
            self._correction = kept or self._linearised(second)
            step = self._correction(rest)
            # Along the step by a Jacobian of another point no shorter ones are tried.
            for factor in _FACTORS[:1] if kept else _FACTORS:
                tried = second - factor * step
                tried_rest = self.residual(tried)
                tried_error = size(tried_rest)
                if tried_error < error:
                    break
            else:
                self._correction = None
                if kept is None:
                    return None
                continue
            if not tried_error < _REDUCED * error:
                self._correction = None
            second, rest, error = tried, tried_rest, tried_error
        if not error <= goal:
            return None
        return second if self._correction is None else second - self._correction(rest)

    def _linearised(self, second: Array) -> Callable[[Array], Array]:
        """Return the map from residuals to corrections, by the Jacobian at W''.

        It is that at few nodes. What is finer than they can hold is its own correction, since two
        integrations leave little of it.
        """
        few = interpolation(len(second) - 1, _NODES)
        second = applied(few, second)
        nodes, size = grid(_NODES), self.a.size
        w, velocity = self._curve(second)
        # At each node, along all entries of W and of W', one after the other.
        units = np.eye(size).reshape(size, 1, *self.a.shape)
        steps = [_DIFFERENCE * float(np.abs(part).max()) for part in (w, velocity)]
        at_w = np.concatenate((w + steps[0] * units, np.broadcast_to(w, (size, *w.shape))))
        at_velocity = np.concatenate(
            (np.broadcast_to(velocity, (size, *w.shape)), velocity + steps[1] * units)
        )
        change = acceleration(at_w, at_velocity, self.k, self.metric)
        change -= acceleration(w, velocity, self.k, self.metric)
        change = change.reshape(2, size, len(w), size)
        jacobian = np.eye(len(w) * size)
        for part, step, integral in zip(
            change, steps, (nodes.position, nodes.velocity), strict=True
        ):
            # Row (i, a), column (j, b): the slope of entry a along b at node i, times integral_ij.
            slope = part.transpose(1, 2, 0) / step
            block = slope[:, :, None, :] * integral[:, None, :, None]
            jacobian -= block.reshape(jacobian.shape)
        inverse = np.linalg.inv(jacobian)

        def correction(rest: Array) -> Array:
            n = len(rest) - 1
            coarse = applied(interpolation(n, _NODES), rest)
            solved = (inverse @ coarse.ravel()).reshape(coarse.shape)
            return rest + applied(interpolation(_NODES, n), solved - coarse)

        return correction

    def start(self, second: Array) -> Array:
        """Return W'(0)."""
        return self.straight + applied(grid(len(second) - 1).velocity[:1], second)[0]


def _guess(path: BalancedPath, reach: float, n: int) -> Array:
    """Return the second derivative of the path as far as `reach`."""
    nodes = grid(n)
    coefficients = applied(nodes.coefficients, path(reach * nodes.nodes))
    return applied(
        vandermonde(nodes.nodes, n - 2), np.asarray(chebyshev.chebder(coefficients, 2, scl=2))
    )


def joined(
    path: BalancedPath,
    k: int,
    metric: SpectralMetric,
    rtol: float,
    direct: bool,
    known: Sequence[Array] = (),
) -> Array | None:
    """Return W'(0) of a geodesic between the ends of a path, to relative accuracy.

    Newton's method starts from the path itself, or else from geodesics to points on it. Where it
    comes to a geodesic whose W'(0) is known, None is returned.

    Raises
    ------
    NotJoinedError
        If Newton's method does not converge, or needs more nodes than are allowed.
    """
    a, b = path(np.array([0.0, 1.0]))
    equations = Collocation(a, b, k, metric)
    if direct:
        second = equations.solve(_guess(path, 1.0, _NODES), _COARSE)
    else:
        second = _continued(path, a, k, metric)
    velocity = equations.start(second)
    if any(np.abs(velocity - other).max() <= _ALIKE * np.abs(other).max() for other in known):
        return None
    return _refined(equations, second, rtol)


def _continued(path: BalancedPath, a: Array, k: int, metric: SpectralMetric) -> Array:
    """Return W'' of a geodesic to the end of the path, by way of points on it."""
    reached, step = 0.0, 0.5
    correction = np.zeros((_MORE_NODES + 1, *a.shape))
    while reached < 1:
        reach = min(1.0, reached + step)
        guess = _guess(path, reach, _MORE_NODES)
        aim = path(np.array([reach]))[0]
        try:
            second = Collocation(a, aim, k, metric).solve(guess + correction, _COARSE)
        except NotJoinedError as error:
            step /= 2
            if step < _SHORTEST:
                raise NotJoinedError(
                    f"the continuation came as far as {reached:.3g} of the way"
                ) from error
        else:
            reached, step, correction = reach, 2 * step, second - guess
    return guess + correction


def _refined(equations: Collocation, second: Array, rtol: float) -> Array:
    """Return W'(0) with so many nodes that it does not change any more."""
    velocity = equations.start(second)
    while True:
        n = 3 * (len(second) - 1) // 2
        if n > _MOST_NODES:
            raise NotJoinedError(f"more than {_MOST_NODES} nodes are needed")
        second = equations.solve(applied(interpolation(len(second) - 1, n), second), rtol / 10)
        previous, velocity = velocity, equations.start(second)
        if np.abs(velocity - previous).max() <= rtol * np.abs(velocity).max():
            return velocity
