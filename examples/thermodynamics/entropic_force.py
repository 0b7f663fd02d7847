r"""
The entropic force of depth
===========================

**You learn** where noise takes a network that has learned its data already, what the
entropy of the layers adds to it, and what both do to the rank.

**You need** :ref:`a double well <sphx_glr_gallery_thermodynamics_double_well.py>`; to
run it, matplotlib.

Many matrices fit few data. A flow stops at the first one that it meets; noise goes on
along the valley, and only its volume says where it is then. Noise on the product
counts the matrices, noise on the layers counts all balanced layers of a matrix, too:
their entropy S, :func:`~fixedrank.log_fibre_volume`, acts like a force
:math:`T \nabla S`. Some weight decay holds the product back.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

# %%
# Along a valley
# --------------
#
# Of the matrices of 3 x 3 and rank 2 one sample is known, :math:`W e_1 = e_1`. The
# network has learned it with next to no rank: :math:`s = (1, 0.001)`. Then noise sets
# in, on the product (``widths=None``) or on three layers with hidden widths 2 or 4.

temperature, decay, rank, size = 0.05, 0.1, 2, 3
sample = np.eye(size)[:, :1]
problem = fixedrank.LinearRegression(sample, sample)
start = (np.eye(3)[:, :2], np.array([1.0, 1e-3]), np.eye(3)[:2])


def widths(depth, hidden):
    """Return the widths of the layers, or none for noise on the product."""
    return None if hidden is None else [size] + [hidden] * (depth - 1) + [size]


noises = {
    None: ("noise on the product", "#0b3c5d", "-", "o"),
    2: ("on layers of width 2", "#b35900", "--", "s"),
    4: ("on layers of width 4", "#4d7c0f", ":", "^"),
}
t = np.linspace(0, 40, 81)
runs = {
    hidden: fixedrank.langevin(
        problem,
        start,
        3,
        t,
        temperature=temperature,
        weight_decay=decay,
        widths=widths(3, hidden),
        copies=100,
        step=0.05,
        rng=0,
    )
    for hidden in noises
}

# %%
# The loss stays near what noise costs in the three directions that are seen,
# :math:`3T/2`. But the matrix does not stay where it was: what the sample does not see
# grows until the decay holds it, and the second singular value rises from nothing. So
# this is no search for a simple matrix. The entropy of the layers pushes the same way,
# to larger singular values, and more so the wider the layers are.
#
# The exact law
# -------------
#
# In equilibrium the density of :math:`r_j = \sqrt N s_j^{1/N}` is known. With
# :math:`p = s^{2/N}` it has the factors :math:`|p_1 - p_2| \, p_1 p_2` of the volume,
# :math:`e^{-\lambda r^2 / 2T}` of the decay, and, for layers of width d,
# :math:`\sqrt{c_{12}} \, (p_1 p_2)^{(N-1)(d-2)/2}` of their entropy. What is left is
# the mean of :math:`e^{-L/T}` over all frames. There :math:`W e_1` has a random
# direction and the length :math:`\|(s_1 v_1, s_2 v_2)\|`, where v is a random unit
# vector of three entries. The means of this law are the marks at the right edge.

psi, psi_weights = np.polynomial.legendre.leggauss(100)
lengths = np.geomspace(1e-4, 1e4, 2000)
top = np.arcsin(np.minimum(1, 3 / lengths))[:, None]
sines = np.sin(top * (psi + 1) / 2)
seen = lengths[:, None] * sines
fit = np.exp(-((seen - 1) ** 2) / (2 * temperature))
fit *= -np.expm1(-2 * seen / temperature) / seen * sines
# The mean over the third entry of v, where the other two have a length of their own.
fit = top[:, 0] * (fit @ psi_weights)

LONGEST = 8.5  # radii beyond have next to no weight


def equilibrium(depth, hidden, points=140):
    """Return singular values, and weights of the exact law at them."""
    smaller, larger = np.triu_indices(points, 1)
    r = LONGEST * (np.stack((larger, smaller)) + 0.5) / points
    p = r**2 / depth
    s = p ** (depth / 2)
    log = np.log(p[0] - p[1]) + (size - rank) * np.log(p).sum(axis=0)
    log -= decay * (r**2).sum(axis=0) / (2 * temperature)
    if hidden is not None:
        c = sum(p[0] ** (depth - 1 - j) * p[1] ** j for j in range(depth))
        log += np.log(c) / 2 + (depth - 1) * (hidden - rank) / 2 * np.log(p).sum(axis=0)
    angles = np.pi / 2 * (np.arange(100)[:, None] + 0.5) / 100
    mean = np.interp(
        np.hypot(np.cos(angles) * s[0], np.sin(angles) * s[1]), lengths, fit
    ).mean(axis=0)
    weights = mean * np.exp(log - log.max())
    return s, weights / weights.sum()


def unseen(run):
    """Return the squared length of what the sample does not see."""
    _, s, vt = run.points
    return (s**2 * (1 - vt[..., 0] ** 2)).sum(axis=-1)


figure, (loss, rest, values) = plt.subplots(
    1, 3, figsize=(12, 4.2), layout="constrained"
)
for hidden, (name, colour, line, mark) in noises.items():
    style = {"color": colour, "ls": line}
    run, (s, weights) = runs[hidden], equilibrium(3, hidden)
    for panel, quantity in ((loss, run.loss), (rest, unseen(run))):
        mean, error = run.observable(quantity)
        panel.plot(t, mean, **style, label=name)
        panel.fill_between(t, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    for j in range(2):
        mean, _ = run.observable(run.singular_values[..., j])
        values.plot(t, mean, **style)
        values.plot(40.5, weights @ s[j], mark, color=colour, mfc="none", clip_on=False)
loss.axhline(1.5 * temperature, color="k", lw=0.8)
loss.set(xlabel="time $t$", ylabel="loss", title="What the sample sees")
rest.set(xlabel="time $t$", title="What it does not see")
rest.set(ylabel=r"$\|W - W e_1 e_1^\top\|^2$")
values.set(xlabel="time $t$", ylabel=r"singular values $s_1$, $s_2$")
values.set(title="Singular values", yscale="log", ylim=(5e-3, 5))
loss.legend()
figure.suptitle("At zero loss the noise leaves the matrix of low rank")
plt.show()

# %%
# Not only the means agree. Here are the values that the copies have from t = 15 on,
# and the exact densities of :math:`\sigma_j = s_j^{1/N}`, the singular values of one
# layer.

figure, panels = plt.subplots(
    1, 3, figsize=(12, 3.8), sharey=True, layout="constrained"
)
edges = np.linspace(0, LONGEST, 86) / np.sqrt(3)
middles = (edges[1:] + edges[:-1]) / 2
for panel, (hidden, (name, colour, line, _)) in zip(
    panels, noises.items(), strict=True
):
    s, weights = equilibrium(3, hidden, points=340)
    late = runs[hidden].singular_values[t >= 15]
    for j, hatch in enumerate(("", "///")):
        values = np.cbrt(late[..., j]).ravel()
        panel.hist(values, edges, density=True, color=colour, alpha=0.3, hatch=hatch)
        exact, _ = np.histogram(np.cbrt(s[j]), edges, weights=weights)
        panel.plot(middles, exact / np.diff(edges), color="k", ls=line)
    panel.set(xlabel=r"$s_1^{1/3}$, $s_2^{1/3}$", title=name, xlim=(0, 2.2))
panels[0].set(ylabel="density")
figure.suptitle("Singular values of copies (bars) and the exact law (lines)")
plt.show()

# %%
# Depth
# -----
#
# The volume does not know the depth: without data the law of the :math:`r_j` is the
# same for all N. But :math:`s_j = (r_j / \sqrt N)^N`, so that the same r are a matrix
# of lower effective rank the deeper the network is. This is what depth does to the rank
# under noise on the product.
#
# The entropy of layers of width k hardly changes the rank, though it pushes outwards.
# That of wider layers works against the low rank: its force on r,
# :math:`T \sum_j (d_j - k) / r_j`, is the one that so many more columns of the matrix
# would have, and lifts a small singular value more than a large one.

depths = np.arange(1, 9)
figure, (ranks, values) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for hidden, (name, colour, line, mark) in noises.items():
    style = {"color": colour, "ls": line, "marker": mark, "mfc": "none"}
    laws = [equilibrium(depth, hidden) for depth in depths]
    shares = [s / s.sum(axis=0) for s, _ in laws]
    effective = [
        weights @ np.exp(-(share * np.log(share)).sum(axis=0))
        for share, (_, weights) in zip(shares, laws, strict=True)
    ]
    ranks.plot(depths, effective, **style, label=name)
    for j in range(2):
        values.semilogy(depths, [weights @ s[j] for s, weights in laws], **style)
ranks.set(xlabel="depth $N$", ylabel="mean effective rank", title="Effective rank")
values.set(xlabel="depth $N$", ylabel=r"mean of $s_1$ and of $s_2$", ylim=(1e-3, 30))
values.set(title="Singular values")
ranks.legend()
figure.suptitle("Depth lowers the rank; the entropy of wide layers raises it")
plt.show()

# %%
# On the product alone the largest singular value shrinks with depth, too: at depth 8
# the decay costs :math:`\lambda N / 2 = 0.4` where the sample is learned, not much less
# than the loss 0.5 of zero. It is the :ref:`double well
# <sphx_glr_gallery_thermodynamics_double_well.py>` again.
