r"""
From saddle to saddle
=====================

**You learn** why a network that starts small learns one singular value after the other,
and how to name and to compute the plateaus.

**You need** the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it,
matplotlib.

Started close to zero, a deep linear network learns one singular value after the other.
The loss stays on plateaus, at the critical values of :math:`L^1` on the matrices of
rank 0, 1, 2, ..., and falls from one to the next; the deeper the network, the longer
the plateaus and the steeper the steps.
"""

import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

rng = np.random.default_rng(0)
d, size = 6, 1e-3
left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
values = np.array([4.0, 2.5, 1.5, 0.8])
problem = fixedrank.LinearRegression(np.eye(d), (left[:, :4] * values) @ right[:, :4].T)

# %%
# The layers are balanced, so their product follows flow (9). All its singular values
# start at 0.001, with random singular vectors.

ends = {2: 8.0, 3: 20.0, 5: 60.0}
figure, panels = plt.subplots(2, 3, figsize=(12, 6), sharex="col", layout="constrained")
for (losses, singular), (depth, end) in zip(panels.T, ends.items(), strict=True):
    layers = fixedrank.random_balanced_factors([d] * (depth + 1), rng=1)
    layers = [size ** (1 / depth) * layer for layer in layers]
    t = np.linspace(0, end, 401)
    flow = fixedrank.factored_flow(problem, layers, t)
    for k in range(5):
        level = (values[k:] ** 2).sum() / 2
        losses.axhline(level, color="0.8", lw=1)
        if k < 4:
            losses.annotate(
                f"rank {k}", (end, level), fontsize=8, ha="right", va="bottom"
            )
    losses.plot(t, flow.loss, color="#0b3c5d")
    losses.set(title=f"$N = {depth}$", ylabel="loss $L^N$", ylim=(-0.7, 14))
    singular.plot(t, flow.singular_values, color="#e69f00")
    for value in values:
        singular.axhline(value, color="0.8", lw=1)
    singular.set(xlabel="time $t$", ylabel=r"$\sigma_i(W(t))$")
    plateaus = [
        float(np.interp(level, flow.loss[::-1], t[::-1]))
        for level in [
            ((values[k:] ** 2).sum() + (values[k + 1 :] ** 2).sum()) / 4
            for k in range(4)
        ]
    ]
    print(f"N = {depth}: the ranks 1 to 4 are learned at t =", np.round(plateaus, 2))
figure.suptitle(
    "The loss falls from one critical value to the next as each singular value rises"
)
plt.show()

# %%
# At each plateau ``classify`` names the saddle: the minimum among the matrices of its
# rank.

layers = [
    size ** (1 / 3) * w for w in fixedrank.random_balanced_factors([d] * 4, rng=1)
]
flow = fixedrank.factored_flow(problem, layers, [0.0, 3.7, 6.5, 10.0, 20.0])
for time, W in zip(flow.t, flow.product, strict=True):
    found = fixedrank.classify(problem, W, rtol=0.05)
    print(f"t = {time}: {found.verdict}")

# %%
# A callback sees each step and may end the run, here as it comes to the plateau of
# rank 2. With a store the same call goes on from there, also after Ctrl-C or a crash.

plateau = (values[2:] ** 2).sum() / 2
with tempfile.TemporaryDirectory() as folder:
    store = pathlib.Path(folder) / "flow.npz"
    flow = fixedrank.factored_flow(
        problem,
        layers,
        [0.0, 20.0],
        callback=lambda t, layers, loss: loss < 1.05 * plateau,
        store=store,
    )
    print(flow.status)
    flow = fixedrank.factored_flow(problem, layers, [0.0, 20.0], store=store)
    print(flow.status)

# %%
# With singular vectors aligned to those of the solution the plateaus can be computed:
# each singular value has a closed form. Here are both for :math:`N = 3`.

t = np.linspace(0, 12, 9)
start = (left[:, :4], np.full(4, size), right[:, :4].T)
exact = fixedrank.aligned_solution(problem, start, 3, t)
flow = fixedrank.riemannian_flow(problem, start, 3, t)
error = max(
    np.linalg.norm((a.u * a.s) @ a.vt - (b.u * b.s) @ b.vt)
    for a, b in zip(exact, flow.points, strict=True)
)
print(f"largest distance of the flow from the closed form: {error:.1e}")
