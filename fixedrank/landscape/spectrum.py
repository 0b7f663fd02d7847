r"""The spectrum of the Riemannian Hessian at a critical point W_J, for any depth.

There the Hessian form needs no connection: with G = W C - B, which is normal to M_k,

    H(Z, Z) = |Z C^{1/2}|^2 + 2 <G, Up S^{-1} Vp^T>.

In coordinates that are orthonormal for g, entries of M are multiplied by sqrt(c_ij), and columns
of Up and Vp by s_j^(1-1/N). The rows of U^T Z meet only themselves in the first term. A direction
of Up meets Vp only if G does not vanish on it: those are the singular vectors of Q not in J.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from fixedrank._checks import Array, real_depth
from fixedrank.geometry.operator import require_metric
from fixedrank.geometry.points import FixedRankPoint
from fixedrank.geometry.spectrum import normal_weights, tangential_weights
from fixedrank.losses.regression import LinearRegression


def hessian_spectrum(problem: LinearRegression, point: FixedRankPoint, depth: float) -> Array:
    """Return the eigenvalues at W_J, ascending."""
    number = real_depth(depth)
    _, s, vt = point
    (m, n), k = problem.shape, s.size
    require_metric(m, n, k, number)
    if k == 0:
        return np.zeros(0)
    complement = scipy.linalg.qr(vt.T)[0][:, k:]
    basis = np.hstack((vt.T, complement))
    gram = basis.T @ problem.C @ basis
    normal = np.sqrt(normal_weights(s, number))
    lengths = np.hstack(
        (np.sqrt(tangential_weights(s, number)), np.repeat(normal[:, None], n - k, axis=1))
    )
    own = normal[:, None] * gram[:k, :k] * normal
    # Of the range of Q what is orthogonal to U: elsewhere G vanishes.
    count = problem.rank - k
    reach = problem.svd[0][:, : problem.rank]
    others = scipy.linalg.svd(reach - point.u @ (point.u.T @ reach))[0][:, :count]
    # G^T u = -B^T u, as W^T u = 0, in the complement of V.
    images = -complement.T @ (problem.B.T @ others)
    coupling = normal_weights(s, number, shift=1)

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
