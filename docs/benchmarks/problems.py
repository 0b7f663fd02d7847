"""The problem of the benchmarks: the paper's general supervised setting (appendix A)."""

import numpy as np

import fixedrank


def data(d, rank, depth, seed=0):
    """Return X, Y and the balanced start of appendix B.1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    widths = fixedrank.layer_widths(d, rank, depth)
    true = fixedrank.product(fixedrank.gaussian_factors(widths, rng=rng))
    return X, true @ X, fixedrank.random_balanced_factors(widths, rng=rng)


def appendix_a(d, rank, depth, seed=0):
    """Return the problem and the balanced start."""
    X, Y, factors = data(d, rank, depth, seed)
    return fixedrank.LinearRegression(X, Y), factors


def start(factors):
    """Return the manifold on which the product of the layers lies, and the product as a point."""
    W = fixedrank.product(factors)
    rank = min(len(factor) for factor in factors)
    manifold = fixedrank.FixedRank(*W.shape, rank, depth=len(factors))
    return manifold, manifold.point(W)
