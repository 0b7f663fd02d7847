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
