"""The entropy as a loss: its Riemannian derivatives in coordinates, and from Euclidean ones."""

import math
import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    FibreEntropy,
    FixedRank,
    FixedRankPoint,
    LinearRegression,
    balanced_factors,
    log_fibre_volume,
    rank_increase,
)
from fixedrank.testing import check_hessian
from tests.geometry.chart import chart, eigen, first_derivatives, with_many_digits
from tests.strategies import points, shapes, well_conditioned_points


def of_matrix(k, widths):
    """-S of a matrix of mpf, by its eigenvalues and the polynomials c_ab."""
    depth, extra = len(widths) - 1, sum(d - k for d in widths[1:-1])

    def value(W):
        p = [x ** (mpmath.mpf(1) / depth) for x in eigen(W @ W.T, k)[0][-k:]]
        total = extra * sum(map(mpmath.log, p)) / 2
        for a in range(k):
            for b in range(a):
                c = sum(p[a] ** (depth - 1 - l) * p[b] ** l for l in range(depth))
                total += mpmath.log(c) / 2
        return -total

    return value


CASES = [
    ((2.0,), [2, 3, 4, 3]),
    ((2.0, 1.0), [3, 2, 2]),
    ((2.0, 1.0), [3, 2, 5, 3]),
    ((2.0, 2.0), [2, 2, 3, 2, 3]),
    ((1.0, 1 + 1e-12), [2, 4, 3]),
    ((1.0, 1e-6), [2, 2, 2, 2]),
    ((2.0, 1.0, 0.5), [3, 3, 4, 3]),
]


@pytest.mark.parametrize(("s", "widths"), CASES)
def test_derivatives_in_coordinates(s, widths):
    """Gradient and Hessian by differences in 120 digits, with Christoffel symbols of (8)."""
    k, depth, m, n = len(s), len(widths) - 1, widths[-1], widths[0]
    reference, entropy = chart(s, m, n, depth), FibreEntropy(widths)
    manifold, function = FixedRank(m, n, k, depth=depth), of_matrix(k, widths)
    point, lengths = reference.point, reference.lengths

    @with_many_digits
    def slopes():
        return first_derivatives(lambda x: function(reference.matrix(x)), reference.dim)

    # In coordinates of which each has the length 1.
    expected = slopes().astype(float) / lengths
    found = reference.coordinates(entropy.riemannian_gradient(point, manifold.metric)) * lengths
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    expected = reference.hessian(function).astype(float) / np.outer(lengths, lengths)
    images = [
        entropy.riemannian_hessian(point, manifold.metric, reference.vector(unit))
        for unit in np.eye(reference.dim)
    ]
    found = (
        np.array([reference.coordinates(image) * lengths for image in images]) / lengths[:, None]
    )
    # The way around a tie in the reference costs 1e-12.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@given(data=st.data(), shape=shapes(), depth=st.sampled_from([1, 2, 3, 20]))
def test_closed_forms_are_the_riemannian_derivatives(data, shape, depth):
    """Those made of Euclidean derivatives, with the connection."""
    m, n, k = shape
    point = data.draw(well_conditioned_points(shape))
    hidden = data.draw(st.sampled_from([k, k + 1, k + 4]))
    entropy = FibreEntropy([n, *[hidden] * (depth - 1), m])
    manifold = FixedRank(m, n, k, depth=depth)
    Z = manifold.random_tangent_vector(point, rng=1)
    G, H = entropy.gradient(point), entropy.hessian_product(point, Z)
    first = manifold.euclidean_to_riemannian_gradient(point, G)
    second = manifold.euclidean_to_riemannian_hessian(point, G, H, Z)
    for found, expected in (
        (entropy.riemannian_gradient(point, manifold.metric), first),
        (entropy.riemannian_hessian(point, manifold.metric, Z), second),
    ):
        size = manifold.norm(point, found) + manifold.norm(point, first)
        assert manifold.norm(point, found - expected) <= 1e-10 * size


@given(data=st.data(), shape=shapes(), unit=st.sampled_from([1e-150, 1e150]))
@pytest.mark.parametrize("depth", [2, 3, 20])
def test_in_other_units(data, shape, depth, unit):
    """grad S scales like W^(1-2/N), the Hessian along c Z at c W by the same factor."""
    m, n, k = shape
    point = data.draw(points(shape, low=1e-3, high=1e3))
    entropy = FibreEntropy([n, *[k + 2] * (depth - 1), m])
    manifold, factor = FixedRank(m, n, k, depth=depth), unit ** (1 - 2 / depth)
    Z = manifold.random_tangent_vector(point, rng=1)
    other = point._replace(s=unit * point.s)
    for found, expected in (
        (
            entropy.riemannian_gradient(other, manifold.metric),
            entropy.riemannian_gradient(point, manifold.metric),
        ),
        (
            entropy.riemannian_hessian(other, manifold.metric, unit * Z),
            entropy.riemannian_hessian(point, manifold.metric, Z),
        ),
    ):
        size = manifold.norm(point, expected)
        assert manifold.norm(point, found / factor - expected) <= 1e-9 * size


def test_at_another_depth():
    entropy, manifold = FibreEntropy([4, 3, 5]), FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    assert entropy.riemannian_gradient(point, manifold.metric) is None
    assert entropy.riemannian_hessian(point, manifold.metric, None) is None
    report = check_hessian(entropy.to_pymanopt(manifold), point=point, rng=0)
    assert report.passed


def test_lower_rank_is_another_fibre():
    """Of zero singular values nothing is left; and none is added for the sake of the loss."""
    manifold = FixedRank(5, 4, 2, depth=2)
    u, s, vt = manifold.point(np.diag([3.0, 1.0, 0.0, 0.0])[[0, 1, 2, 3, 3]])
    entropy = FibreEntropy([4, 6, 5])
    one = FixedRankPoint(u[:, :1], s[:1], vt[:1])
    assert entropy.loss((u, s * [1, 0], vt)) == -log_fibre_volume(one, [4, 6, 5])
    assert entropy.loss(np.zeros((5, 4))) == 0
    problem = LinearRegression(np.eye(4), np.eye(5, 4)) + 0.1 * entropy
    with pytest.raises(ValueError, match="no matrix of higher rank nearby has a lower loss"):
        rank_increase(problem, one)
    # Without hidden layers it is nothing at all.
    assert rank_increase(LinearRegression(np.eye(4), np.eye(5, 4)) + FibreEntropy([4, 5]), one)


def test_on_layers():
    point = FixedRank(5, 4, 2, depth=3).random_point(rng=0)
    layers = balanced_factors(point, [4, 3, 6, 5], rng=0)
    found = FibreEntropy([4, 3, 6, 5]).network_loss(layers)
    assert found == pytest.approx(-log_fibre_volume(point, [4, 3, 6, 5]), rel=1e-12)


def test_it_comes_back_from_a_pickle():
    entropy = pickle.loads(pickle.dumps(FibreEntropy([4, 3, 5])))
    assert (entropy.widths, entropy.depth, entropy.shape) == ((4, 3, 5), 2, (5, 4))


def test_bad_widths():
    with pytest.raises(ValueError, match=r"widths must be \[d_0, .* got \[3\]"):
        FibreEntropy([3])
    with pytest.raises(TypeError, match=r"widths\[1\] must be an integer, got 2\.5"):
        FibreEntropy([3, 2.5, 4])
    entropy, manifold = FibreEntropy([4, 1, 5]), FixedRank(5, 4, 2, depth=2)
    point = manifold.random_point(rng=0)
    for ask in (
        lambda: entropy.loss(point),
        lambda: entropy.gradient(point),
        lambda: entropy.hessian_product(point, manifold.zero_vector(point)),
        lambda: entropy.riemannian_gradient(point, manifold.metric),
        lambda: entropy.riemannian_hessian(point, manifold.metric, manifold.zero_vector(point)),
    ):
        with pytest.raises(ValueError, match=r"widths \[4, 1, 5\] do not admit a matrix of rank 2"):
            ask()
    with pytest.raises(ValueError, match=r"about \(5, 4\) matrices, but the manifold has \(4, 4\)"):
        FibreEntropy([4, 3, 5]).to_pymanopt(FixedRank(4, 4, 2, depth=2))
    assert math.isfinite(FibreEntropy([4, 2, 5]).loss(point))
    for ask in (entropy.value, entropy.slopes):
        with pytest.raises(ValueError, match=r"widths \[4, 1, 5\] do not admit a matrix of rank 2"):
            ask(point.s)
    with pytest.raises(ValueError, match=r"run from d_0 = 4 to d_N = 5 for a 5x4 matrix, got"):
        FibreEntropy([4, 3, 4]).loss(point)
