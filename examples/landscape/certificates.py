r"""
Certificates
============

**You learn** to ask of a start how fast its flow converges at least, before it is run,
and how near this comes to the rates that are measured.

**You need** the page on :ref:`critical points
<sphx_glr_gallery_landscape_critical_points.py>`; to run it, matplotlib.

A flow that is run shows how it went. A certificate says how it must go: that the loss
falls at a rate of at least so much, for all times. Two theorems give one, and both are
proven on the page on :doc:`certificates </mathematics/certificates>`.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank
from fixedrank.plotting import depth_style

rng = np.random.default_rng(3)
d_y, d_x, k = 4, 6, 2
X = rng.standard_normal((d_x, 60)) / np.sqrt(60)
problem = fixedrank.LinearRegression(X, rng.standard_normal((d_y, d_x)) @ X)

# %%
# Below the next critical value
# -----------------------------
#
# On the matrices of rank :math:`k` the next critical value is half of
# :math:`\sigma_k^2 - \sigma_{k+1}^2` above the minimum. From every start below it, flow
# (9) has a proven rate, and so have balanced layers. Here the starts are on the way
# from the minimum to zero.

best = fixedrank.global_minimizer(problem, k).point
for shrunk in (0.9, 0.7, 0.5):
    start = best._replace(s=shrunk * best.s)
    print(f"{shrunk}:", fixedrank.certify(problem, start, 3))

# %%
# The bound holds at all times, for any data, shapes and depths. As the loss falls a new
# and higher rate is proven at each value, so that the bound bends. On white data, as
# here, it ends as steep as the loss: no higher rate could be proven there.

values = np.array([3.0, 2.0, 1.2, 0.7])
white = fixedrank.LinearRegression(np.eye(4), np.diag(values))
matrix = np.diag([2.1, 1.7, 0.0, 0.0]) + 0.1 * rng.standard_normal((4, 4))
start = fixedrank.FixedRank(4, 4, k, depth=1).point(matrix)
figure, below = plt.subplots(figsize=(7, 4.4), layout="constrained")
for depth in (1, 2, 3):
    certificate = fixedrank.certify(white, start, depth)
    t = np.linspace(0, 9, 200)
    flow = fixedrank.riemannian_flow(white, start, depth, t, rtol=1e-10, atol=1e-13)
    excess, bound = flow.loss - certificate.minimum, certificate.bound(t)
    assert (excess <= bound + 1e-10).all()
    look = depth_style(depth) | {"markevery": 0.12, "ms": 5}
    seen = excess > 1e-10
    below.semilogy(t[seen], excess[seen], label=f"$N = {depth}$", **look)
    below.semilogy(t, bound, **(look | {"lw": 0.8, "mfc": "w"}))
    print(
        f"N = {depth}: a rate of {certificate.rate:.4f} at the start, "
        f"{certificate.final_rate:.4f} in the end"
    )
below.set(
    xlabel="time $t$",
    ylabel="loss $L^1(W(t))$ above the minimum",
    title="Flow (9) of rank 2: losses, and bounds (hollow)",
    ylim=(1e-10, 5),
)
below.legend(frameon=False, fontsize=8)
figure.suptitle("No flow is slower than its certificate")
plt.show()

# %%
# Wide layers
# -----------
#
# Layers that are not balanced have a rate for another reason. Gradient flow keeps
# :math:`D_j = W_{j+1}^T W_{j+1} - W_j W_j^T`, and where the eigenvalues of these are
# large enough, no layer but one can lose rank. Two layers as wide as input and output
# together have one from nearly every random start, from any loss to any target.
# Deeper ones have one if the layers grow away from one of them.

kinds = {
    "2 layers, width 12": (
        depth_style(2)["color"],
        "o",
        [fixedrank.gaussian_factors([d_x, 12, d_y], rng=seed) for seed in range(12)],
    ),
    "2 layers, width 30": (
        depth_style(5)["color"],
        "^",
        [fixedrank.gaussian_factors([d_x, 30, d_y], rng=seed) for seed in range(12)],
    ),
    "3 layers, growing": (
        depth_style(10)["color"],
        "s",
        [
            [
                size * layer
                for size, layer in zip(
                    (0.5, 1.0, 3.0),
                    fixedrank.gaussian_factors([d_x, 12, 8, d_y], rng=seed),
                    strict=True,
                )
            ]
            for seed in range(12)
        ],
    ),
}
figure, wide = plt.subplots(figsize=(7, 4.4), layout="constrained")
for name, (color, marker, starts) in kinds.items():
    certified, measured = [], []
    for layers in starts:
        certificate = fixedrank.certify(problem, layers)
        if not certificate.applies:
            continue
        end = min(certificate.time_to(0.3 * certificate.excess), 8.0)
        t = np.linspace(0, end, 60)
        loss = fixedrank.factored_flow(problem, layers, t).loss - certificate.minimum
        seen = loss[1:] > 1e-10 * loss[0]
        # The largest rate for which the exponential would be a bound all the time.
        rates = np.log(loss[0] / loss[1:][seen]) / t[1:][seen]
        certified.append(certificate.rate)
        measured.append(float(rates.min()))
    print(f"{name}: {len(certified)} of {len(starts)} starts have a certificate")
    wide.loglog(certified, measured, marker, color=color, mfc="none", label=name)
ends = np.array([1e-3, 30.0])
wide.loglog(ends, ends, "k:", label="as fast as certified")
wide.set(
    xlabel="certified rate",
    ylabel="measured rate",
    title="Flow (5) of layers that are not balanced",
)
wide.legend(frameon=False, fontsize=8)
figure.suptitle("Certified and measured rates from random starts")
plt.show()

# %%
# Where no theorem applies, the certificate says why, with the numbers.

for layers in (
    fixedrank.gaussian_factors([d_x, 5, 5, d_y], rng=0),
    fixedrank.gaussian_factors([d_x, 3, 5, d_y], rng=0),
    fixedrank.random_balanced_factors([d_x, 3, d_y], rng=0),
):
    print(fixedrank.certify(problem, layers))

# %%
# ``check_hypotheses`` has the same beside the theorems of the paper, ``classify`` for
# the flow from a matrix, and ensembles count the starts below the next critical value.

print(fixedrank.check_hypotheses(white, start, 3))
