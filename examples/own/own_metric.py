r"""
Your own metric
===============

**You learn** to bring a metric that the library does not have, and to check that it is
right.

**You need** the section on the inner product in the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib.

At :math:`W = U \operatorname{diag}(s) V^T` the metric of depth :math:`N` is made of
divided differences of :math:`f(x) = x^{1/N}` at the squares :math:`x_i = s_i^2`: the
squared length of a tangent vector :math:`Z = U M V^T + U_p V^T + U V_p^T` is

.. math::

    g_W(Z, Z) = \sum_{ij} f[x_i, x_j] M_{ij}^2
    + \sum_j \frac{f(x_j) - f(0)}{x_j} \left( |U_{p,j}|^2 + |V_{p,j}|^2 \right).

Any other increasing :math:`f` makes a metric too, and one class with four tables is all
that the library needs of it. This page takes :math:`f(x) = \ln(1 + x)`: near zero the
metric is the embedded one, and for large singular values it is that of infinite depth.
"""

import matplotlib.pyplot as plt
import numpy as np
from pymanopt.optimizers import ConjugateGradient

import fixedrank
from fixedrank.plotting import depth_style
from fixedrank.testing import (
    check_connection,
    check_curvature,
    check_gradient,
    check_hessian,
    check_parallel_transport,
    check_retraction,
)

# %%
# The class
# ---------
#
# As :math:`\ln(1 + x) = \int_0^1 x / (1 + x t) \, dt`, all divided differences are
# integrals of products of :math:`1 / (1 + x_i t)`: sums of positive terms, in which
# nothing cancels where singular values are close. With :math:`1 + x_1 t` as an
# exponential, Gauss quadrature is exact to round-off for singular values of any size.

NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


class LogarithmicMetric(fixedrank.SpectralMetric):
    """The metric of f(x) = ln(1 + x)."""

    def resolvents(self, s):
        """Return 1 / (1 + x_i t) at all nodes t, the nodes, and their weights."""
        x = s**2
        largest = x.max(axis=-1, keepdims=True)
        growth = np.log1p(largest)
        t = np.expm1(growth * NODES) / largest
        weights = WEIGHTS * growth * (1 + largest * t) / largest
        return 1 / (1 + x[..., None] * t[..., None, :]), t, weights

    def tangential(self, s):
        """Return the weights 1 / f[x_i, x_j] of the entries of M."""
        r, _, weights = self.resolvents(s)
        return 1 / ((r * weights[..., None, :]) @ r.swapaxes(-1, -2))

    def normal(self, s):
        """Return the weights x_j / f(x_j) of the columns of Up and of Vp."""
        weights = s**2 / np.log1p(s**2)
        return weights, weights

    def second(self, s):
        """Return the second divided differences f[x_i, x_l, x_j]."""
        r, t, weights = self.resolvents(s)
        return -np.einsum("...q,...iq,...lq,...jq->...ilj", weights * t, r, r, r)

    def first(self, s):
        """Return the first divided differences of f(x) / x, left and right."""
        r, t, weights = self.resolvents(s)
        differences = -(r * (weights * t)[..., None, :]) @ r.swapaxes(-1, -2)
        return differences, differences


# %%
# Is it right?
# ------------
#
# ``fixedrank.testing`` compares the connection with the metric, gradient and Hessian
# with the cost, curves with what their order promises, transport with the connection,
# and curvature with distances, at a point with a tie. Geodesics know nothing but the
# tables.

manifold = fixedrank.FixedRank(6, 5, 3, metric=LogarithmicMetric())
point = manifold.random_point(rng=0)._replace(s=np.array([3.0, 1.0, 1.0]))
target = 2 * np.random.default_rng(0).standard_normal((6, 5))
problem = fixedrank.LinearRegression(np.eye(5), target).to_pymanopt(manifold)
for report in (
    check_connection(manifold, point=point, rng=0),
    check_gradient(problem, point=point, rng=0),
    check_hessian(problem, point=point, rng=0),
    check_retraction(
        manifold,
        retraction=manifold.second_order_retraction,
        order=2,
        point=point,
        rng=0,
    ),
    check_retraction(manifold, retraction=manifold.exp, order=2, point=point, rng=0),
    check_parallel_transport(manifold, point=point, rng=0),
    check_curvature(manifold, point=point, rng=0),
):
    print(str(report).splitlines()[0])
print(report)

# %%
# Between two metrics
# -------------------
#
# The weight :math:`c_{jj} = 1 / f'(s_j^2) = 1 + s_j^2` is the speed with which a
# gradient moves a singular value: one for small ones, as in the embedded metric, and
# :math:`s^2` for large ones, as at infinite depth. So a flow has no plateau at a small
# start, and is fast where a large value is wanted.

small = fixedrank.FixedRank(3, 3, 3, depth=1).point(np.diag([0.3, 0.2, 0.1]))
regression = fixedrank.LinearRegression(np.eye(3), np.diag([6.0, 3.0, 1.0]))
t = np.linspace(0, 2, 201)
metrics = {
    r"$N = 1$": fixedrank.DepthMetric(1),
    r"$f(x) = \ln(1 + x)$": LogarithmicMetric(),
    r"$N = \infty$": fixedrank.DepthMetric(np.inf),
}
s = np.geomspace(0.01, 30, 100)
figure, (weights, values) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for name, metric in metrics.items():
    style = {**depth_style(metric.depth), "marker": ""}
    speeds = metric.tangential(s[:, None])[:, 0, 0]
    weights.loglog(s, speeds, **style, label=name)
    flow = fixedrank.riemannian_flow(regression, small, metric, t)
    values.plot(t, flow.singular_values, **style)
    values.plot([], [], **style, label=name)
weights.set(
    xlabel=r"singular value $\sigma$", ylabel=r"weight $c(\sigma)$", title="Speed"
)
values.set(
    xlabel="time $t$",
    ylabel=r"singular values $\sigma_i(W(t))$",
    title="Gradient flows to 6, 3 and 1",
)
weights.legend(frameon=False)
values.legend(frameon=False, loc=(0.42, 0.7))
figure.suptitle(
    "f(x) = ln(1 + x): the embedded metric near zero, that of infinite depth far away"
)
plt.show()

# %%
# An optimiser
# ------------
#
# pymanopt takes the manifold as any other.

result = ConjugateGradient(verbosity=0).run(problem, initial_point=point)
best = np.linalg.svd(target, compute_uv=False)[:3]
print(
    "singular values found:",
    np.round(result.point.s, 4),
    " of the best:",
    np.round(best, 4),
)
