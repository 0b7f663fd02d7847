"""The settings of the paper's experiments: data, layers, and how these start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.trajectory import product_factors
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.landscape import global_minimizer
from fixedrank.losses import LinearRegression
from fixedrank.networks import gaussian_factors, layer_widths, random_balanced_factors

# What is random and has a generator of its own: the data X, the true layers, the start.
_DATA, _TRUTH, _START = range(3)


class Instance(NamedTuple):
    """A setting with its random numbers.

    Attributes
    ----------
    X, Y : ndarray, shape (d, 3 d)
        The data.
    problem : LinearRegression
        The loss.
    factors : list of ndarray
        The layers at t = 0.
    limit : FixedRankPoint
        Where the paper says that W(t) goes: U_k S_k V_k^T (X X^T)^(-1/2) (the paper omits the
        transposition), or U_r U_r^T for an autoencoder.
    true : FixedRankPoint or None
        The true parameters in the supervised case.
    tail : float
        The limit of the error |Y - W(t) X|_F: zero in the supervised case, and the root of the
        sum of the eigenvalues of X X^T beyond the r-th for an autoencoder.
    """

    X: Array
    Y: Array
    problem: LinearRegression
    factors: list[Array]
    limit: FixedRankPoint
    true: FixedRankPoint | None
    tail: float


@dataclass(frozen=True)
class Setting:
    """One experiment of the paper's appendix.

    Parameters
    ----------
    case : {"supervised", "autoencoder"}
        Appendix A or B.
    start : {"balanced", "gaussian"}
        The initial layers: random orthonormal frames, or independent Gaussian entries of
        standard deviation 1/sqrt(d_j).
    d : int
        The dimension d_x = d_y of the data; there are 3 d samples.
    rank : int
        The smallest width r.
    depth : int
        The number N of layers.
    end : float
        The final time T.
    rounding : {"up", "nearest"}
        Of the widths d_j: up in A and B.3, to the nearest integer in B.1.
    """

    case: Literal["supervised", "autoencoder"]
    start: Literal["balanced", "gaussian"]
    d: int
    rank: int
    depth: int
    end: float
    rounding: Literal["up", "nearest"] = "up"

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """A name for files."""
        parts = (self.case, self.start, f"d{self.d}", f"r{self.rank}", f"N{self.depth}")
        return "-".join((*parts, f"T{self.end:g}", *(["nearest"] if self.rounding != "up" else [])))

    def instance(self, seed: int) -> Instance:
        """Draw the data and the layers.

        The data depend on the seed and on d alone, and both starts meet the same true layers, so
        that curves differ only by what their legend says.
        """
        d, rank, depth = self.d, self.rank, self.depth
        X = np.random.default_rng([seed, _DATA, d]).standard_normal((d, 3 * d)) / math.sqrt(d)
        widths = layer_widths(d, rank, depth, rounding=self.rounding)
        start = [seed, _START, d, rank, depth]
        factors = (
            random_balanced_factors(widths, rng=np.random.default_rng(start))
            if self.start == "balanced"
            else gaussian_factors(widths, rng=np.random.default_rng(start))
        )
        if self.case == "supervised":
            rng = np.random.default_rng([seed, _TRUTH, d, rank, depth])
            true = product_factors(gaussian_factors(widths, rng=rng))
            Y = (true.u * true.s) @ (true.vt @ X)
            problem = LinearRegression(X, Y)
            limit = global_minimizer(problem, rank).point
            return Instance(X, Y, problem, factors, limit, true, 0.0)
        problem = LinearRegression(X, X)
        eigenvalues, vectors = np.linalg.eigh(problem.C)
        top = vectors[:, ::-1][:, :rank]
        limit = FixedRankPoint(top, np.ones(rank), top.T)
        tail = math.sqrt(float(eigenvalues[: d - rank].sum()))
        return Instance(X, X, problem, factors, limit, None, tail)
