"""The geometry of the depth-N metric in coordinates: by definition, and with many digits.

Near diag(s) the matrices of rank k are W(C, P, Q) = [[C, Q^T], [P, P C^{-1} Q^T]]. The entries of
C, P and Q are coordinates, whose basis at diag(s) is orthonormal in the Frobenius inner product.
The metric in them is (8), with the operator (7) on m x n matrices; its derivatives are central
differences. A step of 1e-30 leaves out 1e-36 or less where s >= 1e-12; of the 120 digits, 36 go
into the squares of singular values between 1e-12 and 1e6, and 60 into second differences.
"""

import functools
import itertools
import math

import mpmath
import numpy as np

from fixedrank import FixedRankPoint, FixedRankTangentVector

DIGITS = 120
STEP = mpmath.mpf(10) ** -30
# Eigenvalues closer than this, relatively, are equal: it changes their weight by 1e-80.
TIE = mpmath.mpf(10) ** -40


def with_many_digits(function):
    """Run a function in the precision of this module."""

    @functools.wraps(function)
    def wrapped(*args):
        with mpmath.workdps(DIGITS):
            return function(*args)

    return wrapped


def exact(array):
    """An array of doubles as one of mpf."""
    return np.array([mpmath.mpf(float(x)) for x in np.ravel(array)]).reshape(np.shape(array))


def inverse(matrix):
    """The inverse of a square array of mpf."""
    return np.array((mpmath.matrix(matrix.tolist()) ** -1).tolist()).reshape(matrix.shape)


def weight(x, y, depth):
    """What the operator (7) multiplies by, between eigenvalues x of W W^T and y of W^T W."""
    if depth <= 32 and depth == int(depth):
        exponents = [mpmath.mpf(l) / int(depth) for l in range(int(depth))]
        return mpmath.fsum(x**a * y**b for a, b in zip(exponents[::-1], exponents, strict=True))
    tied = abs(x - y) <= TIE * max(x, y)
    if math.isinf(depth):
        return (x + y) / 2 if tied else (x - y) / mpmath.log(x / y)
    N = mpmath.mpf(depth)
    if tied:
        return N * ((x + y) / 2) ** (1 - 1 / N)
    return (x - y) / (x ** (1 / N) - y ** (1 / N))


def eigen(gram, k):
    """The eigenvalues of a symmetric matrix, all but the k largest exactly zero, and vectors."""
    values, vectors = mpmath.eigsy(mpmath.matrix(gram.tolist()))
    values = [value if i >= len(gram) - k else mpmath.mpf(0) for i, value in enumerate(values)]
    return values, np.array(vectors.tolist())


def first_derivatives(function, dim):
    """The derivatives of a function at zero along all coordinates."""
    units = exact(np.eye(dim)) * STEP
    return np.array([(function(unit) - function(-unit)) / (2 * STEP) for unit in units])


def second_derivatives(function, dim):
    """The second derivatives of a function at zero, its coordinates along the first two axes."""
    units = exact(np.eye(dim)) * STEP
    here = function(0 * units[0])

    def along(x):
        return (function(x) - 2 * here + function(-x)) / STEP**2

    pure = [along(unit) for unit in units]
    result = [[None] * dim for _ in units]
    for i, j in itertools.combinations_with_replacement(range(dim), 2):
        mixed = pure[i] if i == j else (along(units[i] + units[j]) - pure[i] - pure[j]) / 2
        result[i][j] = result[j][i] = mixed
    return np.array(result)


class Chart:
    """The coordinates (C, P, Q) around diag(s), and the metric in them."""

    def __init__(self, s, m, n, depth):
        self.s, self.m, self.n, self.k, self.depth = s, m, n, len(s), depth
        self.dim = self.k * (m + n - self.k)

    @property
    def point(self):
        """The base point diag(s) in factors."""
        return FixedRankPoint(np.eye(self.m, self.k), np.array(self.s), np.eye(self.k, self.n))

    def vector(self, x):
        """The tangent vector at the base point with coordinates x, in factors."""
        core, p, q = self._blocks(np.asarray(x, dtype=float))
        zero = np.zeros((self.k, self.k))
        return FixedRankTangentVector(np.vstack((zero, p)), core, np.vstack((zero, q)))

    def coordinates(self, vector):
        """The coordinates of a tangent vector at the base point."""
        up, core, vp = vector
        return np.concatenate([block.ravel() for block in (core, up[self.k :], vp[self.k :])])

    def _blocks(self, x):
        k, m, n = self.k, self.m, self.n
        core, p, q = np.split(x, np.cumsum([k * k, (m - k) * k]))
        return core.reshape(k, k), p.reshape(m - k, k), q.reshape(n - k, k)

    def matrix(self, x):
        """W at the coordinates x, relative to those of the base point."""
        core, p, q = self._blocks(x)
        core = core + np.diag(exact(self.s))
        return np.block([[core, q.T], [p, p @ inverse(core) @ q.T]])

    def metric_at(self, x):
        """Equation (8) at x: <A^{-1}(dW_a), dW_b> for all coordinates a and b."""
        W = self.matrix(x)
        left_values, left = eigen(W @ W.T, self.k)
        right_values, right = eigen(W.T @ W, self.k)
        pairs = itertools.product(left_values, right_values)
        weights = [1 / weight(a, b, self.depth) if a or b else 0 for a, b in pairs]
        core, p, q = self._blocks(x)
        core = inverse(core + np.diag(exact(self.s)))
        frame = []
        for unit in exact(np.eye(self.dim)):
            dc, dp, dq = self._blocks(unit)
            corner = dp @ core @ q.T + p @ core @ dq.T - p @ core @ dc @ core @ q.T
            frame.append((left.T @ np.block([[dc, dq.T], [dp, corner]]) @ right).ravel())
        return (np.array(frame) * weights) @ np.array(frame).T

    @functools.cached_property
    @with_many_digits
    def metric(self):
        """The metric at the base point."""
        return self.metric_at(exact(np.zeros(self.dim)))

    @functools.cached_property
    @with_many_digits
    def first(self):
        """The first derivatives of the metric, that of g_ij along l at [l, i, j]."""
        return first_derivatives(self.metric_at, self.dim)

    @functools.cached_property
    @with_many_digits
    def lowered(self):
        """The Christoffel symbols of the first kind, g(Gamma(i, j), l) at [i, j, l]."""
        d = self.first
        return (d + np.einsum("jil->ijl", d) - np.einsum("lij->ijl", d)) / 2

    @functools.cached_property
    @with_many_digits
    def christoffel(self):
        """The Christoffel symbols, component l of Gamma(i, j) at [i, j, l]."""
        return self.lowered @ inverse(self.metric)

    @functools.cached_property
    @with_many_digits
    def riemann(self):
        """The Riemann tensor: g(R(a, b) b, a) is the sum of R_ijkl a_i b_j b_k a_l."""
        second = second_derivatives(self.metric_at, self.dim)
        gammas = np.tensordot(self.christoffel, self.lowered, (2, 2))
        result = np.einsum("jlik->ijkl", gammas) - np.einsum("jkil->ijkl", gammas)
        for sign, indices in ((1, "jlik"), (1, "ikjl"), (-1, "jkil"), (-1, "iljk")):
            result = result + sign * np.einsum(f"{indices}->ijkl", second) / 2
        return result

    @with_many_digits
    def hessian(self, function):
        """The Levi-Civita Hessian of a function of W, as a bilinear form."""

        def along(x):
            return function(self.matrix(x))

        first = first_derivatives(along, self.dim)
        return second_derivatives(along, self.dim) - self.christoffel @ first

    @property
    def lengths(self):
        """The lengths of the coordinate vectors, which are orthogonal at the base point."""
        return np.sqrt(np.diagonal(self.metric).astype(float))


@functools.cache
def chart(s, m, n, depth):
    """The coordinates around diag(s), computed once."""
    return Chart(s, m, n, depth)
