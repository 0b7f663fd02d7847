r"""
Weight decay chooses the rank
=============================

**You learn** which rank weight decay leaves to a deep linear network, why it jumps in
networks of three layers and more, and how to know the minimum when you are there.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Weight decay :math:`-\lambda W_j` on every layer adds
:math:`\tfrac{\lambda N}{2} \sum_i s_i^{2/N}` to the loss of the product. On white data
each singular value b of the labels decides for itself: it ends at a root of
:math:`s + \lambda s^{2/N-1} = b`, or at zero.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

# %%
# One singular value
# ------------------
#
# Here b = 1. The flow starts at s = 1, where it ends without decay, and, once more,
# close to zero. For :math:`N = 2` both come to the soft threshold :math:`s = 1 -
# \lambda`, which reaches zero without a jump. For :math:`N > 2` there are two roots, or
# none: the upper one is stable, and the lower one parts what comes up from what falls
# to zero. So there is a jump, and where it happens depends on where one comes from. At
# the square zero and the upper root are as good.

one = fixedrank.LinearRegression(np.eye(1), np.eye(1))


def end_of_flow(problem, start, depth, decay, t=40.0):
    """Return the last point of the flow with weight decay, or one close to zero."""
    flow = fixedrank.riemannian_flow(
        problem,
        start,
        depth,
        [0.0, t],
        weight_decay=decay,
        keep="last",
        callback=lambda t, point, loss: point.s[0] < 1e-4,
    )
    return flow.last


figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for panel, depth in zip(panels, (2, 3, 6), strict=True):
    colour = depth_style(depth)["color"]
    decays = np.linspace(1e-3, 1.2, 600)
    for branch, line, label in (
        ("upper", "-", "upper root"),
        ("lower", ":", "lower root"),
    ):
        exact = [
            fixedrank.schatten_threshold(1.0, decay, depth, branch) for decay in decays
        ]
        if not np.isnan(exact).all():
            panel.plot(decays, exact, line, color=colour, lw=2, label=label)
    measured, style = (
        np.linspace(0.05, 1.15, 12),
        {"color": "k", "mfc": "none", "ms": 7},
    )
    for size, marker in ((1.0, "o"), (0.01, "x")):
        ends = [
            end_of_flow(one, ([[1.0]], [size], [[1.0]]), depth, decay).s[0]
            for decay in measured
        ]
        label = f"flow from {size:g}"
        panel.plot(measured, ends, marker, label=label, clip_on=False, **style)
    if depth > 2:
        # At decay 1 the two are as good for b_t; in units of b = 1 the decay is this.
        s, b = fixedrank.SchattenDecay(1.0, depth).maxwell
        panel.plot(
            b ** (2 / depth - 2), s / b, "s", color=colour, ms=9, label="as good as 0"
        )
    panel.set(title=f"$N = {depth}$", xlabel=r"weight decay $\lambda$", xlim=(0, 1.2))
    panel.legend(fontsize=8)
panels[0].set(ylabel="limit of the singular value $s$", ylim=(-0.03, 1.05))
figure.suptitle("Smooth for two layers, with a jump and a memory for more")
plt.show()

# %%
# The phase diagram
# -----------------
#
# With several singular values b the limit loses them one by one as the decay grows: for
# :math:`N = 2` at :math:`\lambda = b`, in deeper networks earlier. The minimum keeps
# those above :math:`b_t` of ``SchattenDecay.maxwell``, flows that come from large
# singular values keep those above :math:`b^*` of ``.spinodal``: the curves. The numbers
# on the right are the ranks of limits of flows that start at the solution without
# decay, those on the left are of ``global_minimizer``. Depths between whole numbers
# have a metric and a flow, too.

values = np.array([3.0, 1.8, 1.0, 0.5])
problem = fixedrank.LinearRegression(np.eye(4), np.diag(values))
solution = fixedrank.global_minimizer(problem, 4).point

figure, panels = plt.subplots(
    1, 2, figsize=(11, 4.5), sharey=True, layout="constrained"
)
depths, shades = np.linspace(2, 6.3, 100), ["#94abc1", "#b3c3d3", "#d0dae3", "#ebeff3"]
names = {"maxwell": "minimum", "spinodal": "limit of flows from above"}
for panel, (pair, name) in zip(panels, names.items(), strict=True):
    # A decay of 1 has this threshold; others are lambda^(N / (2N - 2)) times it.
    unit = [getattr(fixedrank.SchattenDecay(1.0, depth), pair)[1] for depth in depths]
    inner = np.zeros(depths.size)
    for b, shade in zip(values[::-1], shades, strict=True):
        outer = (b / np.array(unit)) ** (2 - 2 / depths)
        panel.fill_betweenx(depths, inner, outer, color=shade, lw=0)
        panel.plot(outer, depths, color="0.25", lw=1)
        inner = outer
    panel.set(xscale="log", xlim=(0.03, 4), ylim=(1.8, 6.3))
    panel.set(xlabel=r"weight decay $\lambda$", title=f"rank of the {name}")
panels[0].set(ylabel="depth $N$")

agree, style = 0, {"ha": "center", "va": "center"}
grid = (2, 2.5, 3, 4, 6), (0.04, 0.08, 0.3, 0.75, 1.55, 2.6)
for depth, decay in itertools.product(*grid):
    end = end_of_flow(problem, solution, depth, decay)
    options = {"depth": depth, "weight_decay": decay}
    found = fixedrank.classify(problem, end, rtol=1e-3, **options)
    best = fixedrank.global_minimizer(problem, 4, **options)
    panels[0].text(decay, depth, best.point.s.size, **style)
    panels[1].text(decay, depth, found.rank, **style)
    penalty = fixedrank.SchattenDecay(decay, depth)
    agree += found.rank == (values > penalty.spinodal[1]).sum()
print(f"{agree} of 30 limits have the rank of the diagram")
plt.show()

# %%
# ``classify`` says which critical point a limit is, and whether another rank would be
# better. With a singular value b between :math:`b^*` and :math:`b_t` it is a local
# minimum only.

end = end_of_flow(problem, solution, 4, 0.75)
print(fixedrank.classify(problem, end, depth=4, weight_decay=0.75))

# %%
# The minimum at two layers, for any data
# ---------------------------------------
#
# For :math:`N = 2` the objective is the loss and :math:`\lambda` times the sum of the
# singular values, which is convex. For data that are not white there is no list of
# critical points, but a certificate: at a critical point the largest singular value of
# the gradient is :math:`\lambda` if it is the minimum of all matrices, and larger if
# not. The excess is the rate at which wider layers leave it.

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 40)) * np.geomspace(0.3, 1.5, 6)[:, None]
mixed = fixedrank.LinearRegression(X, rng.standard_normal((5, 6)) @ X)
for width in (1, 2, 3, 4):
    start = fixedrank.FixedRank(5, 6, width, depth=2).random_point(rng=0)
    end = end_of_flow(mixed, start, 2, 25.0, t=30.0)
    print(f"width {width}:", fixedrank.dual_certificate(mixed, end, 25.0))
