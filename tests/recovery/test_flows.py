"""Both flows on completion and sensing are one."""

import numpy as np
import pytest
import scipy.integrate

from fixedrank import FixedRank, balanced_factors, compare_flows, riemannian_flow
from tests.recovery.problems import KINDS, combined, make, measured

M, N, K = 5, 4, 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_the_two_flows_are_one(kind, depth):
    problem, _, _ = make(kind, (M, N), 12, 0)
    start = FixedRank(M, N, K, depth=depth).random_point(rng=1)._replace(s=np.array([0.5, 0.3]))
    factors = balanced_factors(start, [N, *[K] * (depth - 1), M], rng=2)
    comparison = compare_flows(problem, factors, np.linspace(0, 1, 5), rtol=1e-10)
    assert (comparison.gap <= 1e-8 * comparison.norm).all()
    # It has gone somewhere.
    assert comparison.factored.loss[-1] < 0.99 * comparison.factored.loss[0]


@pytest.mark.parametrize("kind", KINDS)
def test_at_depth_one_and_full_rank_it_is_the_flow_of_the_entries(kind):
    problem, A, y = make(kind, (3, 3), 7, 0)
    start = np.diag([3.0, 2.0, 1.5])
    reference = scipy.integrate.solve_ivp(
        lambda t, w: -combined(A, measured(A, w.reshape(3, 3)) - y).ravel(),
        (0, 0.1),
        start.ravel(),
        rtol=1e-11,
        atol=1e-12,
    )
    point = FixedRank(3, 3, 3, depth=1).point(start)
    u, s, vt = riemannian_flow(problem, point, 1, [0, 0.1], rtol=1e-10).points[-1]
    np.testing.assert_allclose((u * s) @ vt, reference.y[:, -1].reshape(3, 3), rtol=0, atol=1e-7)
