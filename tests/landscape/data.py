"""Regression problems whose Q has chosen singular values."""

import numpy as np

from fixedrank import LinearRegression
from tests.geometry.dense import orthonormal

VALUES = np.array([3.0, 2.2, 1.4, 0.5])


def problem_with(values, d_y, d_x, seed=0, noise=0.3):
    """A regression with random, not white data and the given singular values of Q.

    Returns the problem and the dense U, V and C^{1/2}, which owe nothing to the library.
    """
    rng = np.random.default_rng(seed)
    samples = 2 * d_x + d_y
    X = rng.standard_normal((d_x, samples)) * rng.uniform(0.5, 2, (d_x, 1))
    eigenvalues, frame = np.linalg.eigh(X @ X.T)
    root = (frame * np.sqrt(eigenvalues)) @ frame.T
    k = len(values)
    U, V = orthonormal(rng, d_y, k), orthonormal(rng, d_x, k)
    solution = (U * values) @ V.T @ np.linalg.inv(root)
    # What the data do not reach of the labels: rows orthogonal to those of X.
    rest = rng.standard_normal((d_y, samples))
    rest -= rest @ X.T @ np.linalg.solve(X @ X.T, X)
    return LinearRegression(X, solution @ X + noise * rest), U, V, root


def deficient_point(widths, rank, zeros, seed):
    """A critical point with the `rank` largest singular values, off them zero in some layers.

    The blocks of the layers that act beside the singular vectors kept are random, or zero for the
    layers in `zeros`; hidden bases are random and not orthogonal. Two zero blocks make it critical.
    """
    rng = np.random.default_rng(seed)
    d_x, d_y, depth = widths[0], widths[-1], len(widths) - 1
    values = np.linspace(2.0, 1.0, min(d_x, d_y))
    problem, *_ = problem_with(values, d_y, d_x, seed=seed)
    u, _, vt = np.linalg.svd(problem.B @ np.linalg.inv(problem.root))
    bases = [
        orthonormal(rng, d, d) * rng.uniform(0.5, 2, d) @ orthonormal(rng, d, d)
        for d in widths[1:-1]
    ]
    inner, outer = [vt @ np.linalg.inv(problem.root), *map(np.linalg.inv, bases)], [*bases, u]
    layers = []
    for j in range(1, depth + 1):
        block = rng.standard_normal((widths[j], widths[j - 1]))
        block[:rank], block[:, :rank] = 0, 0
        if j in zeros:
            block[:] = 0
        block[:rank, :rank] = np.diag(values[:rank]) if j == depth else np.eye(rank)
        layers.append(outer[j - 1] @ block @ inner[j - 1])
    return problem, layers
