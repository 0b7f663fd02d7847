"""Manifold operations against the bare products and factorisations that they cannot do without.

python docs/benchmarks/limits.py [--quick]

A limit is a list of BLAS, LAPACK and sparse products with buffers that exist already: no checks, no
allocation, and of each operation only what touches m x k and n x k blocks, and its largest small
factorisation. Both are timed in turn in one run; the table shows the least time of each.
"""

import numpy as np
import scipy.sparse
from scipy.linalg import blas, lapack
from timing import interleaved, main, milliseconds

import fixedrank

SIZES = [(10000, 10000, 20), (100000, 20000, 10)]
DEPTH, AMBIENT_RANK, ENTRIES_PER_ROW = 3, 20, 50


class Side:
    """Blocks with m (or n) rows, and the bare operations on them."""

    def __init__(self, rows, k, basis, other, normal, rng):
        self.rows, self.k, self.rng = rows, k, rng
        self.basis, self.other, self.normal = (
            np.ascontiguousarray(part) for part in (basis, other, normal)
        )
        self.out, self.pair = np.empty((rows, k)), np.empty((rows, 2 * k))
        self.small, self.double = np.ones((max(k, AMBIENT_RANK), k)), np.eye(2 * k)
        self.weights = np.tile(np.ones(k), 40)

    def gram(self, a, b):
        """a.T @ b."""
        return np.matmul(a.T, b)

    def times(self, a):
        """out = a @ small."""
        np.matmul(a, self.small[: a.shape[1]], out=self.out)

    def add(self, a):
        """out += a @ small, in pieces that wake no threads of SciPy: they would fight NumPy's."""
        thin, step = self.small[: a.shape[1]].T, 2**18 // (a.shape[1] * self.k)
        for start in range(0, self.rows, step):
            piece, target = a[start : start + step], self.out[start : start + step]
            blas.dgemm(1e-9, thin, piece.T, 1.0, target.T, overwrite_c=1)

    def weigh(self, a):
        """out = a * weights, over long rows."""
        np.multiply(a.reshape(-1, 40 * self.k), self.weights, out=self.out.reshape(-1, 40 * self.k))

    def copy(self, a):
        """out = a."""
        np.copyto(self.out, a)

    def draw(self):
        """Random numbers in place."""
        self.rng.standard_normal(out=self.out)

    def factor(self):
        """Two Cholesky passes over [U, Up]; Householder QR takes five times as long."""
        first, _ = lapack.dpotrf(self.gram(self.normal, self.normal))
        np.matmul(self.normal, lapack.dtrtri(first)[0], out=self.out)
        self.gram(self.basis, self.basis)
        self.gram(self.basis, self.out)
        self.gram(self.out, self.out)
        lapack.dpotrf(self.double)

    def combine(self):
        """U @ (k x k) and Up @ (k x k) added to it."""
        self.times(self.basis)
        self.add(self.normal)


def both(sides, *steps):
    """Return a function that does the steps on both sides."""

    def run():
        for side in sides:
            for step in steps:
                step(side)

    return run


def cases(m, n, k):
    """Yield (name, ours, limit)."""
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(m, n, k, depth=DEPTH)
    # As a run of an optimiser has them: a point that a retraction made.
    start = manifold.random_point(rng=rng)
    point = manifold.retraction(start, 0.1 * manifold.random_tangent_vector(start, rng=rng))
    other = manifold.random_point(rng=rng)
    left = rng.standard_normal((m, AMBIENT_RANK))
    right = rng.standard_normal((n, AMBIENT_RANK))
    u, s, vt = point
    v = vt.T
    sparse = scipy.sparse.csr_array(
        (
            rng.standard_normal(ENTRIES_PER_ROW * m),
            rng.integers(0, n, ENTRIES_PER_ROW * m),
            ENTRIES_PER_ROW * np.arange(m + 1),
        ),
        shape=(m, n),
    )
    a, b = (manifold.random_tangent_vector(point, rng=rng) for _ in range(2))
    first = (left @ (right.T @ v) * s, None, s[:, None] * ((u.T @ left) @ right.T))
    first = (first[0], np.einsum("ij,ij->j", u, first[0]) / s, first[2])
    # D^2 f = 1, as of half the squared distance.
    du, ds, dvt = manifold.embedding(point, a)
    second_v = a.Up + u @ a.M
    second_u = a.Vp + v @ a.M.T
    gv, gtu = left @ (right.T @ v), right @ (left.T @ u)
    hv = second_v + left @ (right.T @ dvt.T)
    htu = second_u + right @ (left.T @ du)
    second = (
        hv * s + gv * ds,
        np.einsum("ij,ij->j", u, hv) + np.einsum("ij,ij->j", du, gv),
        (htu * s + gtu * ds).T,
    )
    second_pair = (np.hstack((u @ a.M + a.Up, u)), np.hstack((v, a.Vp)))
    sides = (
        Side(m, k, u, other.u, a.Up, rng),
        Side(n, k, v, other.vt.T, a.Vp, rng),
    )
    tall, wide = sides
    tall.ambient, wide.ambient = left, right
    tall.second, wide.second = second_pair

    def grams(side):
        side.gram(side.basis, side.normal)

    def own(side):
        side.add(side.basis)

    def low_rank(side):
        side.gram(side.ambient, side.basis)
        np.matmul(side.ambient, np.ones((AMBIENT_RANK, k)), out=side.out)

    def second_low_rank(side):
        side.gram(side.second, side.basis)
        np.matmul(side.second, np.ones((2 * k, k)), out=side.out)

    def first_low_rank(side):
        side.gram(side.ambient, side.basis)
        side.gram(side.ambient, side.normal)

    def sparse_projection():
        sparse @ wide.basis
        sparse.T @ tall.basis
        tall.gram(tall.basis, tall.normal)
        own(tall)
        own(wide)

    factor = both(sides, Side.factor, Side.combine)
    core = np.diag(np.concatenate((s, np.zeros(k))))
    core[:k, :k] += a.M
    core[:k, k:] = core[k:, :k] = 0.1 * np.eye(k)

    def retraction():
        factor()
        lapack.dgesvd(core)

    yield (
        "projection, low rank",
        lambda: manifold.projection(point, (left, right)),
        both(sides, low_rank, own),
    )
    yield "projection, sparse", lambda: manifold.projection(point, sparse), sparse_projection
    yield (
        "gradient, factors",
        lambda: manifold.euclidean_to_riemannian_gradient(point, first),
        both(sides, grams, lambda side: side.weigh(side.normal), own),
    )
    yield (
        "gradient, low rank",
        lambda: manifold.euclidean_to_riemannian_gradient(point, (left, right)),
        both(sides, low_rank, own),
    )
    yield (
        "gradient, sparse",
        lambda: manifold.euclidean_to_riemannian_gradient(point, sparse),
        sparse_projection,
    )
    yield (
        "inner product",
        lambda: manifold.inner_product(point, a, b),
        both(sides, lambda side: np.vdot(side.normal, side.other)),
    )
    yield (
        "norm",
        lambda: manifold.norm(point, a),
        both(sides, lambda side: np.vdot(side.normal, side.normal)),
    )
    yield (
        "embedding",
        lambda: manifold.embedding(point, a),
        both(sides, lambda side: side.weigh(side.normal), own),
    )
    yield "retraction", lambda: manifold.retraction(point, a), retraction
    yield (
        "transport",
        lambda: manifold.transport(point, other, a),
        both(
            sides,
            lambda side: side.gram(side.basis, side.other),
            lambda side: side.gram(side.normal, side.other),
            lambda side: side.times(side.normal),
            own,
            lambda side: side.add(side.other),
        ),
    )
    yield (
        "random tangent vector",
        lambda: manifold.random_tangent_vector(point, rng=rng),
        both(
            sides,
            Side.draw,
            grams,
            own,
            lambda side: np.vdot(side.out, side.out),
            lambda side: side.weigh(side.normal),
        ),
    )
    yield (
        "to tangent space",
        lambda: manifold.to_tangent_space(point, a),
        both(sides, lambda side: side.copy(side.normal), grams, own),
    )
    # For Up: U^T du, U^T hu, Up^T du; hu weighted, and products with U and du added to it.
    yield (
        "Hessian, factors",
        lambda: manifold.euclidean_to_riemannian_hessian(point, first, second, a),
        both(
            sides,
            grams,
            grams,
            grams,
            lambda side: side.weigh(side.normal),
            own,
            own,
        ),
    )
    yield (
        "Hessian, low rank",
        lambda: manifold.euclidean_to_riemannian_hessian(point, (left, right), second_pair, a),
        both(sides, first_low_rank, second_low_rank, lambda side: side.add(side.ambient), own),
    )
    yield (
        "a + 0.3 b",
        lambda: a + 0.3 * b,
        both(
            sides,
            lambda side: np.multiply(side.normal, 0.3, out=side.out),
            lambda side: np.add(side.out, side.normal, out=side.out),
        ),
    )


def table(m, n, k, seconds=1.5, names=None):
    """Yield the times of the operations, or of those with some names, their limits, and ratios."""
    yield f"({m}, {n}, {k})"
    for name, ours, limit in cases(m, n, k):
        if names and name not in names:
            continue
        times = interleaved(ours, limit, seconds=seconds)
        yield (
            f"  {name:22} {milliseconds(times[0]):>10} {milliseconds(times[1]):>10} "
            f"{times[0] / times[1]:6.2f}"
        )
    yield ""


def run(quick=False):
    """Return the tables.

    glibc gives freed memory back to the system and gets it anew, page by page, until an array of
    more than that size was freed for the first time; up to 32 MB it then keeps such memory.
    """
    sizes, seconds = ([(2000, 2000, 20)], 0.02) if quick else (SIZES, 1.5)
    lines = [f"FixedRank of depth {DEPTH}, limit, ratio"]
    lines += ["", "Before a larger array was freed", ""]
    lines += table(*sizes[0], seconds=seconds, names=("retraction", "a + 0.3 b"))
    np.empty(30 * 2**17)  # 30 MB, and freed
    lines += ["After 30 MB were freed once", ""]
    for size in sizes:
        lines += table(*size, seconds=seconds)
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
