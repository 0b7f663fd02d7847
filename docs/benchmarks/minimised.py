"""Six problems on matrices of fixed rank, as hard as those of practice, for the optimisers."""

import numpy as np
from scipy.special import expit

import fixedrank


class Entrywise(fixedrank.Loss):
    """A sum over entries of a function of W_ij and of data, with its first two derivatives."""

    def __init__(self, shape, value, first, second):
        self.shape, self.value, self.first, self.second = shape, value, first, second

    def loss(self, W):
        u, s, vt = W
        return float(self.value((u * s) @ vt).sum())

    def gradient(self, W):
        u, s, vt = W
        return self.first((u * s) @ vt)

    def hessian_product(self, W, Z):
        u, s, vt = W
        if isinstance(Z, fixedrank.FixedRankTangentVector):
            Z = (u @ Z.M + Z.Up) @ vt + u @ Z.Vp.T
        elif isinstance(Z, tuple):
            Z = Z[0] @ Z[1].T
        return self.second((u * s) @ vt) * Z


class Quadratic(Entrywise):
    """Half the weighted squared distance, which knows the least loss along a line."""

    def __init__(self, A, weights):
        super().__init__(
            A.shape,
            lambda W: weights * (W - A) ** 2 / 2,
            lambda W: weights * (W - A),
            lambda W: weights,
        )

    def line_minimum(self, W, Z):
        image = self.hessian_product(W, Z)
        u, _, vt = W
        direction = (u @ Z.M + Z.Up) @ vt + u @ Z.Vp.T
        return -np.vdot(self.gradient(W), direction) / np.vdot(image, direction)


def orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def low_rank():
    """The best approximation of rank 10 of a matrix with 150 singular values that fall slowly."""
    rng = np.random.default_rng(0)
    A = (orthonormal(rng, 200, 150) / np.arange(1, 151) ** 0.5) @ orthonormal(rng, 150, 150).T
    return Quadratic(A, np.ones(A.shape)), 10


def weighted():
    """The same with a weight for each entry, from 0.01 to 1."""
    rng = np.random.default_rng(1)
    A = (orthonormal(rng, 120, 80) / np.arange(1, 81)) @ orthonormal(rng, 80, 80).T
    return Quadratic(A, 10 ** rng.uniform(-2, 0, A.shape)), 5


def pseudo_huber():
    """A matrix of rank 5 with noise, of which a tenth of the entries is grossly wrong."""
    rng = np.random.default_rng(2)
    m, n, k, delta = 100, 80, 5, 0.02
    A = rng.standard_normal((m, k)) @ rng.standard_normal((k, n)) / np.sqrt(k)
    A += 0.05 * rng.standard_normal(A.shape)
    A += (rng.random(A.shape) < 0.1) * 10 * rng.standard_normal(A.shape)

    def root(W):
        return np.sqrt(1 + ((W - A) / delta) ** 2)

    return (
        Entrywise(
            A.shape,
            lambda W: delta**2 * (root(W) - 1),
            lambda W: (W - A) / root(W),
            lambda W: root(W) ** -3,
        ),
        5,
    )


def logistic():
    """Half of the signs of a matrix of rank 3 with logistic noise, and a small ridge."""
    rng = np.random.default_rng(3)
    m, n, k, ridge = 100, 80, 3, 1e-2
    truth = 2 * rng.standard_normal((m, k)) @ rng.standard_normal((k, n)) / np.sqrt(k)
    known = rng.random((m, n)) < 0.5
    signs = np.where(rng.random((m, n)) < expit(truth), 1.0, -1.0)

    def second(W):
        probability = expit(-signs * W)
        return known * probability * (1 - probability) + ridge

    return (
        Entrywise(
            (m, n),
            lambda W: known * np.logaddexp(0, -signs * W) + ridge * W**2 / 2,
            lambda W: ridge * W - known * signs * expit(-signs * W),
            second,
        ),
        k,
    )


def completion():
    """A matrix of rank 3 and condition 30, from five times as many entries as dimensions."""
    rng = np.random.default_rng(4)
    m, n, k = 100, 100, 3
    A = (orthonormal(rng, m, k) * np.geomspace(1, 1 / 30, k)) @ orthonormal(rng, n, k).T * m
    rows, cols = np.divmod(rng.permutation(m * n)[: 5 * k * (m + n - k)], n)
    return fixedrank.MatrixCompletion(rows, cols, A[rows, cols], (m, n)), k


def regression():
    """A regression with C of condition 1e6."""
    rng = np.random.default_rng(5)
    features, outputs, k = 40, 30, 5
    X = orthonormal(rng, features, features) * np.geomspace(1, 1e-3, features)
    X = X @ rng.standard_normal((features, 200)) / np.sqrt(200)
    W = rng.standard_normal((outputs, k)) @ rng.standard_normal((k, features)) / np.sqrt(k)
    return fixedrank.LinearRegression(X, W @ X + 0.01 * rng.standard_normal((outputs, 200))), k


PROBLEMS = {
    "low rank": low_rank,
    "weighted": weighted,
    "pseudo-Huber": pseudo_huber,
    "logistic": logistic,
    "completion": completion,
    "regression": regression,
}


def starts(loss, k, count):
    """Return points to begin with: the spectral one of a completion first, then random ones."""
    manifold, rng = fixedrank.FixedRank(*loss.shape, k, depth=1), np.random.default_rng(6)
    points = [manifold.random_point(rng=rng) for _ in range(count)]
    if isinstance(loss, fixedrank.MatrixCompletion):
        # Spectral starts from nine tenths of the entries each.
        points = [loss.split(0.1, rng=rng)[0].initial_point(k) for _ in range(count)]
    return points
