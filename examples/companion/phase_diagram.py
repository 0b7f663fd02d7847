r"""
A phase diagram over depth and size
===================================

**You learn** to run thousands of flows in one compiled program, over depths and sizes
of the start, and at which depth networks begin to learn one singular value after the
other.

**You need** the guide to :doc:`the companion for JAX </jax>`; to run it, jax
and matplotlib.

A deep linear network that starts small learns the largest singular value first, and
the others later. How much later hangs on the depth :math:`N` and on the size
:math:`\varepsilon` of the start. In the paper's flow (9) the depth is any real number,
so both can be axes of a map.
"""

import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from fixedrank.jax import CorePoint, integrate, riemannian_field

jax.config.update("jax_enable_x64", True)

rng = np.random.default_rng(0)
left, right = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
sigma = (2.0, 1.0)
target = jnp.asarray(left @ np.diag(sigma) @ right.T)


def loss(W):
    """Return the squared distance to the target, halved."""
    return jnp.sum((W - target) ** 2) / 2


# %%
# One run, as a function of the depth and the size. The start is balanced and has two
# equal singular values: :math:`\varepsilon U V^T`. Time is that of the largest singular
# value, :math:`s_1' = s_1 (\sigma_1 - s_1)`, so that the end, where half of it is
# learned, is known beforehand and at the same place for all depths.


def second_learned(case):
    """Return the share of the second where half of the first is learned."""
    depth, size = case
    flow = riemannian_field(loss, depth)

    def field(t, point, args):
        clock = depth * jnp.linalg.norm(point.core, 2) ** (1 - 2 / depth)
        return jax.tree.map(lambda part: part / clock, flow(t, point))

    start = CorePoint(jnp.asarray(left), size * jnp.eye(2), jnp.asarray(right))
    end = jnp.log((sigma[0] - size) / size) / sigma[0]
    states = integrate(field, start, jnp.array([0, end]), rtol=1e-6)
    return jnp.linalg.svd(states.core[-1], compute_uv=False)[1] / sigma[1]


# %%
# Depth and size are traced: one program serves all of them. On a CPU ``jax.lax.map``
# with batches is faster than ``jax.vmap`` over all at once, which waits in each of its
# steps for the slowest run. Where the batches divide the number of runs, no second
# program is compiled for the rest.

depths, sizes = np.linspace(1, 7.2, 32), np.geomspace(1e-6, 0.5, 48)
cases = [jnp.asarray(part.ravel()) for part in np.meshgrid(depths, sizes)]
begun = time.perf_counter()
program = jax.jit(lambda cases: jax.lax.map(second_learned, cases, batch_size=128))
compiled = program.lower(cases).compile()
ready = time.perf_counter()
shares = np.asarray(compiled(cases)).reshape(len(sizes), len(depths))
print(f"{shares.size} runs; the program was compiled in {ready - begun:.0f} s")

# %%
# In this flow both singular values move alone, :math:`s_i' = N s_i^{2-2/N}(\sigma_i -
# s_i)`, so that the share is known another way: by quadrature of :math:`dt/ds`, and the
# :math:`s_2` that takes as long as half of :math:`s_1` does.


def known_share(depth, size):
    """Return the same share by quadrature."""

    def duration(value, i):
        def slowness(x):
            return np.exp(x * (2 / depth - 1)) / (depth * (sigma[i] - np.exp(x)))

        return quad(slowness, np.log(size), np.log(value), epsabs=0, epsrel=1e-8)[0]

    end = duration(sigma[0] / 2, 0)
    return brentq(lambda s: duration(s, 1) - end, size, 0.999 * sigma[1]) / sigma[1]


gaps = [
    abs(shares[j, i] / known_share(depths[i], sizes[j]) - 1)
    for i in range(0, len(depths), 6)
    for j in range(0, len(sizes), 10)
]
print(f"largest relative difference from quadrature, {len(gaps)} runs: {max(gaps):.0e}")

# %%
# The map, and some of its columns.

figure, (plane, lines) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
shown = plane.pcolormesh(depths, sizes, np.log10(shares), shading="nearest", vmin=-6)
levels = [-5, -4, -3, -2, -1, -0.3]
contours = plane.contour(depths, sizes, np.log10(shares), levels, colors="white")
plane.clabel(contours, fmt=lambda level: f"{10**level:.2g}", fontsize=9)
plane.axvline(2, color="white", ls=":")
plane.set(
    yscale="log",
    title="Share of the second singular value",
    xlabel="depth $N$",
    ylabel=r"size $\varepsilon$ of the start",
)
figure.colorbar(shown, ax=plane, label=r"$\log_{10}(s_2 / \sigma_2)$")
styles = ("-", "--", "-.", ":")
for depth, style in zip((1.6, 2, 3, 6), styles, strict=True):
    column = np.abs(depths - depth).argmin()
    lines.loglog(sizes, shares[:, column], style, label=f"$N = {depth}$")
for power, shade, label in ((0.5, "0.6", "^{1/2}"), (1, "0.8", "")):
    look = {"color": shade, "lw": 5, "zorder": 0}
    lines.loglog(sizes, sizes**power, label=rf"$\varepsilon{label}$", **look)
lines.set(
    title="At some depths",
    xlabel=r"size $\varepsilon$ of the start",
    ylabel=r"$s_2 / \sigma_2$ when $s_1 = \sigma_1 / 2$",
)
lines.legend(frameon=False)
figure.suptitle("Beyond depth 2 small starts learn one singular value after the other")
plt.show()

# %%
# Depth 2 is the critical line. Above it a singular value leaves zero after a time like
# :math:`\varepsilon^{-(1-2/N)}`, almost all of which passes near zero, and the share
# of the second one falls like :math:`\varepsilon`. Below it a singular value leaves
# zero in finite time, whatever the start, and the share tends to a limit. At depth 2
# both grow exponentially, and :math:`s_2` is like
# :math:`\varepsilon (\sigma_1 / \varepsilon)^{\sigma_2 / \sigma_1} \sim
# \varepsilon^{1/2}`.
#
# A finer map, of 102,108 runs, is kept: ``python docs/results/phase_diagram.py`` makes
# it anew.
#
# .. image:: /_static/phase-diagram.png
#    :alt: Map of the share of the second singular value over depth and size, and its
#       columns at six depths: constant below depth 2, falling like the size beyond.
