r"""
Quadrature of the integral form
===============================

**You learn** how an integral over a half-line that hardly converges is computed to ten
digits.

**You need** the metric of the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to
run it, matplotlib.

Theorem 3 has the metric as an integral,

.. math::

    g_W(Z_1, Z_2) = \frac{\sin(\pi/N)}{\pi} \int_0^\infty \operatorname{tr}\left(
    (tI + WW^T)^{-1} Z_1 (tI + W^TW)^{-1} Z_2^T \right) t^{1/N}\, dt .

:func:`fixedrank.integral_inner_product` evaluates it, as a check of the closed form
that is independent of it. The integral is awkward for large :math:`N`: where :math:`W`
has not full rank, the integrand grows like :math:`t^{1/N-1}` as :math:`t \to 0`, hardly
integrable. A general routine, on the formula as it stands:
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import IntegrationWarning, quad

import fixedrank
from fixedrank.plotting import depth_style

m, n, k = 6, 5, 3


def example(depth, smallest):
    """Return a manifold, a point with values 1 to `smallest` and a tangent vector."""
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=0)
    point = fixedrank.FixedRankPoint(point.u, np.geomspace(1, smallest, k), point.vt)
    return manifold, point, manifold.random_tangent_vector(point, rng=1)


def naive(manifold, point, Z, **options):
    """Return the integral by SciPy's quad, by dense resolvents, and its report."""
    depth, W = manifold.depth, manifold.to_matrix(point)
    vector = manifold.tangent_to_matrix(point, Z)

    def integrand(t):
        left = np.linalg.solve(t * np.eye(m) + W @ W.T, vector)
        right = np.linalg.solve(t * np.eye(n) + W.T @ W, vector.T)
        return np.trace(left @ right) * t ** (1 / depth)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IntegrationWarning)
        value, estimate, about = quad(
            integrand, 0, np.inf, epsabs=0, epsrel=1e-10, full_output=True, **options
        )[:3]
    factor = np.sin(np.pi / depth) / np.pi
    return factor * value, factor * estimate, about["neval"]


colors = {depth: depth_style(depth)["color"] for depth in (2, 10, 50)}
sizes = np.geomspace(1e-1, 1e-5, 5)
found = {(name, depth): [] for depth in colors for name in ("quad", "fixedrank")}
for depth in colors:
    for smallest in sizes:
        manifold, point, Z = example(depth, smallest)
        closed = manifold.inner_product(point, Z, Z)
        value, estimate, evaluations = naive(manifold, point, Z)
        by_library = fixedrank.integral_inner_product(point, Z, Z, depth)
        found["quad", depth].append(abs(value / closed - 1))
        found["fixedrank", depth].append(abs(by_library / closed - 1))
        if smallest in sizes[[0, 2, 4]]:
            print(
                f"N = {depth:2}, sigma_k = {smallest:.0e}: "
                f"quad {evaluations} evaluations, estimated error "
                f"{estimate / closed:.0e}, error {found['quad', depth][-1]:.0e}; "
                f"fixedrank {found['fixedrank', depth][-1]:.0e}"
            )

# %%
# The resolvents of :math:`WW^T` lose the small singular values, whose squares are near
# the rounding error of the matrix, and ``quad`` misses the tolerance of 1e-10 that it
# was given, at large :math:`N` also where all singular values are large.
#
# fixedrank changes two things. In the frame of the singular value decomposition the
# resolvents are diagonal: the trace is a sum of :math:`1 / ((t + \alpha)(t + \beta))`
# with factors, where :math:`\alpha, \beta` are squares of singular values or zero. And
# with :math:`t = e^x` each term decays exponentially in both directions and is analytic
# in the strip :math:`|\operatorname{Im} x| < \pi`. For such functions the trapezoidal
# rule, an equally weighted sum, converges exponentially: at step :math:`h` its error is
# about :math:`e^{-2\pi^2/h}`. Depth only makes the tail on the left longer, like
# :math:`e^{x/N}`.


def term(x, depth, alpha, beta):
    """Return a term of the integrand in x = ln t, for the logarithms of alpha, beta."""
    return np.exp((1 + 1 / depth) * x - np.logaddexp(x, alpha) - np.logaddexp(x, beta))


alpha, beta = 0.0, -np.inf  # the term of a singular value 1 and a normal direction
figure, (direct, shapes, errors) = plt.subplots(
    1, 3, figsize=(13, 4.3), layout="constrained"
)
for depth, color in colors.items():
    for name, style in (("quad", "o-"), ("fixedrank", "s--")):
        label = f"{name}, $N = {depth}$"
        direct.loglog(
            sizes, found[name, depth], style, ms=4, lw=1, color=color, label=label
        )
    x = np.linspace(-60, 30, 500)
    shapes.plot(x, term(x, depth, alpha, beta), color=color, label=f"$N = {depth}$")
    # 1 / c_j0 = 1 is the exact value of the integral.
    low, high = -42 * depth, 42 / (1 - 1 / depth)
    steps = np.geomspace(0.5, 12, 40)
    values = []
    for h in steps:
        nodes = np.arange(low, high, h)
        value = (
            h * term(nodes, depth, alpha, beta).sum() * np.sin(np.pi / depth) / np.pi
        )
        values.append(max(abs(value - 1), 1e-17))
    errors.semilogy(
        1 / steps, values, "o-", ms=3, lw=1, color=color, label=f"$N = {depth}$"
    )
    nodes = np.arange(low, high, 0.6)
    value = 0.6 * term(nodes, depth, alpha, beta).sum() * np.sin(np.pi / depth) / np.pi
    print(f"N = {depth}: {nodes.size} nodes at h = 0.6, error {abs(value - 1):.0e}")
errors.semilogy(
    1 / steps,
    2 * np.exp(-2 * np.pi**2 / steps),
    "k--",
    lw=1,
    label=r"$2 e^{-2\pi^2/h}$",
)
direct.set(
    xlabel=r"smallest singular value $\sigma_k$",
    ylabel="relative error",
    title="quad on the formula, and fixedrank",
    ylim=(1e-15, 1e5),
)
shapes.set(
    xlabel=r"$x = \ln t$", ylabel="integrand", title="A term of the integrand in $x$"
)
errors.set(
    xlabel="$1/h$, nodes per unit of $x$",
    ylabel="relative error",
    title="Trapezoidal rule",
    ylim=(5e-18, 5),
)
direct.legend(frameon=False, loc="upper right", fontsize="small", ncols=2)
for axes in (shapes, errors):
    axes.legend(frameon=False, loc="upper right")
figure.suptitle(
    "With t = exp(x) the trapezoidal rule converges exponentially at every depth"
)
plt.show()
