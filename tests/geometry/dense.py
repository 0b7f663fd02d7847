"""The definitions of the paper with dense matrices: what the factored code is compared with."""

import math
import warnings

import autograd
import autograd.numpy as anp
import numpy as np

from fixedrank import FixedRankTangentVector

EPS = np.finfo(float).eps
# Singular values, sizes and depths at which formulas are compared with the definition.
CASES = [
    ((2.0,), 3, 3, 3),
    ((2.0, 1.0), 3, 2, 1),
    ((2.0, 1.0), 3, 3, 2),
    ((1.0, 2.0), 2, 3, 5),
    ((2.0, 2.0), 3, 2, 20),
    ((1.0, 1 + 1e-12), 2, 3, 1000),
    ((2.0, 1.0), 3, 2, 2.5),
    ((2.0, 1.0), 3, 2, 1.0001),
    ((2.0, 1.0), 2, 2, math.inf),
]


def matrix(point):
    """W = U diag(s) V^T."""
    u, s, vt = point
    return u @ np.diag(s) @ vt


def orthonormal(rng, rows, columns):
    """Orthonormal columns."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def truncated(matrix, k):
    """The best approximation of rank k."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :k] * s[:k]) @ vt[:k]


def tangent(point, vector):
    """Z = U M V^T + Up V^T + U Vp^T."""
    u, _, vt = point
    up, core, vp = vector
    return u @ core @ vt + up @ vt + u @ vp.T


def projectors(W, k):
    """The orthogonal projectors to the column space and the row space of a rank-k matrix."""
    u, _, vt = np.linalg.svd(W)
    return u[:, :k] @ u[:, :k].T, vt[:k].T @ vt[:k]


def projection(W, k, Z):
    """P_T Z = P_U Z + Z P_V - P_U Z P_V."""
    left, right = projectors(W, k)
    return left @ Z + Z @ right - left @ Z @ right


def power(gram, k, exponent):
    """The real power of a symmetric matrix of rank k; its power zero is the identity."""
    if exponent == 0:
        return np.eye(len(gram))
    values, vectors = np.linalg.eigh(gram)
    vectors = vectors[:, -k:]
    return vectors @ np.diag(values[-k:] ** exponent) @ vectors.T


def operator_of_layers(factors, Z):
    """Sum over j of T T^T Z B^T B with T = W_N ... W_(j+1) and B = W_(j-1) ... W_1."""
    result = np.zeros_like(Z)
    for j in range(len(factors)):
        T, B = np.eye(Z.shape[0]), np.eye(Z.shape[1])
        for layer in factors[:j]:
            B = layer @ B
        for layer in factors[:j:-1]:
            T = T @ layer
        result = result + T @ T.T @ Z @ B.T @ B
    return result


def operator(W, k, Z, N):
    """Equation (7): the sum over j of (W W^T)^((N-j)/N) Z (W^T W)^((j-1)/N)."""
    terms = (
        power(W @ W.T, k, (N - j) / N) @ Z @ power(W.T @ W, k, (j - 1) / N) for j in range(1, N + 1)
    )
    return sum(terms) if N > 1 else projection(W, k, Z)


def as_matrix(linear_map, shape):
    """The (m n) x (m n) matrix of a linear map on m x n matrices flattened row by row."""
    units = np.eye(shape[0] * shape[1]).reshape(-1, *shape)
    return np.array([linear_map(unit).ravel() for unit in units]).T


def tangent_basis(W, k):
    """A Frobenius-orthonormal basis of T_W, its elements flattened row by row, as columns."""
    values, vectors = np.linalg.eigh(as_matrix(lambda Z: projection(W, k, Z), W.shape))
    return vectors[:, values > 0.5]


def restricted_operator(W, k, N):
    """The matrix of A restricted to T_W in a Frobenius-orthonormal basis."""
    basis = tangent_basis(W, k)
    return basis.T @ as_matrix(lambda Z: operator(W, k, Z, N), W.shape) @ basis


def inner_product(W, k, Z1, Z2, N):
    """Equation (8): <A^{-1}(Z1), Z2> with A restricted to T_W."""
    basis = tangent_basis(W, k)
    coefficients = np.linalg.solve(restricted_operator(W, k, N), basis.T @ Z1.ravel())
    return coefficients @ (basis.T @ Z2.ravel())


def factor_norm(vector):
    """The Frobenius norm of a tangent vector, from its factors."""
    return np.sqrt(sum(np.sum(np.square(part)) for part in vector))


def random_vector(point, rng, spread=0.0):
    """A tangent vector with entries of either sign, 10^-spread to 10^spread in size."""
    u, s, vt = point
    k = s.size

    def block(rows):
        sizes = 10.0 ** rng.uniform(-spread, spread, (rows, k))
        return sizes * rng.choice([-1.0, 1.0], (rows, k))

    def orthogonal_to(basis):
        rest = block(len(basis))
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        return rest if len(basis) > k else np.zeros_like(rest)

    return FixedRankTangentVector(orthogonal_to(u), block(k), orthogonal_to(vt.T))


def euclidean_derivatives(function, W, Z):
    """The gradient of a function of W and the derivative of the gradient along Z."""
    gradient = autograd.grad(function)
    return gradient(W), autograd.grad(lambda X: anp.sum(gradient(X) * Z))(W)


def factor_derivatives(cost, point, direction):
    """The derivatives of cost(u, s, vt), and their derivatives along a direction."""
    gradient = autograd.grad(lambda parts: cost(*parts))

    def slope(parts):
        return sum(anp.sum(a * b) for a, b in zip(gradient(parts), direction, strict=True))

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        return gradient(tuple(point)), autograd.grad(slope)(tuple(point))


def hessian(manifold, point, function, Z):
    """Hess f[Z] from a function of W, by its m x n derivatives."""
    pair = euclidean_derivatives(function, matrix(point), manifold.tangent_to_matrix(point, Z))
    return manifold.euclidean_to_riemannian_hessian(point, *pair, Z)
