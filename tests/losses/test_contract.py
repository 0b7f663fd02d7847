"""What every loss keeps, in any unit of W: a loss joins by a line of `members.py`."""

from itertools import pairwise

import numpy as np
import pytest

from fixedrank import FixedRankPoint, NetworkHessian
from fixedrank.geometry.factored.ambient import as_ambient, to_array
from tests.losses.members import LOSSES, ON_ONE_RANK, SHAPE, M, N

UNITS = pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
EVERY = pytest.mark.parametrize("name", LOSSES)


def triple(W):
    """W in factors of its own rank, without singular values that are round-off."""
    u, s, vt = np.linalg.svd(W, full_matrices=False)
    rank = int((s > 1e-13 * s[0]).sum())
    return FixedRankPoint(u[:, :rank], s[:rank], vt[:rank])


def dense(matrix, point):
    return to_array(as_ambient(matrix, SHAPE, point))


def gradient_at(loss, W):
    point = triple(W)
    return dense(loss.gradient(point), point)


def gaussian(seed, unit, *shape):
    return unit * np.random.default_rng(seed).standard_normal(shape or SHAPE)


def along(f, W, Z):
    """The derivative of f along Z by central differences."""
    h = 1e-5 * np.linalg.norm(W) / np.linalg.norm(Z)
    return (f(W + h * Z) - f(W - h * Z)) / (2 * h)


def tangent_part(point, L, R):
    """The projection P Z + Z Q - P Z Q of Z = L R^T, as a pair."""
    left = point.u @ (point.u.T @ L)
    right = point.vt.T @ (point.vt @ R)
    return np.hstack((left, L - left)), np.hstack((R, right))


def on_one_rank(f, point, Z):
    """The derivative of f along the best approximations of W + t Z of the rank of W."""
    k, W = point.s.size, (point.u * point.s) @ point.vt
    h = 1e-5 * np.linalg.norm(W) / np.linalg.norm(Z)

    def moved(t):
        u, s, vt = np.linalg.svd(W + t * Z)
        return f(FixedRankPoint(u[:, :k], s[:k], vt[:k]))

    return (moved(h) - moved(-h)) / (2 * h)


def sizes(loss, unit, W):
    """The size of the loss and of its gradient, for values that may happen to be small."""
    near = [W, gaussian(7, unit), gaussian(8, unit)]
    gradient = max(np.linalg.norm(gradient_at(loss, A)) for A in near)
    return max(abs(loss.loss(triple(A))) for A in near) + gradient * np.linalg.norm(W), gradient


@EVERY
@UNITS
def test_the_gradient_is_the_derivative_of_the_loss(name, unit):
    loss, W, Z = LOSSES[name](unit), gaussian(1, unit), gaussian(2, unit)
    slope = float(np.vdot(gradient_at(loss, W), Z / unit)) * unit
    expected = along(lambda A: float(loss.loss(triple(A))), W, Z)
    assert abs(slope - expected) <= 1e-8 * sizes(loss, unit, W)[0]


@EVERY
@UNITS
def test_the_hessian_is_the_derivative_of_the_gradient(name, unit):
    loss, W, Z = LOSSES[name](unit), gaussian(1, unit), gaussian(2, unit)
    expected = along(lambda A: gradient_at(loss, A), W, Z)
    bound = 1e-7 * sizes(loss, unit, W)[1]
    found = dense(loss.hessian_product(triple(W), Z), triple(W))
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    # Along a pair, at a point of lower rank and from an array.
    L, R = gaussian(3, 1.0, M, 2), gaussian(4, unit, N, 2)
    low = triple(gaussian(5, unit, M, 2) @ gaussian(6, 1.0, 2, N))
    point = FixedRankPoint(low.u[:, :2], low.s[:2], low.vt[:2])
    place = (point.u * point.s) @ point.vt
    tangent = on_one_rank(lambda A: dense(loss.gradient(A), A), point, L @ R.T)
    bound = 1e-7 * max(sizes(loss, unit, place)[1], np.linalg.norm(tangent))
    left, right = tangent_part(point, L, R)
    for at in (point, place):
        found = dense(loss.hessian_product(at, (left, right)), point)
        np.testing.assert_allclose(found, tangent, rtol=0, atol=bound)
    if name in ON_ONE_RANK:
        return
    expected = along(lambda A: gradient_at(loss, A), place, L @ R.T)
    bound = 1e-7 * max(sizes(loss, unit, place)[1], np.linalg.norm(expected))
    for at in (point, place):
        found = dense(loss.hessian_product(at, (L, R)), point)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@EVERY
@UNITS
@pytest.mark.parametrize("with_core", [True, False])
def test_thin_products_are_those_of_the_gradient(name, unit, with_core):
    loss, left, right = LOSSES[name](unit), gaussian(1, 1.0, M, 3), gaussian(2, unit, N, 3)
    core = gaussian(3, 1.0, 3, 3) if with_core else None
    W = left @ right.T if core is None else left @ core @ right.T
    gv, gtu = loss.gradient_products(left, core, right)
    G, size = gradient_at(loss, W), sizes(loss, unit, W)[1]
    np.testing.assert_allclose(gv / unit, G @ (right / unit), rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(gtu, G.T @ left, rtol=0, atol=1e-12 * size)


@EVERY
@UNITS
def test_only_the_matrix_counts(name, unit):
    """Turned factors at a tie, another order, and trailing singular values that are zero."""
    loss, rng = LOSSES[name](unit), np.random.default_rng(1)
    u, vt = (
        np.linalg.qr(rng.standard_normal((M, N)))[0],
        np.linalg.qr(rng.standard_normal((N, N)))[0],
    )
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    s = unit * np.array([2.0, 2.0, 0.0, 0.0])
    point = FixedRankPoint(u[:, :2], s[:2], vt[:2])
    size, gradient = sizes(loss, unit, (u * s) @ vt)
    expected, G = loss.loss(point), dense(loss.gradient(point), point)
    for other in (
        FixedRankPoint(u[:, :2] @ turn, s[:2], turn.T @ vt[:2]),
        FixedRankPoint(u[:, [1, 0]], s[:2], vt[[1, 0]]),
        FixedRankPoint(u, s, vt),
        (u, s, vt),
    ):
        assert abs(loss.loss(other) - expected) <= 1e-12 * size
        found = dense(loss.gradient(other), FixedRankPoint(*other))
        np.testing.assert_allclose(found, G, rtol=0, atol=1e-12 * gradient)


@EVERY
@UNITS
@pytest.mark.parametrize("widths", [[N, M], [N, 2, M], [N, 3, 6, M]])
def test_on_layers(name, unit, widths):
    loss = LOSSES[name](unit)
    layers = [gaussian(j, 1.0, b, a) for j, (a, b) in enumerate(pairwise(widths))]
    layers[-1] *= unit
    W = np.linalg.multi_dot([*layers[::-1], np.eye(N)])
    size = sizes(loss, unit, W)[0]
    assert abs(loss.network_loss(layers) - loss.loss(triple(W))) <= 1e-12 * size
    for j, (found, layer) in enumerate(zip(loss.network_gradient(layers), layers, strict=True)):

        def moved(A, j=j):
            return loss.network_loss([*layers[:j], A, *layers[j + 1 :]])

        Z = gaussian(9, np.linalg.norm(layer), *layer.shape)
        slope = float(np.vdot(found, Z / np.linalg.norm(Z))) * np.linalg.norm(Z)
        bound = 1e-8 * (size + np.abs(found).max() * np.linalg.norm(Z))
        assert abs(slope - along(moved, layer, Z)) <= bound


@EVERY
def test_its_hessian_on_layers(name):
    loss, layers = LOSSES[name](1.0), [gaussian(1, 1.0, 2, N), gaussian(2, 1.0, M, 2)]
    moves = [gaussian(3, 1.0, 2, N), gaussian(4, 1.0, M, 2)]
    found = NetworkHessian(loss, layers).apply(moves)
    h = 1e-5
    ahead, behind = (
        loss.network_gradient([w + t * z for w, z in zip(layers, moves, strict=True)])
        for t in (h, -h)
    )
    for part, a, b in zip(found, ahead, behind, strict=True):
        expected = (a - b) / (2 * h)
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-6 * np.linalg.norm(expected))


@EVERY
@UNITS
def test_sums_and_multiples(name, unit):
    """f + 2.5 f is 3.5 f, in whatever is asked."""
    loss, W, Z = LOSSES[name](unit), gaussian(1, unit), gaussian(2, unit)
    point, layers = triple(W), [gaussian(1, 1.0, 2, N), gaussian(2, unit, M, 2)]
    total, scaled = loss + 2.5 * loss, loss * 3.5
    for many in (total, scaled):
        assert many.shape in (SHAPE, None)
        pairs = [
            (many.loss(point), loss.loss(point)),
            (many.network_loss(layers), loss.network_loss(layers)),
            (dense(many.gradient(point), point), dense(loss.gradient(point), point)),
            *zip(
                many.gradient_products(W, None, np.eye(N)),
                loss.gradient_products(W, None, np.eye(N)),
                strict=True,
            ),
            *zip(many.network_gradient(layers), loss.network_gradient(layers), strict=True),
        ]
        for found, once in pairs:
            bound = 1e-12 * np.abs(once).max()
            np.testing.assert_allclose(found, 3.5 * np.asarray(once), rtol=0, atol=bound)
        images = [dense(f.hessian_product(point, Z), point) for f in (many, loss)]
        bound = 1e-8 * sizes(loss, unit, W)[1]
        np.testing.assert_allclose(images[0], 3.5 * images[1], rtol=0, atol=bound)
    if loss.infimum is not None:
        assert scaled.infimum == pytest.approx(3.5 * loss.infimum, rel=1e-14)


@EVERY
@UNITS
def test_the_infimum_is_below_all_values(name, unit):
    loss = LOSSES[name](unit)
    if loss.infimum is not None:
        values = [loss.loss(triple(gaussian(seed, unit))) for seed in range(5)]
        assert loss.infimum <= min(values) * (1 + 1e-12)


@EVERY
@UNITS
def test_the_minimum_along_a_line_has_no_slope(name, unit):
    loss, W, Z = LOSSES[name](unit), gaussian(1, unit), gaussian(2, unit)
    t = loss.line_minimum(triple(W), Z)
    if t is not None:
        slope = np.vdot(gradient_at(loss, W + t * Z), Z / unit)
        size = sizes(loss, unit, W)[1]
        assert abs(slope) <= 1e-12 * size * max(1, abs(t)) * np.linalg.norm(Z / unit)
