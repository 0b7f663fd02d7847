"""The condition of a Hessian at a minimum in depth N beside that in the embedded metric.

Hessians and metrics are dense here: equation (7), with a basis of the tangent space as matrices.
"""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import DepthOperator, FixedRank, FixedRankPoint, MatrixSensing
from tests.geometry import dense
from tests.strategies import frames, seeds, shapes

UNITS = [1e-150, 1.0, 1e150]
# Round-off in eigenvalues is 1e-16 times the condition, here below 1e8.
SLACK = 1e-5


def basis(point):
    """An orthonormal basis of the tangent space: its columns are matrices, row by row."""
    W = dense.matrix(point)
    columns = [dense.projection(W, len(point.s), Z).ravel() for Z in _units(W.shape)]
    manifold = FixedRank(*W.shape, len(point.s), depth=1)
    return np.linalg.svd(np.array(columns).T)[0][:, : manifold.dim]


def _units(shape):
    for place in np.ndindex(shape):
        Z = np.zeros(shape)
        Z[place] = 1.0
        yield Z


def operator(point, depth, frame):
    """The matrix of (7) in a basis; for a depth between whole numbers that of the library."""
    W, k = dense.matrix(point), len(point.s)
    manifold, A = FixedRank(*W.shape, k, depth=depth), DepthOperator(point, depth)

    def image(Z):
        if depth == int(depth):
            return dense.operator(W, k, Z, depth)
        return dense.tangent(point, A.apply(manifold.projection(point, Z)))

    return frame.T @ np.array([image(Z.reshape(W.shape)).ravel() for Z in frame.T]).T


def condition(form, A):
    """The ratio of the extreme eigenvalues of a quadratic form in the metric of A^(-1)."""
    values = scipy.linalg.eigh(A @ form @ A, A, eigvals_only=True)
    return values[-1] / values[0]


def spread(point, depth):
    """The condition of the operator, as the page says."""
    m, n, k = point.u.shape[0], point.vt.shape[1], len(point.s)
    full = m == n == k
    return (1 if full else depth) * (point.s[0] / point.s[-1]) ** (2 - 2 / depth)


@st.composite
def minima(draw):
    """Draw a point, with ties or spread, and a root of a quadratic form on all matrices."""
    m, n, k = draw(shapes(square=draw(st.booleans())))
    s = np.geomspace(1, draw(st.sampled_from([1.0, 1 - 1e-12, 0.5, 0.01])), k)
    u, vt = draw(frames(m, k)), draw(frames(n, k)).T
    rng = np.random.default_rng(draw(seeds))
    factor = rng.standard_normal((m * n, m * n)) + 3 * math.sqrt(m * n) * np.eye(m * n)
    return FixedRankPoint(u, s, vt), factor


@given(place=minima(), depth=st.sampled_from([1, 2, 3, 20, 2.5]))
def test_the_bounds(place, depth):
    point, factor = place
    frame = basis(point)
    form = (factor @ frame).T @ (factor @ frame)
    one, own = (condition(form, operator(point, N, frame)) for N in (1, depth))
    ratio = spread(point, depth)
    assert own <= ratio * one * (1 + SLACK)
    assert own >= max(one / ratio, ratio / one) * (1 - SLACK)


@given(place=minima(), depth=st.sampled_from([1, 2, 3, 20, 2.5]))
def test_of_half_the_squared_distance_the_upper_bound_is_the_condition(place, depth):
    point, _ = place
    frame = basis(point)
    found = condition(np.eye(frame.shape[1]), operator(point, depth, frame))
    assert found == pytest.approx(spread(point, depth), rel=SLACK)


@given(place=minima(), depth=st.sampled_from([3, 5]))
def test_the_root(place, depth):
    """W = R (R^T R)^((N-1)/2) for odd N, of which the derivative is a sum of products."""
    point, factor = place
    root = point._replace(s=point.s ** (1 / depth))
    R, frame = dense.matrix(root), basis(point)
    powers = [np.linalg.matrix_power(R.T @ R, j) for j in range((depth + 1) // 2)]
    others = [np.linalg.matrix_power(R @ R.T, j) for j in range((depth + 1) // 2)]
    half = (depth - 1) // 2
    moved = np.zeros(frame.shape)
    for column, Z in enumerate(frame.T.reshape(-1, *R.shape)):
        terms = [others[j] @ Z @ powers[half - j] for j in range(half + 1)]
        terms += [others[j] @ R @ Z.T @ R @ powers[half - 1 - j] for j in range(half)]
        moved[:, column] = np.sum(terms, axis=0).ravel()
    change = frame.T @ moved
    # What is tangent at R is tangent at W.
    np.testing.assert_allclose(frame @ change, moved, rtol=0, atol=1e-10)
    A = operator(point, depth, frame)
    pulled = np.linalg.eigvalsh(change.T @ np.linalg.solve(A, change))
    assert pulled[-1] == pytest.approx(depth, rel=SLACK)
    assert pulled[0] >= (1 - SLACK) / depth
    form = (factor @ frame).T @ (factor @ frame)
    ratio = condition(change.T @ form @ change, np.eye(len(A))) / condition(form, A)
    assert (1 - SLACK) / depth**2 <= ratio <= depth**2 * (1 + SLACK)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("depth", [1, 2, 3.5, 20])
def test_the_hessian_at_a_critical_point_is_one_form_at_all_depths(depth, unit):
    """With a residual: what the manifold bends enters the form."""
    m, n, k = 5, 4, 2
    rng = np.random.default_rng(3)
    u, v = dense.orthonormal(rng, m, m), dense.orthonormal(rng, n, n)
    point = FixedRankPoint(u[:, :k], unit * np.array([1.0, 0.1]), v[:, :k].T)
    normal = 0.02 * unit * u[:, k:] @ rng.standard_normal((m - k, n - k)) @ v[:, k:].T
    maps = rng.standard_normal((30, m, n))
    # Of half the squared residuals the gradient at the point is the normal vector.
    measured = np.linalg.lstsq(maps.reshape(30, -1).T, normal.ravel(), rcond=None)[0]
    W = dense.matrix(point)
    loss = MatrixSensing(maps, np.einsum("pij,ij->p", maps, W) - measured)
    frame, gradient = basis(point), loss.gradient(point)
    vectors = [dense.projection(W, k, Z.reshape(W.shape)) for Z in frame.T]
    forms = []
    for N in (1, depth):
        manifold = FixedRank(m, n, k, depth=N)
        tangents = [manifold.projection(point, Z) for Z in vectors]
        images = [
            manifold.euclidean_to_riemannian_hessian(
                point, gradient, loss.hessian_product(point, Z), Z
            )
            for Z in tangents
        ]
        forms.append([[manifold.inner_product(point, Z, H) for H in images] for Z in tangents])
    np.testing.assert_allclose(forms[1], forms[0], rtol=0, atol=1e-9)
    flat = maps.reshape(30, -1) @ frame
    bent = np.abs(np.array(forms[0]) - flat.T @ flat).max()
    # The curvature of the manifold is there: the residual over the least singular value.
    assert bent > 0.01
