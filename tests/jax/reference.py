"""What the companion is compared with: dense matrices and high-order differences, in NumPy."""

import numpy as np

import fixedrank


def weights(s, metric):
    """Return the weights of a metric of the library: of entries, of Up, of Vp, and their rates."""
    return metric.tangential(s), *metric.normal(s), *metric.normal_rates(s)


def core_functions(core, m, metric):
    """Return A_S(M), the weights of both sides, and both turns, by the SVD of the core."""
    left, s, right = np.linalg.svd(core)
    c, up, vp, up_rates, vp_rates = weights(s, metric)
    return (
        left @ (c * (left.T @ m @ right.T)) @ right,
        right.T @ np.diag(up) @ right,
        left @ np.diag(vp) @ left.T,
        right.T @ np.diag(up_rates) @ left.T,
        right.T @ np.diag(vp_rates) @ left.T,
    )


def derivative(function, step=2e-4):
    """Return the derivative at 0 of functions of one number, by differences of order 6."""
    coefficients = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    totals = None
    for j, coefficient in coefficients.items():
        ahead, behind = function(j * step), function(-j * step)
        terms = [coefficient * (a - b) / step for a, b in zip(ahead, behind, strict=True)]
        totals = terms if totals is None else [t + u for t, u in zip(totals, terms, strict=True)]
    return totals


def dense_operator(W, Z, depth, rank):
    """Return A_{W,N}(Z) for whole N by its definition, on dense matrices."""
    left, s, right = np.linalg.svd(W, full_matrices=False)
    s[rank:] = 0  # round-off, of which small powers are not small

    def power(vectors, p):
        return vectors @ np.diag(s ** (2 * p)) @ vectors.T if p else np.eye(len(vectors))

    return sum(
        power(left, (depth - j) / depth) @ Z @ power(right.T, (j - 1) / depth)
        for j in range(1, depth + 1)
    )


def nearest(matrix, k):
    """Return the nearest matrix of rank k."""
    u, s, vt = np.linalg.svd(matrix)
    return (u[:, :k] * s[:k]) @ vt[:k]


def dense(point):
    """Return a point of the library as a matrix."""
    return (point.u * point.s) @ point.vt


def metric_of(depth=None, imbalance=None):
    """Return a metric of the library."""
    if imbalance is not None:
        return fixedrank.ImbalancedMetric(imbalance)
    return fixedrank.DepthMetric(depth)
