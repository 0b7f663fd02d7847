"""What the factored flow says of a singular value whose fate errors decided.

The exact flow of two or more layers keeps the sign of the determinant of a square product. That
sign is taken here from the dense product, whose singular vectors do not matter.
"""

import numpy as np
import pytest

from fixedrank import LinearRegression, balanced_factors, factored_flow
from fixedrank.flows.fate import fate, sign_of
from fixedrank.geometry.factored.points import FixedRankPoint
from tests.geometry.dense import matrix, orthonormal

TARGETS = np.array([1.5, 1.0, 0.6])
TIMES = np.array([0.0, 0.5, 2.0, 7.0, 30.0])


def crossing(times, matrices):
    """The first time at which the determinant has another sign than at the start, or None."""
    signs = [np.linalg.slogdet(W).sign for W in matrices]
    return next((t for t, sign in zip(times, signs, strict=True) if sign != signs[0]), None)


def start(seed, side):
    """A problem and a start whose determinant has the sign of the target's times `side`."""
    rng = np.random.default_rng(seed)
    u, v, a, b = (orthonormal(rng, 3, 3) for _ in range(4))
    B = (u * TARGETS) @ v.T
    a[:, 2] *= side * np.sign(np.linalg.det(a @ b.T) * np.linalg.det(B))
    return LinearRegression(np.eye(3), B), (a, np.array([1.0, 0.7, 0.5]), b.T)


@pytest.mark.parametrize("outputs", [[0, 1, 3], [0, 60], [0, 1, 3, 50, 60]])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("seed", [1, 2])
def test_of_a_flow(seed, side, outputs):
    problem, point = start(seed, side)
    flow = factored_flow(problem, balanced_factors(point, [3, 3, 3], rng=0), outputs)
    when = crossing(flow.t, [second @ first for first, second in flow.factors])
    # Until t = 3 the smallest value is far from zero; from t = 50 on the fit is that of the target.
    assert when == (next((t for t in outputs if t >= 50), None) if side < 0 else None)
    assert ("determinant" in flow.status) == (when is not None)
    if when is not None:
        assert f"before t = {when:g} the determinant of the product changed its sign" in flow.status


def test_one_layer_may_cross():
    problem, point = start(1, -1)
    flow = factored_flow(problem, [matrix(point)], [0, 1, 3])
    assert crossing(flow.t, [layers[0] for layers in flow.factors]) is not None
    assert "determinant" not in flow.status


@pytest.mark.parametrize("seed", range(12))
def test_signs_of_singular_vectors_do_not_matter(seed):
    # A sign may go from a column of U to its row of V^T at any time.
    rng = np.random.default_rng(seed)
    points = []
    for side in rng.choice([1, 1, 1, -1], TIMES.size):
        u, v, flips = orthonormal(rng, 3, 3), orthonormal(rng, 3, 3), rng.choice([1, -1], 3)
        u[:, 0] *= side * np.sign(np.linalg.det(u @ v.T))
        points.append(FixedRankPoint(u * flips, np.array([2.0, 1.0, 0.1]), flips[:, None] * v.T))
    when = crossing(TIMES, [matrix(point) for point in points])
    values = np.array([point.s for point in points])
    said = fate(TIMES, values, (3, 3), [sign_of(point) for point in points])
    assert said.startswith(f"; before t = {when:g} the determinant") if when else said == ""


def test_a_value_that_is_round_off():
    rng = np.random.default_rng(0)
    u, v = orthonormal(rng, 3, 3), orthonormal(rng, 3, 3)

    def said(smallest, side=1):
        points = [
            FixedRankPoint(u * [1, 1, side if t > 0 else 1], np.array([2.0, 1.0, small]), v.T)
            for t, small in zip(TIMES, smallest, strict=True)
        ]
        values = np.array([point.s for point in points])
        return fate(TIMES, values, (3, 3), [sign_of(point) for point in points])

    assert said([1e-1, 1e-5, 1e-14, 1e-5, 1e-1]) == ""
    lost = said([1e-1, 1e-14, 1e-17, 1e-18, 1e-1], side=-1)
    assert lost.startswith("; at t = 2 a singular value of the product was round-off")
    # What was zero from the start is not lost, and its sign means nothing.
    assert said([0.0, 1e-17, 0.0, 1e-5, 1e-1], side=-1) == ""


def test_of_what_decays_out_of_floating_point_nothing_is_said():
    """Zero has neither a sign nor small singular values."""
    times, one = np.array([0.0, 1.0]), np.array([[1.0], [0.0]])
    for sign in (1.0, -1.0):
        assert not fate(times, one, (1, 1), [1.0, sign])
    assert not fate(times, np.array([[1.0, 0.5], [0.0, 0.0]]), (2, 3), [])
    assert "determinant" in fate(times, np.array([[1.0], [1e-9]]), (1, 1), [1.0, -1.0])
