"""left core right^T as (u, s, vt), against the dense product."""

import numpy as np
import pytest

from fixedrank.geometry.factored.orthonormal import graded_svd, point_of, small_svd, svd_point

RNG = np.random.default_rng(0)


def frame(rows, columns):
    return np.linalg.qr(RNG.standard_normal((rows, columns)))[0]


def sheared(rows):
    """Columns whose triangle has a diagonal of ones, but which are nearly dependent."""
    return frame(rows, 2) @ np.array([[1.0, 1e8], [0.0, 1.0]])


FACTORS = {
    "orthonormal": (frame(9, 3), np.diag([3.0, 2.0, 1e-3]), frame(7, 3)),
    "drifted": (
        frame(9, 3) + 1e-6 * RNG.standard_normal((9, 3)),
        RNG.standard_normal((3, 3)),
        frame(7, 3) + 1e-3 * RNG.standard_normal((7, 3)),
    ),
    "sheared": (sheared(9), np.array([[1.0, 2.0], [3.0, 4.0]]), sheared(7)),
    "any": (1e9 * RNG.standard_normal((9, 3)), None, 1e-9 * RNG.standard_normal((7, 3))),
    "of lower rank": (np.ones((9, 3)), RNG.standard_normal((3, 3)), RNG.standard_normal((7, 3))),
    "zero": (np.zeros((9, 3)), None, RNG.standard_normal((7, 3))),
    "a core that is not square": (frame(9, 4), RNG.standard_normal((4, 2)), frame(7, 2)),
    "more columns than rows": (RNG.standard_normal((3, 5)), None, RNG.standard_normal((7, 5))),
    "tall": (frame(600, 3), RNG.standard_normal((3, 3)), RNG.standard_normal((700, 3))),
}


@pytest.mark.parametrize("name", FACTORS)
def test_the_product_in_orthonormal_frames(name):
    left, core, right = FACTORS[name]
    u, s, vt = point_of(left, core, right)
    dense = left @ (right.T if core is None else core @ right.T)
    size = np.linalg.norm(left, 2) * np.linalg.norm(right, 2)
    size *= 1 if core is None else np.linalg.norm(core, 2)
    np.testing.assert_allclose((u * s) @ vt, dense, rtol=0, atol=1e-13 * size)
    for gram in (u.T @ u, vt @ vt.T):
        np.testing.assert_allclose(gram, np.eye(len(gram)), rtol=0, atol=1e-13)
    assert (s[1:] <= s[:-1]).all()
    assert (s >= 0).all()


@pytest.mark.parametrize("svd", [small_svd, graded_svd, svd_point])
def test_any_decomposition_of_the_core(svd):
    left, core, right = FACTORS["drifted"]
    u, s, vt = point_of(left, core, right, svd)
    np.testing.assert_allclose((u * s) @ vt, left @ core @ right.T, rtol=0, atol=1e-13)


def test_small_singular_values_of_a_graded_core():
    """Frames that have drifted by little cost them no digits."""
    s = np.array([1.0, 1e-6, 1e-13])
    drift = 1e-9 * np.triu(RNG.standard_normal((3, 3)))
    left, right = frame(9, 3) @ (np.eye(3) + drift), frame(7, 3)
    found = point_of(left, np.diag(s), right, graded_svd).s
    np.testing.assert_allclose(found, s, rtol=1e-7)
