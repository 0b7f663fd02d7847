"""The Hessian in the metric of depth N: its condition at a minimum, and its range elsewhere."""

import numpy as np
import scipy.linalg

import fixedrank


def frame(point):
    """Return an orthonormal basis of the tangent space, along which the operator is diagonal."""
    (m, k), n = point.u.shape, point.vt.shape[1]
    left, right = (scipy.linalg.null_space(side) for side in (point.u.T, point.vt))
    basis = []
    for part, shape in enumerate(((k, k), (m - k, k), (n - k, k))):
        for place in np.ndindex(shape):
            core, up, vp = (np.zeros((size, k)) for size in (k, m - k, n - k))
            (core, up, vp)[part][place] = 1.0
            basis.append(fixedrank.FixedRankTangentVector(left @ up, core, right @ vp))
    return basis


def hessian(loss, point, depth, basis):
    """Return the matrix of the Hessian of a loss in the basis, made orthonormal at depth N."""
    manifold = fixedrank.FixedRank(point.u.shape[0], point.vt.shape[1], len(point.s), depth=depth)
    unit = [Z / manifold.norm(point, Z) for Z in basis]
    gradient = loss.gradient(point)
    images = [
        manifold.euclidean_to_riemannian_hessian(point, gradient, loss.hessian_product(point, Z), Z)
        for Z in unit
    ]
    # A^(-1) Z, whose embedded products with the images are those in the metric.
    lowered = [fixedrank.DepthOperator(point, depth).solve(Z) for Z in unit]
    rows, columns = (
        np.array([np.concatenate([np.ravel(part) for part in Z]) for Z in vectors])
        for vectors in (lowered, images)
    )
    product = rows @ columns.T
    return (product + product.T) / 2


def ratio(matrix):
    """Return the ratio of the largest to the least eigenvalue of a positive matrix."""
    values = np.linalg.eigvalsh(matrix)
    return values[-1] / values[0]


def root_derivative(s, depth, size):
    """Return the derivative of R -> W = R^[N] in the frame, for whole N: a square matrix."""
    k, root, powers = len(s), s ** (1 / depth), np.arange(depth)
    # (s_a - s_b) / (root_a - root_b) without differences, and (s_a + s_b) / (root_a + root_b).
    even = np.sum(root[:, None, None] ** powers[::-1] * root[None, :, None] ** powers, axis=2)
    odd = (s[:, None] + s) / (root[:, None] + root)
    result = np.diag(np.tile(root ** (depth - 1), size // k))
    result[: k * k, : k * k] = np.diag(np.ravel(even + odd) / 2)
    for a, b in np.ndindex(k, k):
        result[a * k + b, b * k + a] += (even - odd)[a, b] / 2
    return result


def conditions(task, depth):
    """Return those at the minimiser in depth N and of the loss of the root; and the bound."""
    embedded = fixedrank.FixedRank(*task.minimiser.shape, task.k, depth=1)
    point = embedded.point(task.minimiser)
    basis = frame(point)
    plain = hessian(task.loss, point, 1, basis)
    change = root_derivative(point.s, depth, len(basis))
    found = (
        ratio(hessian(task.loss, point, depth, basis)),
        ratio(change.T @ plain @ change),
        depth * (point.s[0] / point.s[-1]) ** (2 - 2 / depth) * ratio(plain),
    )
    return [float(f"{value:.4g}") for value in found]


def extremes(task, depth):
    """Return the least, the median and the largest eigenvalue at the start."""
    values = np.linalg.eigvalsh(hessian(task.loss, task.start, depth, frame(task.start)))
    return [float(f"{value:.3g}") for value in np.quantile(values, (0, 0.5, 1))]
