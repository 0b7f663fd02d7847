"""The linearised flow in units so small that squares of the gradient leave floating point."""

import numpy as np

from fixedrank import DepthMetric, LinearRegression
from fixedrank.flows.linearisation import linearise
from fixedrank.geometry.factored.points import FixedRankPoint
from tests.geometry.dense import orthonormal


def test_what_one_does_with_gradient_and_weights_is_the_same_in_any_unit():
    rng = np.random.default_rng(0)
    u, v, labels = orthonormal(rng, 4, 2), orthonormal(rng, 3, 2), rng.standard_normal((4, 3))

    def riemannian_gradient(unit):
        problem = LinearRegression(np.eye(3), unit * labels)
        point = FixedRankPoint(u, unit * np.array([1.5, 0.7]), v.T)
        _, gradient, weights = linearise(problem.gradient_products, point, DepthMetric(2))
        return gradient * weights

    # At depth 2 the gradient A(G) has the unit of W times that of G, here both that of the labels.
    small = riemannian_gradient(2.0**-500)
    np.testing.assert_allclose(np.ldexp(small, 1000), riemannian_gradient(1.0), rtol=1e-6)
