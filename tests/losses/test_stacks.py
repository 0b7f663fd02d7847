"""What losses say of many matrices at once is what they say of each."""

import numpy as np
import pytest

from fixedrank import FixedRankPoint, LinearRegression
from fixedrank.losses import decomposition
from tests.losses.members import LOSSES, SHAPE, M, N, X, Y

UNITS = pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
COUNT = 5


def points_of(unit, rank, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((COUNT, M, rank)) @ rng.standard_normal((COUNT, rank, N))
    u, s, vt = np.linalg.svd(unit * dense, full_matrices=False)
    return FixedRankPoint(u[:, :, :rank], s[:, :rank], vt[:, :rank])


@pytest.mark.parametrize("name", LOSSES)
@UNITS
@pytest.mark.parametrize("rank", [1, 4])
def test_losses(name, unit, rank):
    loss, points = LOSSES[name](unit), points_of(unit, rank)
    expected = [float(loss.loss(FixedRankPoint(*one))) for one in zip(*points, strict=True)]
    np.testing.assert_allclose(loss._losses(points), expected, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@UNITS
@pytest.mark.parametrize("with_core", [True, False])
def test_thin_products(name, unit, with_core):
    loss, (u, s, vt) = LOSSES[name](unit), points_of(unit, 2)
    cores = s[:, :, None] * np.eye(2) if with_core else None
    left, right = (u if with_core else u * s[:, None]), vt.swapaxes(1, 2)
    found = loss._stacked_products(left, cores, right)
    for index in range(COUNT):
        core = None if cores is None else cores[index]
        for part, expected in zip(
            found, loss.gradient_products(left[index], core, right[index]), strict=True
        ):
            atol = 1e-12 * np.abs(expected).max()
            np.testing.assert_allclose(part[index], expected, rtol=0, atol=atol)


def test_small_residuals_are_accurate():
    """The losses next to the best fit come without cancellation, in blocks of any size."""
    truth = np.random.default_rng(1).standard_normal(SHAPE)
    problem = LinearRegression(X, truth @ X)
    moving, axes = problem._in_principal_axes()
    shifts = np.geomspace(1e-10, 1e-1, COUNT)
    near = truth + shifts[:, None, None] * np.eye(M, N)
    points = FixedRankPoint(*np.linalg.svd(near, full_matrices=False))
    # The loss is half of the squared norm of the shift times the first rows of X.
    expected = shifts**2 * np.linalg.norm(X) ** 2 / 2
    for block in (1, 7, 1 << 15):
        for rows in (3, 1 << 22):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(decomposition, "_TOGETHER", block)
                patch.setattr(decomposition, "_BLOCK", rows)
                found = problem._losses(points)
                turned = moving._losses(points._replace(vt=points.vt @ axes))
                np.testing.assert_allclose(found, expected, rtol=1e-3)
                np.testing.assert_allclose(turned, expected, rtol=1e-3)


def test_a_class_of_its_own_is_asked():
    class Shifted(LinearRegression):
        def loss(self, W):
            return super().loss(W) + 1

        def gradient_products(self, left, core, right):
            gv, gtu = super().gradient_products(left, core, right)
            return 2 * gv, 2 * gtu

    own, plain, points = Shifted(X, Y), LinearRegression(X, Y), points_of(1.0, 2)
    np.testing.assert_allclose(own._losses(points), plain._losses(points) + 1)
    arguments = points.u * points.s[:, None], None, points.vt.swapaxes(1, 2)
    for doubled, once in zip(
        own._stacked_products(*arguments), plain._stacked_products(*arguments), strict=True
    ):
        np.testing.assert_allclose(doubled, 2 * once)
