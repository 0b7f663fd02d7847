r"""
Temperature against weight decay
================================

**You learn** what a network has learned at a temperature and a weight decay, where its
rank falls, and why the effective rank is a poor thermometer.

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
# One singular value: the exact map
# ---------------------------------
#
# With matrices of rank 1 and of 2 x 2, and one singular value b = 1 to be learned, two
# integrals say all. Here is the learned share, the mean of :math:`u^\top W v / b`. Below
# the arrow the minimum is zero, without noise: for N = 2 the share falls to it without
# a jump, in deeper networks with one, at the decay of ``SchattenDecay.maxwell``. A little noise moves the jump ...


def learned(decay, temperature, depth):
    """Return the mean of u^T W v in equilibrium, for arrays of both."""
    decay, temperature = decay[..., None], temperature[..., None]
    r = np.linspace(0, 1.5 * np.sqrt(depth) * 1.6, 600)
    s = (r / np.sqrt(depth)) ** depth
    bessel = s / (2 * temperature)
    log = (2 * bessel * temperature - s**2 / 2 - decay * r**2 / 2) / temperature
    log -= log.max(axis=-1, keepdims=True)
    weights = r**2 * ive(0, bessel) ** 2 * np.exp(log)
    mean = (weights * s * ive(1, bessel) / ive(0, bessel)).sum(axis=-1)
    return mean / weights.sum(axis=-1)


decays, temperatures = np.meshgrid(
    np.linspace(0.01, 1.3, 90), np.geomspace(1e-3, 1, 70)
)
figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for panel, depth in zip(panels, (2, 3, 5), strict=True):
    share = learned(decays, temperatures, depth)
    lines = panel.contourf(
        decays, temperatures, share, np.arange(0, 1.05, 0.1), cmap="viridis"
    )
    panel.contour(decays, temperatures, share, [0.5], colors="k")
    if depth > 2:
        limit = fixedrank.SchattenDecay(1.0, depth).maxwell[1] ** (2 / depth - 2)
        panel.plot(limit, 1e-3, "^k", ms=12, clip_on=False, zorder=3)
    panel.set(xlabel=r"weight decay $\lambda$", yscale="log", title=f"$N = {depth}$")
panels[0].set(ylabel="temperature $T$")
figure.colorbar(lines, ax=panels, label="learned share")
figure.suptitle("How much is learned")
plt.show()
