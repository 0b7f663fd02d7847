"""Solutions that owe nothing to the library: scalar equations, and the dense flow (6)."""

import numpy as np
from scipy.integrate import solve_ivp

from tests.geometry import dense


def scalar_curve(s0, b, t, depth, c=1.0):
    """The solution of s' = -N s^(2-2/N) (c s - b), s(0) = s0 > 0, at the times t.

    Integrated for ln s, so that all of it is to relative accuracy.
    """

    def velocity(_, log):
        s = np.exp(log)
        return -depth * s ** (1 - 2 / depth) * (c * s - b)

    solution = solve_ivp(
        velocity, (t[0], t[-1]), [np.log(s0)], "DOP853", t_eval=t, rtol=1e-13, atol=1e-13
    )
    return np.exp(solution.y[0])


def logistic(s0, b, t):
    """The solution of s' = 2 s (b - s), s(0) = s0: the case N = 2, c = 1 of the scalar curve."""
    return b / (1 + (b / s0 - 1) * np.exp(-2 * b * np.asarray(t)))


def dense_flow(X, Y, W, depth, t):
    """The solution of equation (6) with dense powers of W W^T and W^T W, at the times t.

    For W of full rank, or for a short time: round-off leads it away from matrices of lower rank.
    """
    k = np.linalg.matrix_rank(W)

    def velocity(_, flat):
        W = flat.reshape(len(Y), len(X))
        return -dense.operator(W, k, (W @ X - Y) @ X.T, depth).ravel()

    solution = solve_ivp(
        velocity, (t[0], t[-1]), W.ravel(), "DOP853", t_eval=t, rtol=1e-12, atol=1e-13
    )
    return solution.y.T.reshape(len(t), *W.shape)


class DenseProblem:
    """A regression that offers nothing but loss and gradient at a point, densely."""

    def __init__(self, X, Y):
        self.X, self.Y = X, Y

    def loss(self, W):
        return 0.5 * np.linalg.norm(dense.matrix(W) @ self.X - self.Y) ** 2

    def gradient(self, W):
        return (dense.matrix(W) @ self.X - self.Y) @ self.X.T
