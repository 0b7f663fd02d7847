r"""
Ties of singular values
=======================

**You learn** how weights and gradients are computed so that nothing is lost where
singular values are equal or nearly so.

**You need** the operator (7) of the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib.

In the frame of the singular value decomposition
:math:`W = U \operatorname{diag}(\sigma) V^T`, the operator :math:`\mathcal{A}_{W,N}`
multiplies entry :math:`(i, j)` by :math:`c_{ij} = \sum_{l<N} p_i^{N-1-l} p_j^l`, where
:math:`p_i = \sigma_i^{2/N}`. This is a geometric sum, so that
:math:`c_{ij} = (\sigma_i^2 - \sigma_j^2) / (p_i - p_j)`: shorter, and defined for real
:math:`N`. But near a tie both differences cancel, and at a tie it is 0/0.
"""

from decimal import Decimal, localcontext

import matplotlib.pyplot as plt
import numpy as np
from pymanopt.manifolds import FixedRankEmbedded

import fixedrank


def quotient(s, depth):
    """Return c_12 as a quotient of differences."""
    p = s ** (2 / depth)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (s[0] ** 2 - s[1] ** 2) / (p[0] - p[1])


unit = (np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros((2, 2)))


def library(s, depth):
    """Return c_12 as fixedrank computes it: the image of the unit matrix E_12."""
    return fixedrank.DepthOperator((np.eye(2), s, np.eye(2)), depth).apply(unit).M[0, 1]


tied = np.array([1.7, 1.7])
for depth in (3, 2.5, 50):
    print(
        f"N = {depth}, at a tie: quotient {quotient(tied, depth)}, fixedrank "
        f"{library(tied, depth):.15g}, "
        f"N sigma^(2 - 2/N) = {depth * 1.7 ** (2 - 2 / depth):.15g}"
    )

# %%
# For integers up to 32 fixedrank adds up the positive terms of the sum. Otherwise it
# uses
#
# .. math::
#
#     c_{ij} = \sigma_>^{2-2/N} \, \frac{1 - e^{-d}}{1 - e^{-d/N}}, \qquad
#     d = 2 \ln\left(1 + \frac{\sigma_> - \sigma_<}{\sigma_<}\right),
#
# with :math:`\sigma_>` and :math:`\sigma_<` the larger and the smaller one of
# :math:`\sigma_i` and :math:`\sigma_j`. The difference of two close floating-point
# numbers is exact, and ``log1p`` and ``expm1`` keep all its digits.
#
# The gradient has the same trouble. Automatic differentiation of a cost of
# :math:`(U, \sigma, V^T)` yields ``du`` :math:`= GV\operatorname{diag}(\sigma)` and
# ``dvt`` :math:`= \operatorname{diag}(\sigma) U^T G`, where :math:`G` is the Euclidean
# gradient with respect to :math:`W`. Wanted is the middle part :math:`M = U^T G V` of
# its projection to the tangent space. pymanopt's ``FixedRankEmbedded`` divides the skew
# parts of ``u.T @ du`` and ``vt @ dvt.T`` by :math:`\sigma_i^2 - \sigma_j^2`. Yet
# ``u.T @ du`` is :math:`M` with its columns scaled, so that it is enough to divide
# column :math:`j` by :math:`\sigma_j`.

rng = np.random.default_rng(0)
m, n, k = 6, 5, 2
u = np.linalg.qr(rng.standard_normal((m, k)))[0]
vt = np.linalg.qr(rng.standard_normal((n, k)))[0].T
G = rng.standard_normal((m, n))
M = u.T @ G @ vt.T


def gradient_error(manifold, s):
    """Return the relative error of a manifold's middle part made of (du, ds, dvt)."""
    derivative = ((G @ vt.T) * s, np.diag(M), s[:, None] * (u.T @ G))
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = manifold.euclidean_to_riemannian_gradient((u, s, vt), derivative)
    return np.linalg.norm(gradient.M - M) / np.linalg.norm(M)


embedded, depth_one = FixedRankEmbedded(m, n, k), fixedrank.FixedRank(m, n, k, depth=1)
print(
    f"at a tie, error of M: FixedRankEmbedded {gradient_error(embedded, tied)}, "
    f"FixedRank(..., depth=1) {gradient_error(depth_one, tied):.1e}"
)

# %%
# Now for all gaps between rounding and one. The exact weight is computed with 60
# decimal digits.


def exact(s, depth):
    """Return c_12 with many digits."""
    with localcontext() as context:
        context.prec = 60
        a, b = Decimal(float(s[0])), Decimal(float(s[1]))
        power = 2 / Decimal(depth)
        return (a * a - b * b) / (a**power - b**power)


def weight_error(weight, s, depth):
    """Return a weight's relative error, at least 1e-17 to be seen in the picture."""
    value = weight(s, depth)
    if not np.isfinite(value):
        return np.nan
    return max(float(abs(Decimal(float(value)) / exact(s, depth) - 1)), 1e-17)


gaps = np.geomspace(1e-15, 1, 200)
pairs = [np.array([1.7 * (1 + gap), 1.7]) for gap in gaps]
figure, (weights, gradients) = plt.subplots(
    1, 2, figsize=(11, 4.6), layout="constrained"
)
for depth, marker in ((3, "o"), (2.5, "^"), (50, "x")):
    for name, weight, color in (
        ("quotient", quotient, "#b5332e"),
        ("fixedrank", library, "#0b3c5d"),
    ):
        errors = np.array([weight_error(weight, s, depth) for s in pairs])
        weights.loglog(
            gaps,
            errors,
            marker,
            ms=3,
            alpha=0.7,
            color=color,
            label=f"{name}, $N = {depth}$",
        )
        print(
            f"N = {depth}, {name}: largest error {np.nanmax(errors):.1e}, "
            f"{np.isnan(errors).sum()} of {gaps.size} not finite"
        )
for name, manifold, color in (
    ("pymanopt's FixedRankEmbedded", embedded, "#b5332e"),
    ("fixedrank", depth_one, "#0b3c5d"),
):
    errors = np.array([gradient_error(manifold, s) for s in pairs])
    gradients.loglog(gaps, errors, "o", ms=3, alpha=0.7, color=color, label=name)
    print(f"gradient, {name}: largest error {errors.max():.1e}")
for axes in (weights, gradients):
    axes.loglog(
        gaps, np.finfo(float).eps / gaps, "k--", lw=1, label=r"$2^{-52} / $ gap"
    )
    axes.set(
        xlabel=r"relative gap $(\sigma_1 - \sigma_2) / \sigma_2$", ylim=(5e-18, 1e3)
    )
    axes.legend(frameon=False, fontsize="small", loc="upper right")
weights.set(ylabel=r"relative error of $c_{12}$", title="Weights of the metric")
gradients.set(ylabel=r"relative error of $M$", title="Gradient from factor derivatives")
figure.suptitle(
    "Near a tie a quotient of differences loses digits, up to all; "
    "fixedrank's formulas lose none"
)
plt.show()
