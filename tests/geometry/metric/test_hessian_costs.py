"""Hessians from derivatives with respect to u, s and vt: right, or refused with a reason."""

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank
from tests.geometry import dense
from tests.geometry.dense import hessian
from tests.strategies import depths, points, seeds, shapes

RNG = np.random.default_rng(0)
TARGET, SQUARE = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 5))


def hessian_from_factors(manifold, point, cost, Z, along=None):
    """Hess f[Z] from the derivatives of cost(u, s, vt), if need be along another vector."""
    pair = dense.factor_derivatives(cost, point, manifold.embedding(point, along or Z))
    return manifold.euclidean_to_riemannian_hessian(point, *pair, Z)


# Costs that use U^T U = I or V^T V = I, with the functions of W that they are on M_k.


def linear(W):
    return anp.sum(anp.sin(W) * TARGET)


def gram(u, s, vt):
    return anp.sum(((u * s**2) @ u.T - SQUARE) ** 2) / 2


USING_ORTHONORMALITY = {
    "squares of u diag(s)": (
        lambda u, s, vt: anp.sum((u * s) ** 2) / 2 + linear((u * s) @ vt),
        lambda W: anp.sum(W**2) / 2 + linear(W),
    ),
    "squares of diag(s) vt": (
        lambda u, s, vt: anp.sum((s[:, None] * vt) ** 2) / 2 + linear((u * s) @ vt),
        lambda W: anp.sum(W**2) / 2 + linear(W),
    ),
    "half of the squares of either": (
        lambda u, s, vt: (
            anp.sum((u * s) ** 2) / 4 + anp.sum((s[:, None] * vt) ** 2) / 4 + linear((u * s) @ vt)
        ),
        lambda W: anp.sum(W**2) / 2 + linear(W),
    ),
    "gram": (gram, lambda W: anp.sum((W @ W.T - SQUARE) ** 2) / 2),
    "gram of the rows": (
        lambda u, s, vt: anp.sum(((vt.T * s**2) @ vt - SQUARE[:4, :4]) ** 2) / 2,
        lambda W: anp.sum((W.T @ W - SQUARE[:4, :4]) ** 2) / 2,
    ),
    "a penalty that vanishes": (
        lambda u, s, vt: linear((u * s) @ vt) + anp.sum((u.T @ u - np.eye(len(s))) ** 2),
        linear,
    ),
    "a penalty of the rows": (
        lambda u, s, vt: linear((u * s) @ vt) + anp.sum((vt @ vt.T - np.eye(len(s))) ** 2),
        linear,
    ),
    "a multiple of a penalty": (
        lambda u, s, vt: linear((u * s) @ vt) * anp.sum(u[:, 0] ** 2),
        linear,
    ),
    "projected residual": (
        lambda u, s, vt: (
            anp.sum((u @ (u.T @ TARGET) - (u * s) @ vt) ** 2) / 2 - anp.sum((u.T @ TARGET) ** 2) / 2
        ),
        lambda W: anp.sum(W**2) / 2 - anp.sum(W * TARGET),
    ),
    "a small share": (
        lambda u, s, vt: linear((u * s) @ vt) + 1e-5 * anp.sum((u * s) ** 2),
        lambda W: linear(W) + 1e-5 * anp.sum(W**2),
    ),
    "a tiny share": (
        lambda u, s, vt: linear((u * s) @ vt) + 1e-9 * anp.sum((u * s) ** 2),
        lambda W: linear(W) + 1e-9 * anp.sum(W**2),
    ),
}


def directions(manifold, point):
    """Random vectors, and some with few entries."""
    for seed in range(2):
        yield manifold.random_tangent_vector(point, rng=seed)
    zero, general = manifold.zero_vector(point), manifold.random_tangent_vector(point, rng=3)
    for name, part in zip(("Up", "M", "Vp"), general, strict=True):
        vector = zero._replace(**{name: part})
        if part.any():
            yield vector / manifold.norm(point, vector)
    ends = {0, manifold.k - 1}
    for place in itertools.product(ends, ends):
        entry = np.zeros((manifold.k, manifold.k))
        entry[place] = 1.0
        vector = zero._replace(M=entry)
        yield vector / manifold.norm(point, vector)


SPECTRA = [[3.0, 2.0], [2.0, 2.0], [2 + 1e-9, 2.0], [2.0, 1e-6], [1.0]]


@pytest.mark.parametrize("s", SPECTRA)
@pytest.mark.parametrize("depth", [1, 5])
@pytest.mark.parametrize("name", USING_ORTHONORMALITY)
def test_costs_that_use_orthonormality(name, depth, s):
    manifold = FixedRank(5, 4, len(s), depth=depth)
    point = manifold.random_point(rng=1)._replace(s=np.array(s))
    cost, function = USING_ORTHONORMALITY[name]
    W = dense.matrix(point)
    gradient = np.linalg.norm(dense.euclidean_derivatives(function, W, W)[0])
    for Z in directions(manifold, point):
        try:
            computed = hessian_from_factors(manifold, point, cost, Z)
        except ValueError as error:
            assert "not a function of the product" in str(error)  # noqa: PT017
            continue
        # What is taken for round-off is 1e-9 of what enters, the gradient over s as well.
        expected = hessian(manifold, point, function, Z)
        scale = manifold.norm(point, expected)
        scale += gradient * point.s.min() ** min(0, 1 - 2 / depth)
        assert manifold.norm(point, computed - expected) <= 1e-8 * scale


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("name", sorted(set(USING_ORTHONORMALITY) - {"a tiny share"}))
def test_a_general_direction_is_refused(name, depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    point = manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point, rng=2)
    with pytest.raises(ValueError, match=r"disagree by .* in entry .* not a function of the prod"):
        hessian_from_factors(manifold, point, USING_ORTHONORMALITY[name][0], Z)


# Where gradients are round-off

# |W - T|^2 / 2 up to a constant, in ways in which round-off comes from different terms.
DISTANCES = {
    "residual": lambda u, s, vt, T: anp.sum(((u * s) @ vt - T) ** 2) / 2,
    "expanded": lambda u, s, vt, T: anp.sum(((u * s) @ vt) ** 2) / 2 - anp.sum(((u * s) @ vt) * T),
    "factored": lambda u, s, vt, T: (
        anp.sum(((u * s).T @ (u * s)) * (vt @ vt.T)) / 2 - anp.sum((u.T @ T) * (s[:, None] * vt))
    ),
}


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize(
    ("cost_scale", "scale"),
    [(1.0, 1.0), (1e-8, 1.0), (1e8, 1.0), (1.0, 1e-8), (1.0, 1e8), (1e8, 1e8)],
)
@pytest.mark.parametrize("ratio", [1.0, 1e-9])
def test_solutions_raise_no_false_alarm(name, cost_scale, scale, ratio):
    for (m, n, k), depth in [((5, 4, 2), 3), ((3, 3, 3), 2)]:
        manifold = FixedRank(m, n, k, depth=depth)
        point = manifold.random_point(rng=0)._replace(s=scale * np.geomspace(1, ratio, k))
        left, right = (np.linalg.svd(basis)[0][:, k:] for basis in (point.u, point.vt.T))
        for beyond in (0.0, 0.5):
            # The target itself, and the best rank-k approximation of a target.
            rest = beyond * point.s.min() * left[:, :1] @ right[:, :1].T
            target = dense.matrix(point) + rest

            def cost(u, s, vt, target=target):
                return cost_scale * DISTANCES[name](u, s, vt, target)

            for Z in directions(manifold, point):
                ambient = dense.tangent(point, Z)
                expected = manifold.euclidean_to_riemannian_hessian(
                    point, -cost_scale * rest, cost_scale * ambient, Z
                )
                error = manifold.norm(
                    point, hessian_from_factors(manifold, point, cost, Z) - expected
                )
                # Round-off of the gradient is that of W, and enters divided by s.
                bound = 100 * dense.EPS * depth / ratio
                assert error <= bound * manifold.norm(point, expected)


@given(
    shape=shapes(),
    depth=depths(),
    exponents=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    seed=seeds,
    data=st.data(),
)
def test_scaling_the_cost_and_the_point(shape, depth, exponents, seed, data):
    # Powers of two change no digit, nor what is refused; the share uses that U^T U = I.
    manifold = FixedRank(*shape, depth=depth)
    point = data.draw(points(shape, 1e-3, 10))
    rng = np.random.default_rng(seed)
    target = rng.standard_normal(shape[:2])
    Z = manifold.random_tangent_vector(point, rng=rng)
    share = data.draw(st.sampled_from([0.0, 1.0]))
    c, d = (2.0**exponent for exponent in exponents)
    pair = dense.factor_derivatives(
        lambda u, s, vt: anp.sum(((u * s) @ vt - target) ** 2) + share * anp.sum((u * s) ** 2),
        point,
        manifold.embedding(point, Z),
    )
    # W -> d W and Z -> d Z: the directions of u and vt stay, derivatives with respect to s and
    # along its direction follow from f -> c d^2 f.
    scaled = [(c * d**2 * du, c * d * ds, c * d**2 * dvt) for du, ds, dvt in pair]
    moved = point._replace(s=d * point.s)
    if share:
        for arguments in ((point, *pair, Z), (moved, *scaled, d * Z)):
            with pytest.raises(ValueError, match="not a function of the product"):
                manifold.euclidean_to_riemannian_hessian(*arguments)
    else:
        expected = manifold.euclidean_to_riemannian_hessian(point, *pair, Z)
        computed = manifold.euclidean_to_riemannian_hessian(moved, *scaled, d * Z)
        # The metric's powers of d are rounded.
        factor = c * d ** (3 - 2 / depth)
        error = manifold.norm(point, computed - factor * expected)
        assert error <= 1e-12 * factor * manifold.norm(point, expected)


# Derivatives that do not belong together


def product_cost(u, s, vt):
    return linear((u * s) @ vt)


@given(depth=depths(), first=st.integers(0, 100), second=st.integers(101, 200))
def test_derivatives_along_another_vector(depth, first, second):
    manifold = FixedRank(5, 4, 2, depth=depth)
    point = manifold.random_point(rng=first)
    X, Z = (manifold.random_tangent_vector(point, rng=seed) for seed in (first, second))
    with pytest.raises(ValueError, match=r"second derivatives .* tangent vector do not belong tog"):
        hessian_from_factors(manifold, point, product_cost, Z, along=X)


def pair_and_vector(manifold, point):
    Z = manifold.random_tangent_vector(point, rng=1)
    pair = dense.factor_derivatives(product_cost, point, manifold.embedding(point, Z))
    return [[np.array(part) for part in triple] for triple in pair], Z


@pytest.mark.parametrize("which", [0, 1])
def test_a_triple_and_a_matrix(which):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    pair, Z = pair_and_vector(manifold, point)
    pair[which] = np.zeros((5, 4))
    with pytest.raises(TypeError, match="must both be triples"):
        manifold.euclidean_to_riemannian_hessian(point, *pair, Z)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_factor_derivatives_that_are_not_finite(which, part, value):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    pair, Z = pair_and_vector(manifold, point)
    pair[which][part].flat[0] = value
    name = f"the {('first', 'second')[which]} derivative with respect to {('u', 's', 'vt')[part]}"
    with pytest.raises(ValueError, match=f"{name} has 1 entries that are NaN or infinite"):
        manifold.euclidean_to_riemannian_hessian(point, *pair, Z)


@pytest.mark.parametrize("which", [0, 1])
def test_matrices_that_are_not_finite(which):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    pair = [np.zeros((5, 4)), np.zeros((5, 4))]
    pair[which][0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        manifold.euclidean_to_riemannian_hessian(
            point, *pair, manifold.random_tangent_vector(point, rng=1)
        )


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_factor_derivatives_of_wrong_shapes(which, part):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    pair, Z = pair_and_vector(manifold, point)
    pair[which][part] = pair[which][part][:-1]
    with pytest.raises(ValueError, match=r"must have the shapes \(5, 2\), \(2,\), \(2, 4\), got"):
        manifold.euclidean_to_riemannian_hessian(point, *pair, Z)


@pytest.mark.parametrize("which", [0, 1])
def test_matrices_of_wrong_shapes(which):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    pair = [np.zeros((5, 4)), np.zeros((5, 4))]
    pair[which] = np.zeros((4, 5))
    with pytest.raises(ValueError, match=r"must have shape \(5, 4\), got \(4, 5\)"):
        manifold.euclidean_to_riemannian_hessian(point, *pair, manifold.zero_vector(point))
