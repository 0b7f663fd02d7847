"""Hessian-vector products: the Riemannian part beside the Euclidean one and the retraction.

python docs/benchmarks/hessian.py [--quick]

The cost is half the squared error on observed entries of a matrix, five times as many as the
manifold has dimensions. Of it the benchmark times

- the Euclidean product: the observed entries of Z, and the products of the sparse gradient and
  Hessian with thin blocks that any conversion needs;
- the conversion to the Riemannian Hessian at depth 3 from derivatives with respect to the factors,
  `embedding` included;
- the conversion from ambient matrices, of rank 1, so that the products it contains are cheap.
"""

import numpy as np
import scipy.sparse
from timing import interleaved, main, milliseconds

import fixedrank

SIZES = [(200, 200, 20), (2000, 2000, 20), (10000, 10000, 20)]


class Completion:
    """A matrix with observed entries at one point, and the derivatives of its cost."""

    def __init__(self, manifold, point, rng):
        self.shape, self.point = (manifold.m, manifold.n), point
        count = min(5 * manifold.dim, manifold.m * manifold.n // 2)
        places = np.unique(rng.integers(0, manifold.m * manifold.n, count))
        self.rows, self.columns = np.unravel_index(places, self.shape)
        self.pattern = scipy.sparse.csr_array(
            (rng.standard_normal(places.size), (self.rows, self.columns)), shape=self.shape
        )

    def hessian(self, du, ds, dvt):
        """The observed entries of Z, on the pattern of the gradient."""
        u, s, vt = self.point
        left, right = np.hstack((du * s + u * ds, u * s)), np.vstack((vt, dvt)).T.copy()
        values = np.empty(self.rows.size)
        for start in range(0, values.size, 1 << 15):
            block = slice(start, start + (1 << 15))
            np.einsum(
                "ij,ij->i",
                left[self.rows[block]],
                right[self.columns[block]],
                out=values[block],
            )
        return scipy.sparse.csr_array(
            (values, self.pattern.indices, self.pattern.indptr), shape=self.shape
        )


def factor_derivatives(completion, direction):
    """First and second derivatives with respect to u, s and vt, as autodiff would give them."""
    (u, s, vt), (du, ds, dvt) = completion.point, direction
    G, H = completion.pattern, completion.hessian(*direction)
    gv, gtu, hv, htu = G @ vt.T, G.T @ u, H @ vt.T, H.T @ u
    g_turned, gt_turned = G @ dvt.T, G.T @ du
    first = gv * s, np.einsum("ij,ij->j", u, gv), (gtu * s).T
    second = (
        (hv + g_turned) * s + gv * ds,
        np.einsum("ij,ij->j", u, hv + g_turned) + np.einsum("ij,ij->j", du, gv),
        ((htu + gt_turned) * s + gtu * ds).T,
    )
    return first, second


def compare(m, n, k, seconds=4.0):
    """Time all parts in turn; yield the lines of the table."""
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(m, n, k, depth=3)
    point = manifold.random_point(rng=rng)
    u, _, vt = point
    vector = 0.1 * manifold.random_tangent_vector(point, rng=rng)
    completion = Completion(manifold, point, rng)
    G, direction = completion.pattern, manifold.embedding(point, vector)
    H = completion.hessian(*direction)
    first, second = factor_derivatives(completion, direction)

    def entries():
        return completion.hessian(*direction)

    def products():
        wide_u, wide_v = np.hstack((u, vector.Up)), np.hstack((vt.T, vector.Vp))
        return G @ wide_v, G.T @ wide_u, H @ vt.T, H.T @ u

    pairs = [(rng.standard_normal((m, 1)), rng.standard_normal((n, 1))) for _ in range(2)]

    def from_matrices():
        return manifold.euclidean_to_riemannian_hessian(point, *pairs, vector)

    def from_factors():
        manifold.embedding(point, vector)
        return manifold.euclidean_to_riemannian_hessian(point, first, second, vector)

    reference = manifold.euclidean_to_riemannian_hessian(point, G, H, vector)
    difference = manifold.norm(point, from_factors() - reference)
    agreement = difference / manifold.norm(point, reference)
    retraction, observed, thin, ambient, factors = interleaved(
        lambda: manifold.retraction(point, vector),
        entries,
        products,
        from_matrices,
        from_factors,
        seconds=seconds,
    )
    yield (
        f"({m}, {n}, {k}), {G.nnz} observed entries; factors and matrices agree to {agreement:.0e}"
    )
    yield f"  retraction                        {milliseconds(retraction):>9}"
    yield f"  Euclidean: entries of Z           {milliseconds(observed):>9}"
    yield f"  Euclidean: sparse thin products   {milliseconds(thin):>9}"
    for name, time in (
        ("Riemannian part, from factors", factors),
        ("Riemannian part, from matrices", ambient),
    ):
        yield (
            f"  {name:33} {milliseconds(time):>9}  {time / retraction:.2f} x retraction, "
            f"{time / (observed + thin):.3f} x Euclidean"
        )
    yield ""


def run(quick=False):
    """Return the tables."""
    sizes = SIZES[:1] if quick else SIZES
    return "\n".join(
        line for size in sizes for line in compare(*size, seconds=0.5 if quick else 4.0)
    )


if __name__ == "__main__":
    main(run, __doc__)
