r"""
Critical points
===============

**You learn** to list the critical points of a regression, to say which of them a matrix
or a network is near, and how fast a flow leaves or reaches it.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Where can a gradient flow end? On the matrices of rank :math:`k` the loss
:math:`L^1(W) = \frac12 \|Y - WX\|_F^2` has one critical point :math:`W_J` for each set
:math:`J` of :math:`k` of the singular values of :math:`Q = YX^T(XX^T)^{-1/2}`. Only one
of them is a minimum: that with the :math:`k` largest. All others are strict saddles.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

rng = np.random.default_rng(1)
d_y, d_x, samples, k, depth = 5, 6, 40, 2, 3
X = rng.standard_normal((d_x, samples)) / np.sqrt(samples)
Y = rng.standard_normal((d_y, 5)) @ rng.standard_normal((5, d_x)) @ X
problem = fixedrank.LinearRegression(X, Y)
print("singular values of Q:", problem.svd[1].round(3))

# %%
# ``critical_points`` yields them one by one, the best first. Nothing is computed that
# was not asked for: where there are :math:`10^{14}`, the first few cost no more than
# these ten. The index counts the directions in which the loss falls.

for critical in fixedrank.critical_points(problem, k):
    print(
        f"J = {critical.indices}: loss {critical.loss:8.4f}, {critical.kind}, "
        f"index {critical.morse_index}"
    )

# %%
# Start the flow close to the fourth of them. It leaves along directions in which the
# loss falls, and ends at the minimum. How fast it leaves the one and reaches the other,
# the eigenvalues of the Hessians at both tell before it starts.

points = list(fixedrank.critical_points(problem, k))
best, saddle = points[0], points[3]
manifold = fixedrank.FixedRank(d_y, d_x, k, depth=depth)
start = manifold.retraction(
    saddle.point, 1e-5 * manifold.random_tangent_vector(saddle.point, rng=0)
)
leaving = -saddle.hessian_spectrum(depth)[0]
arriving = best.convergence_rate(depth)
t = np.linspace(0, 14 / leaving + 10 / arriving, 400)
flow = fixedrank.riemannian_flow(problem, start, depth, t, rtol=1e-11, atol=1e-14)


def away(target):
    """Return the distance from a critical point along the flow."""
    matrix = manifold.to_matrix(target.point)
    return np.array(
        [np.linalg.norm(manifold.to_matrix(p) - matrix) for p in flow.points]
    )


figure, (losses, distances) = plt.subplots(
    1, 2, figsize=(11, 4.2), layout="constrained"
)
heights = [critical.loss for critical in points]
for critical, below in zip(points, [-np.inf, *heights], strict=False):
    losses.axhline(critical.loss, color="0.8", lw=1)
    if critical.loss - below > 1:  # the others would be written over each other
        place = (1.01, critical.loss)
        losses.annotate(
            f"$J = {critical.indices}$",
            place,
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
losses.plot(t, flow.loss, color="#0b3c5d", lw=2)
losses.set(
    xlabel="time $t$", ylabel="loss $L^1(W(t))$", title="Loss and critical values"
)
from_saddle, from_best = away(saddle), away(best)
distances.semilogy(
    t, from_saddle, color="#e69f00", label=f"from the saddle $J = {saddle.indices}$"
)
distances.semilogy(
    t, from_best, color="#0b3c5d", label=f"from the minimum $J = {best.indices}$"
)
early = t < 8 / leaving
distances.semilogy(
    t[early],
    from_saddle[40] * np.exp(leaving * (t[early] - t[40])),
    "k:",
    label="predicted rates",
)
end = np.flatnonzero(from_best < 1e-2)[0]
tail = t[end:]
distances.semilogy(tail, from_best[end] * np.exp(-arriving * (tail - tail[0])), "k:")
distances.set(
    xlabel="time $t$",
    ylabel=r"$\|W(t) - W_J\|_F$",
    title="Distance from critical points",
    ylim=(1e-7, 30),
)
distances.legend(frameon=False)
figure.suptitle(
    "The flow leaves a saddle and ends at the minimum, at the predicted rates"
)
plt.show()

late = (from_best < 1e-3) & (from_best > 1e-6)
slope = -np.polyfit(t[late], np.log(from_best[late]), 1)[0]
print(f"rate at the end: predicted {arriving:.4f}, measured {slope:.4f}")

# %%
# ``classify`` says where a matrix is, with the distance and the tolerance behind its
# verdict.

print(fixedrank.classify(problem, start, depth=depth, rtol=1e-3))
print(fixedrank.classify(problem, flow.points[200], depth=depth))
print(fixedrank.classify(problem, flow.points[-1], depth=depth, rtol=1e-3))

# %%
# Saddles of the layers
# ---------------------
#
# In the space of layers there are saddles that are not strict. The same matrix, the
# minimum on the matrices of rank 2, is a strict saddle of :math:`L^2`, from which a
# direction leads down, and for balanced layers a non-strict saddle of :math:`L^3`:
# there the Hessian has no negative eigenvalue, though the loss could be lower.

for count in (2, 3):
    layers = fixedrank.balanced_factors(
        best.point, [d_x, *[5] * (count - 1), d_y], rng=0
    )
    print(f"N = {count}:", fixedrank.classify_factors(problem, layers))

# %%
# Which theorem of the paper applies to a start, ``check_hypotheses`` says:

print(
    fixedrank.check_hypotheses(
        problem, fixedrank.gaussian_factors([d_x, 4, d_y], rng=0)
    )
)
