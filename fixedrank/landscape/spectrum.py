r"""The spectrum of the Riemannian Hessian at a critical point W_J, for any metric.

There the Hessian form needs no connection: with G = W C - B, which is normal to M_k,

    H(Z, Z) = |Z C^{1/2}|^2 + 2 <G, Up S^{-1} Vp^T>.

In coordinates that are orthonormal for g, entries of M are multiplied by sqrt(c_ij), and columns
of Up and Vp by s_j^(1-1/N). The rows of U^T Z meet only themselves in the first term. A direction
of Up meets Vp only if G does not vanish on it: those are the singular vectors of Q not in J.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.depth import as_metric
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.regression import LinearRegression


def hessian_spectrum(
    problem: LinearRegression, point: FixedRankPoint, depth: float | SpectralMetric
) -> Array:
    """Return the eigenvalues at W_J, ascending."""
    metric = as_metric(depth)
    _, s, vt = point
    (m, n), k = problem.shape, s.size
    metric.check_sizes(m, n, k)
    if k == 0:
        return np.zeros(0)
    complement = scipy.linalg.qr(vt.T)[0][:, k:]
    basis = np.hstack((vt.T, complement))
    gram = basis.T @ problem.C @ basis
    left, right = map(np.sqrt, metric.normal(s))
    lengths = np.hstack((np.sqrt(metric.tangential(s)), np.repeat(right[:, None], n - k, axis=1)))
    own = left[:, None] * gram[:k, :k] * left
    # Of the range of Q what is orthogonal to U: elsewhere G vanishes.
    count = problem.rank - k
    reach = problem.svd[0][:, : problem.rank]
    others = scipy.linalg.svd(reach - point.u @ (point.u.T @ reach))[0][:, :count]
    # G^T u = -B^T u, as W^T u = 0, in the complement of V.
    images = -complement.T @ (problem.B.T @ others)
    coupling = left * right / s

    matrix = np.zeros((k * n + count * k,) * 2)
    for i in range(k):
        rows = slice(i * n, (i + 1) * n)
        matrix[rows, rows] = lengths[i][:, None] * gram * lengths[i]
        columns = k * n + i + k * np.arange(count)
        matrix[i * n + k : (i + 1) * n, columns] = coupling[i] * images
        matrix[columns, i * n + k : (i + 1) * n] = coupling[i] * images.T
    for j in range(count):
        rows = slice(k * (n + j), k * (n + j + 1))
        matrix[rows, rows] = own
    free = np.tile(np.linalg.eigvalsh(own), m - k - count)
    return np.sort(np.concatenate((np.linalg.eigvalsh(matrix), free)))
