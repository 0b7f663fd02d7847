"""Stacks of tangent vectors against the manifold, and the recursion against dense BFGS."""

import numpy as np
import pytest
from pymanopt.manifolds import Euclidean, Sphere

import fixedrank
from fixedrank import FixedRank
from fixedrank.optimizers.curvature import CurvaturePairs
from fixedrank.optimizers.spaces import from_embedded, stack_on, to_embedded
from tests.geometry import dense

MATRICES = FixedRank(5, 4, 2, depth=3)
MANIFOLDS = [
    MATRICES,
    FixedRank(4, 4, 4, depth=2),
    FixedRank(5, 3, 3, depth=1),
    Sphere(4),
    Euclidean(2, 2),
    fixedrank.Product([MATRICES, Sphere(4)]),
    fixedrank.Product([MATRICES, Euclidean(2, 2)]),
]


def drawn(manifold, count):
    """Two points, and vectors at the first one."""
    rng = np.random.default_rng(0)
    factors = getattr(manifold, "manifolds", [manifold])
    of_factors = []
    for factor in factors:
        if isinstance(factor, FixedRank):
            points = [factor.random_point(rng=rng) for _ in range(2)]
            vectors = [factor.random_tangent_vector(points[0], rng=rng) for _ in range(count)]
        elif isinstance(factor, Euclidean):
            points = list(rng.standard_normal((2, 2, 2)))
            vectors = list(rng.standard_normal((count, 2, 2)))
        else:
            points = [x / np.linalg.norm(x) for x in rng.standard_normal((2, 4))]
            vectors = [factor.projection(points[0], x) for x in rng.standard_normal((count, 4))]
        of_factors.append((points, vectors))
    if len(factors) == 1:
        return of_factors[0]
    parts = [list(zip(*columns, strict=True)) for columns in zip(*of_factors, strict=True)]
    kind = type(manifold.zero_vector(parts[0][0]))
    return [list(point) for point in parts[0]], [kind(list(vector)) for vector in parts[1]]


def flat(manifold, point, vector):
    """A vector as the entries of matrices, which have its embedded inner products."""
    if isinstance(manifold, FixedRank):
        return dense.tangent(point, vector).ravel()
    if hasattr(manifold, "manifolds"):
        parts = zip(manifold.manifolds, point, vector, strict=True)
        return np.concatenate([flat(*part) for part in parts])
    return np.ravel(vector)


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)
def test_stacks(manifold):
    (a, b), vectors = drawn(manifold, 4)
    stack = stack_on(manifold, 4)
    for row, vector in enumerate(vectors):
        stack.put(row, vector)
    entries = np.array([flat(manifold, a, vector) for vector in vectors])
    np.testing.assert_allclose(stack.gram(a, 4), entries @ entries.T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        stack.products(a, 2, 3), entries[:3] @ entries[2], rtol=0, atol=1e-12
    )
    weights = np.array([0.5, -2.0, 3.0, 1.0])
    found = flat(manifold, a, stack.combined(a, weights))
    np.testing.assert_allclose(found, weights @ entries, rtol=0, atol=1e-12)
    stack.scale(0, 2.0)
    stack.subtract(1, 0)
    stack.move(a, b, 4)
    vectors = [2 * vectors[0], vectors[1] - 2 * vectors[0], *vectors[2:]]
    for row, vector in enumerate(vectors):
        expected = flat(manifold, b, manifold.transport(a, b, vector))
        found = flat(manifold, b, stack.combined(b, np.eye(4)[row]))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=str)
def test_gradients_in_the_embedded_metric(manifold):
    (point, _), (vector,) = drawn(manifold, 1)
    changed = to_embedded(manifold)(point, vector)
    # g(Z, Z) is the embedded product of A^-1 Z with Z.
    product = flat(manifold, point, changed) @ flat(manifold, point, vector)
    expected = manifold.inner_product(point, vector, vector)
    assert product == pytest.approx(expected, rel=1e-12)
    back = from_embedded(manifold)(point, changed)
    np.testing.assert_allclose(
        flat(manifold, point, back), flat(manifold, point, vector), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 7])
def test_the_recursion_is_the_update_of_dense_matrices(steps, preconditioned):
    """H+ = (I - s y^T / s^T y) H (I - y s^T / s^T y) + s s^T / s^T y from gamma P, the last 4."""
    n, rng = 6, np.random.default_rng(steps)
    hessian = np.diag(np.geomspace(1, 50, n))
    P = np.diag(rng.uniform(0.5, 2, n)) if preconditioned else np.eye(n)
    x = rng.standard_normal(n)
    pairs = CurvaturePairs(Euclidean(n), 4, (lambda vector: P @ vector) if preconditioned else None)
    pairs.begin(x, hessian @ x, np.linalg.norm)
    pairs.scale(0.01)
    kept = []
    for _ in range(steps):
        direction, _ = pairs.direction(x)
        new = x + 0.3 * direction
        kept.append((new - x, hessian @ (new - x)))
        pairs.move(x, new, 0.3, hessian @ new)
        x = new
    s, y = kept[-1]
    H = s @ y / (y @ P @ y) * P
    for s, y in kept[-4:]:
        left = np.eye(n) - np.outer(s, y) / (s @ y)
        H = left @ H @ left.T + np.outer(s, s) / (s @ y)
    direction, slope = pairs.direction(x)
    expected = -H @ hessian @ x
    np.testing.assert_allclose(direction, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert slope == pytest.approx(expected @ hessian @ x, rel=1e-10)


def test_pairs_without_curvature_are_left_out():
    pairs = CurvaturePairs(Euclidean(2), 4, None)
    x, gradient = np.array([1.0, 1.0]), np.array([1.0, 2.0])
    pairs.begin(x, gradient, np.linalg.norm)
    pairs.scale(0.1)
    pairs.direction(x)
    # The gradient changes across the step only, and then not at all.
    for change in (np.array([2.0, -1.0]), np.zeros(2)):
        new = x - 0.1 * gradient
        pairs.move(x, new, 1.0, gradient + change)
        direction, _ = pairs.direction(new)
        np.testing.assert_allclose(direction, -0.1 * (gradient + change), rtol=1e-12)
        assert not pairs.forget()
        pairs.move(new, x, 0.0, gradient)
        pairs.forget()
