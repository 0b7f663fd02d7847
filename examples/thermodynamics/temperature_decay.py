r"""
Temperature against weight decay
================================

**You learn** what a network has learned at a temperature and a weight decay, and why
the effective rank is a poor measure of it.

**You need** :ref:`a double well <sphx_glr_gallery_thermodynamics_double_well.py>`; to
run it, matplotlib.

Weight decay :math:`\lambda` and noise of temperature T both work against the data, in
different ways: decay takes small singular values away, noise fills them up. In
equilibrium the product has the law :math:`e^{-(L + \lambda r^2/2)/T} \,
d\mathrm{vol}_g` with :math:`r^2 = N \sum_i s_i^{2/N}`.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ive

import fixedrank

# %%
# One singular value
# ------------------
#
# With matrices of 2 x 2 and of rank 1, and one singular value b = 1 to be learned, the
# law has a density that can be integrated: see the
# :ref:`double well <sphx_glr_gallery_thermodynamics_double_well.py>`. Here is the share
# of b that is learned, the mean of :math:`u^\top W v`. Without noise it falls to zero
# smoothly for N = 2, and with a jump in deeper networks, at the decay of
# ``SchattenDecay.maxwell``: the triangle. Noise makes the jump a slope, and moves it to
# smaller decays. Beyond the triangle a warm network has learned a little where a cold
# one has learned nothing.


def learned(decay, temperature, depth):
    """Return the mean of u^T W v in equilibrium, for arrays of both."""
    decay, temperature = decay[..., None], temperature[..., None]
    r = np.linspace(0, 2.5 * np.sqrt(depth), 500)
    s = (r / np.sqrt(depth)) ** depth
    bessel = s / (2 * temperature)
    exponent = (2 * s - s**2 - decay * r**2) / (2 * temperature)
    exponent -= exponent.max(axis=-1, keepdims=True)
    zeroth, first = ive(0, bessel), ive(1, bessel)
    weights = r**2 * zeroth * np.exp(exponent)
    return (weights * s * first).sum(axis=-1) / (weights * zeroth).sum(axis=-1)


figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for panel, depth, end in zip(panels, (2, 3, 5), (1.3, 0.65, 0.4), strict=True):
    grid = np.meshgrid(np.linspace(0.01, end, 50), np.geomspace(1e-3, 1, 40))
    share = learned(*grid, depth)
    image = panel.contourf(*grid, share, np.arange(0, 1.05, 0.1), cmap="cividis")
    panel.contour(
        *grid, share, [0.25, 0.5, 0.75], colors="k", linestyles=[":", "-", "--"]
    )
    if depth > 2:
        jump = fixedrank.SchattenDecay(1.0, depth).maxwell[1] ** (2 / depth - 2)
        panel.plot(jump, 1e-3, "^k", mec="w", ms=12, clip_on=False, zorder=3)
    panel.set(xlabel=r"weight decay $\lambda$", yscale="log", title=f"$N = {depth}$")
panels[0].set(ylabel="temperature $T$")
figure.colorbar(image, ax=panels, label="learned share")
figure.suptitle("Noise makes the jump of deep networks a slope")
plt.show()

# %%
# Many singular values
# --------------------
#
# Four singular values are to be learned by matrices of rank 4, at N = 3. Of this law no
# integral is known, so it is sampled, over a grid of temperatures and decays. The runs
# start at the solution without decay. A singular value counts as learned if the mean of
# :math:`u_i^\top W v_i` is more than half of it.

depth, values = 3, np.array([3.0, 1.8, 1.0, 0.5])
problem = fixedrank.LinearRegression(np.eye(6), np.eye(5, 4) * values @ np.eye(4, 6))
solution = fixedrank.global_minimizer(problem, 4).point
temperatures, decays = np.geomspace(1e-3, 0.6, 4), np.geomspace(0.05, 2.5, 6)


def sample(start, temperature, decay):
    """Return the means of singular values, effective rank and what is learned."""
    run = fixedrank.langevin(
        problem,
        start,
        depth,
        np.linspace(0, 6, 13),
        temperature=temperature,
        weight_decay=decay,
        copies=12,
        step=0.05,
        rng=0,
    )
    u, s, vt = (part[7:] for part in run.points)
    share = s / s.sum(axis=-1, keepdims=True)
    rank = np.exp(-(share * np.log(share)).sum(axis=-1)).mean()
    found = np.einsum("...ij,...j,...ji->...i", u[..., :4, :], s, vt[..., :4])
    return s.mean(axis=(0, 1)), rank, found.mean(axis=(0, 1))


cells = [[sample(solution, T, decay) for decay in decays] for T in temperatures]
ranks = np.array([[rank for _, rank, _ in row] for row in cells])
found = np.array([[found for *_, found in row] for row in cells])

figure, (table, lines) = plt.subplots(
    1, 2, figsize=(12, 4.4), width_ratios=(3, 2), layout="constrained"
)
image = table.imshow(
    ranks, cmap="cividis", origin="lower", aspect="auto", vmin=1, vmax=4
)
for (i, j), rank in np.ndenumerate(ranks):
    count = (found[i, j] > values / 2).sum()
    colour = "w" if rank < 2.3 else "k"
    table.text(
        j,
        i,
        f"{count} learned\nrank {rank:.1f}",
        color=colour,
        ha="center",
        va="center",
    )
table.set_xticks(range(6), np.round(decays, 2))
table.set_yticks(range(4), np.round(temperatures, 3))
table.set(xlabel=r"weight decay $\lambda$", ylabel="temperature $T$")
table.set(title="What is learned, and the effective rank")
figure.colorbar(image, ax=table, label="mean effective rank")
marks = ("o-", "s--", "^-.", "v:")
for j, mark in enumerate(marks):
    sizes = [s[j] for s, *_ in cells[0]]
    lines.loglog(decays, sizes, mark, color="#0b3c5d", label=f"$s_{j + 1}$")
    lines.loglog(decays, [s[j] for s, *_ in cells[2]], mark, color="#e08214")
lines.set(xlabel=r"weight decay $\lambda$", ylabel="mean singular values")
lines.set(title=f"$T = {temperatures[0]:.3f}$ (dark) and {temperatures[2]:.2f} (light)")
lines.legend()
figure.suptitle(
    "Decay and noise both unlearn; the effective rank falls, and rises again"
)
plt.show()

# %%
# Decay alone takes one singular value after the other: from left to right in the lowest
# row. Noise alone does so, too: from the lowest row to the top on the left. But what
# decay has unlearned is small; what noise has unlearned is as large as before, and has
# turned away from the data.

for (s, _, along), temperature in zip(
    [row[0] for row in cells], temperatures, strict=True
):
    print(f"T = {temperature:.3f}: s = {np.round(s, 2)}, learned {np.round(along, 2)}")

# %%
# So the effective rank does not say what is learned. It is least where one singular
# value stands out. Where nothing is learned it rises again: of the noise that is left,
# :math:`s_j^{1/N}` are as the singular values of a Gaussian matrix, and their ratios
# know no temperature.
#
# The start
# ---------
#
# All this is after a time of 3 to 6. In the cold a run from near zero, where the
# smaller singular values do not rise by themselves, ends elsewhere than one from the
# solution; warmth makes it forget where it came from.

manifold = fixedrank.FixedRank(5, 6, 4, depth=depth)
for temperature in temperatures[:3]:
    decay = decays[2]
    below = manifold.random_gibbs(decay / temperature, size=12, rng=0)
    for name, start in (("the solution", solution), ("near zero", below)):
        *_, found = sample(start, temperature, decay)
        print(f"T = {temperature:.3f}, from {name}:", np.round(found, 2))
