"""Manifolds, costs and mistakes that the checks are tried on."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt import manifolds

from fixedrank import FixedRank
from fixedrank.testing import CheckFailedError

DEPTHS = (1, 2, 2.5, 5)

# All kinds of points and vectors: arrays, stacks of them, tuples, lists of those, quotients, and
# tangent vectors that are elements of a Lie algebra.
PYMANOPT = (
    manifolds.Euclidean(3, 2),
    manifolds.Sphere(5),
    manifolds.Stiefel(5, 2),
    manifolds.Stiefel(4, 2, k=2, retraction="polar"),
    manifolds.Grassmann(5, 2),
    manifolds.SymmetricPositiveDefinite(3),
    manifolds.PoincareBall(3),
    manifolds.SpecialOrthogonalGroup(3),
    manifolds.Product([manifolds.Sphere(3), manifolds.Euclidean(2)]),
)
FIXED_RANK = tuple(FixedRank(5, 4, 2, depth=depth) for depth in DEPTHS)
FULL_RANK = FixedRank(3, 3, 3, depth=3)
EVERYWHERE = (*PYMANOPT, manifolds.FixedRankEmbedded(5, 4, 2), *FIXED_RANK, FULL_RANK)


def name(manifold):
    return str(manifold).replace("Manifold of ", "")


def cost_on(manifold):
    """A cost with derivatives of all orders, as a function of the arrays of a point."""
    rng = np.random.default_rng(0)

    def target(like):
        return rng.standard_normal(np.shape(like))

    if manifold.point_layout == 3:
        A = rng.standard_normal((10, 10))
        return lambda u, s, vt: anp.sum(((u * s) @ vt - A[: len(u), : vt.shape[1]]) ** 4)
    if isinstance(manifold, manifolds.Grassmann):
        B = rng.standard_normal((5, 5))
        return lambda Y: anp.sum((Y @ Y.T) ** 2 * (B + B.T))
    if isinstance(manifold, manifolds.Product):
        return lambda x, y: anp.sum(x**4) * anp.sum(anp.sin(y)) + anp.sum(y**3)
    A = target(np.zeros((6, 6)))
    return lambda x: anp.sum((x - anp.resize(A, x.shape)) ** 4) + anp.sum(x**3)


def problem_on(manifold, **wrong):
    """The cost as a pymanopt problem, with a gradient or a Hessian that may be a wrong one."""
    decorate, plain = pymanopt.function.autograd(manifold), pymanopt.function.numpy(manifold)
    functions = {key: plain(function) for key, function in wrong.items()}
    return pymanopt.Problem(manifold, decorate(cost_on(manifold)), **functions)


def right_gradient(manifold):
    """The Riemannian gradient of the cost as a function of the arrays of a point."""
    problem = problem_on(manifold)
    layout = manifold.point_layout
    return lambda *arrays: problem.riemannian_gradient(arrays if layout != 1 else arrays[0])


def right_hessian(manifold):
    """The Riemannian Hessian of the cost as a function of the arrays of a point and a vector."""
    problem = problem_on(manifold)

    def hessian(*arrays):
        half = len(arrays) // 2
        point, vector = arrays[:half], arrays[half:]
        if half == 1:
            (point,), (vector,) = point, vector
        else:
            vector = type(manifold.zero_vector(point))(*vector)
        return problem.riemannian_hessian(point, vector)

    return hessian


def failure(check, *args, **kwargs):
    """The report of a check that fails."""
    with pytest.raises(CheckFailedError) as caught:
        check(*args, **kwargs)
    report = caught.value.report
    assert not report.passed
    assert str(caught.value) == str(report)
    return report


def failed(report):
    """The names of the findings that failed."""
    return [finding.name for finding in report if finding.passed is False]
