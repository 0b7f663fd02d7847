"""The problems of docs/depth.md: losses whose minimiser of rank k is known, and starts.

Each seed draws a problem and a start. The largest singular value of what is looked for is one.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

import fixedrank

SHAPE, RANK = (80, 60), 3


@dataclass
class Task:
    """A loss, the rank, the minimiser as a matrix and its least singular value, and a start."""

    loss: fixedrank.Loss
    k: int
    minimiser: np.ndarray
    least: float
    start: fixedrank.FixedRankPoint


def orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def matrix(rng, condition, shape=SHAPE, rank=RANK):
    """A matrix of a rank with singular values from 1 to 1/condition, in even ratios."""
    u, v = (orthonormal(rng, size, rank) for size in shape)
    return (u * np.geomspace(1, 1 / condition, rank)) @ v.T


def random_start(rng, minimiser, k):
    """A product of Gaussian factors, of the Frobenius norm of the minimiser."""
    (m, n), size = minimiser.shape, np.linalg.norm(minimiser)
    pair = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    u, s, vt = fixedrank.FixedRank(m, n, k, depth=1).point(pair)
    return fixedrank.FixedRankPoint(u, s * (size / np.linalg.norm(s)), vt)


def random_or_spectral(rng, loss, minimiser, k, start):
    if start == "spectral":
        return loss.initial_point(k)
    return random_start(rng, minimiser, k)


def approximation(seed, condition):
    """Half the squared distance to a matrix that has more singular values, a tenth as large."""
    rng = np.random.default_rng([1, seed])
    truth = matrix(rng, condition)
    u, _, vt = np.linalg.svd(truth, full_matrices=False)
    data = truth + 0.1 / condition * u[:, RANK:] @ vt[RANK:]
    loss = fixedrank.LinearRegression(np.eye(SHAPE[1]), data)
    return Task(loss, RANK, truth, 1 / condition, random_start(rng, truth, RANK))


def completion(seed, condition, start, k=RANK):
    """A matrix of rank 3 from five times as many of its entries as it has dimensions."""
    rng = np.random.default_rng([2, seed])
    truth, (m, n) = matrix(rng, condition), SHAPE
    count = 5 * RANK * (m + n - RANK)
    rows, cols = np.divmod(rng.permutation(m * n)[:count], n)
    loss = fixedrank.MatrixCompletion(rows, cols, truth[rows, cols], SHAPE)
    return Task(loss, k, truth, 1 / condition, random_or_spectral(rng, loss, truth, k, start))


def sensing(seed, condition, start):
    """The same from three times as many inner products with Gaussian matrices of rank one."""
    rng = np.random.default_rng([3, seed])
    truth, (m, n) = matrix(rng, condition), SHAPE
    left, right = (rng.standard_normal((3 * RANK * (m + n - RANK), size)) for size in SHAPE)
    loss = fixedrank.MatrixSensing((left, right), np.sum(left @ truth * right, axis=1))
    first = random_or_spectral(rng, loss, truth, RANK, start)
    return Task(loss, RANK, truth, 1 / condition, first)


def regression(seed, condition):
    """A regression with noise, where X has singular values from 1 to 1/condition."""
    rng = np.random.default_rng([4, seed])
    (m, n), samples = SHAPE, 200
    s = np.geomspace(1, 1 / condition, n)
    u, v = orthonormal(rng, n, n), orthonormal(rng, samples, n)
    X = (u * s) @ v.T
    noise = rng.standard_normal((m, samples)) / np.sqrt(samples)
    # Singular values of one size: what is slow is due to X.
    Y = matrix(rng, 3) @ X + 0.01 / condition * noise
    # With W = R diag(1/s) u^T the loss is |R - Y v|^2 / 2 and a constant: Eckart and Young.
    left, kept, right = np.linalg.svd(Y @ v, full_matrices=False)
    best = (left[:, :RANK] * kept[:RANK]) @ right[:RANK] @ (u / s).T
    least = float(np.linalg.svd(best, compute_uv=False)[RANK - 1])
    return Task(fixedrank.LinearRegression(X, Y), RANK, best, least, random_start(rng, best, RANK))


def made_for(seed, depth, condition):
    """A weighted approximation whose Hessian at the minimum is the metric of this depth."""
    rng = np.random.default_rng([5, seed])
    (m, n), s = SHAPE, np.geomspace(1, 1 / condition, RANK)
    truth, p = np.zeros(SHAPE), s ** (2 / depth)
    np.fill_diagonal(truth, np.r_[s, np.zeros(n - RANK)])
    weights = np.full(SHAPE, s[-1] ** (2 / depth - 2))
    weights[:RANK, :] = s[:, None] ** (2 / depth - 2)
    weights[:, :RANK] = s ** (2 / depth - 2)
    powers = range(depth)
    c = sum(p[:, None] ** (depth - 1 - power) * p**power for power in powers)
    weights[:RANK, :RANK] = 1 / c
    rows, cols = np.divmod(np.arange(m * n), n)
    loss = fixedrank.MatrixCompletion(rows, cols, truth.ravel(), SHAPE, weights=weights.ravel())
    return Task(loss, RANK, truth, 1 / condition, random_start(rng, truth, RANK))


def cases():
    """Return the problems by name: what draws the task of a seed."""
    found = {}
    for condition in (1, 30, 1000):
        found[f"approximation, {condition}"] = partial(approximation, condition=condition)
    for condition in (1, 10, 100, 1000, 10000):
        for start in ("spectral", "random"):
            name = f"completion, {condition}, {start}"
            found[name] = partial(completion, condition=condition, start=start)
    for start in ("spectral", "random"):
        for condition in (1, 10):
            name = f"completion of rank 5, {condition}, {start}"
            found[name] = partial(completion, condition=condition, start=start, k=5)
    for condition, start in ((10, "random"), (10, "spectral"), (100, "spectral")):
        name = f"sensing, {condition}, {start}"
        found[name] = partial(sensing, condition=condition, start=start)
    for condition in (1, 10, 100):
        found[f"regression, {condition}"] = partial(regression, condition=condition)
    found["made for N = 2, 100"] = partial(made_for, depth=2, condition=100)
    return found


CASES = cases()
# With another start the minimum is the same, and of rank 5 there is none.
MINIMA = [name for name in CASES if "random" not in name and "rank 5" not in name]
