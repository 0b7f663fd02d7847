r"""
A double well
=============

**You learn** which of two minima noise prefers, how long it stays in one, and how to
compute both from the critical points alone.

**You need** :ref:`weight decay <sphx_glr_gallery_training_weight_decay.py>`; to run
it, matplotlib.

In networks of three layers and more weight decay leaves two minima: one that has
learned, and zero. A flow ends at the one that it comes to. With noise of temperature T
it leaves each after a while, and in the long run the product is distributed as
:math:`e^{-F/T} \, d\mathrm{vol}_g`, where F is the loss and the penalty of the decay.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, ive

import fixedrank
from fixedrank.plotting import depth_style

# %%
# Two minima and a saddle
# -----------------------
#
# One singular value b = 1 is to be learned, by matrices of rank 1. The decay lies below
# that of ``SchattenDecay.maxwell``, at which both minima are as good: here the learned
# one is the better. Between them lies a saddle. Zero is no point of the manifold, but
# the tip of the cone that the matrices of rank 1 are.

depth, decay = 3, 0.37
problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.0, 0.0]))
manifold = fixedrank.FixedRank(2, 2, 1, depth=depth)
loss_of_zero = 0.5


def learned_and_saddle(decay):
    """Return the two critical points of rank 1."""
    options = {"depth": depth, "weight_decay": decay}
    found = fixedrank.critical_points(problem, 1, **options)
    return sorted(found, key=lambda critical: critical.morse_index)


learned, saddle = learned_and_saddle(decay)
for critical in (learned, saddle):
    spectrum = np.round(critical.hessian_spectrum(depth), 3)
    print(f"{critical.kind}: F = {critical.objective:.4f}, eigenvalues {spectrum}")
equal = fixedrank.SchattenDecay(1.0, depth).maxwell[1] ** (2 / depth - 2)
print(f"zero: F = {loss_of_zero}; both minima are as good at the decay {equal:.3f}")


def langevin(temperature, copies, t):
    """Return a run, of which one half starts learned and one half near zero."""
    half = copies // 2
    zeros = manifold.random_gibbs(decay / temperature, size=half, rng=0)
    start = [
        np.concatenate((np.repeat(part[None], half, axis=0), near_zero))
        for part, near_zero in zip(learned.point, zeros, strict=True)
    ]
    options = {"weight_decay": decay, "step": 0.05, "rng": 1}
    return fixedrank.langevin(
        problem, start, depth, t, temperature=temperature, **options
    )


run = langevin(0.02, 2, np.linspace(0, 100, 401))
colour = depth_style(depth)["color"]
figure, (well, path) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 2), layout="constrained", sharey=True
)
s = np.linspace(0, 0.95, 400)
objective = (s - 1) ** 2 / 2 + decay * depth / 2 * s ** (2 / depth)
well.plot(objective, s, color=colour)
style = {"color": "k", "ms": 8, "ls": "none"}
well.plot(loss_of_zero, 0.0, "o", label="zero", **style)
well.plot(saddle.objective, saddle.point.s, "x", label="saddle", **style)
well.plot(learned.objective, learned.point.s, "s", label="learned", **style)
well.set(
    xlabel="$F(s)$",
    ylabel="singular value $s$",
    title="The landscape",
    ylim=(-0.05, 1.3),
)
well.legend(loc="upper left")
starts = {"from the learned one": (colour, 1.0), "from zero": ("0.6", 1.6)}
for j, (name, (shade, width)) in reversed(list(enumerate(starts.items()))):
    values = run.singular_values[:, j, 0]
    path.plot(run.t, values, color=shade, lw=width, label=name)
path.axhline(saddle.point.s[0], color="k", ls=":", lw=1)
path.set(xlabel="time $t$", title="Two copies at $T = 0.02$")
path.legend(loc="upper right")
figure.suptitle("Noise goes over the saddle, from either minimum to the other")
plt.show()

# %%
# How long
# --------
#
# A copy has changed sides once it is deep in the other well. The rate of this is, for
# low temperature, that of Eyring and Kramers, here with the eigenvalues of the
# Riemannian Hessian. With the negative one :math:`-\mu` of the saddle,
#
# .. math:: \text{rate} \approx \frac{\mu}{2 \pi} \frac{Z_\text{saddle}}
#     {Z_\text{minimum}}, \qquad
#     Z = \prod_i \sqrt{\frac{2 \pi T}{|\lambda_i|}} \, e^{-F/T}.
#
# Zero has no Hessian, but what counts of a minimum is the integral of
# :math:`e^{-F/T}` around it, and at zero this is
# :meth:`~fixedrank.FixedRank.log_partition`. So the formula says the way back, too.
# Changes of 200 copies are counted over a time of 48, once starts are forgotten.


def log_integrals(decay, temperature):
    """Return ln Z at the learned one, at the saddle, and at zero."""
    z = [
        np.log(2 * np.pi * temperature / abs(critical.hessian_spectrum(depth))).sum()
        / 2
        - critical.objective / temperature
        for critical in learned_and_saddle(decay)
    ]
    return *z, manifold.log_partition(decay / temperature) - loss_of_zero / temperature


def rates(temperature):
    """Return the rates of Eyring and Kramers: from the learned one, and from zero."""
    at_learned, at_saddle, at_zero = log_integrals(decay, temperature)
    factor = -saddle.hessian_spectrum(depth)[0] / (2 * np.pi)
    return factor * np.exp(at_saddle - np.array([at_learned, at_zero]))


def counted(run):
    """Return the numbers of changes from each side, and the times spent there."""
    s = run.singular_values[..., 0]
    deep = s > 0.4 * learned.point.s, s < saddle.point.s / 8
    sides = np.where(deep[0], 1.0, np.where(deep[1], 0.0, np.nan))
    sides[0] = s[0] > saddle.point.s
    for before, after in itertools.pairwise(sides):
        after[np.isnan(after)] = before[np.isnan(after)]
    sides = sides[run.t >= 8]
    changed = sides[1:] != sides[:-1]
    inside = np.array([sides[:-1] == 1, sides[:-1] == 0])
    return (inside & changed).sum(axis=(1, 2)), inside.sum(axis=(1, 2)) * run.t[1]


temperatures = np.array([0.014, 0.019, 0.028])
runs = [langevin(T, 200, np.arange(0, 56.1, 0.25)) for T in temperatures]
events, times = np.array([counted(run) for run in runs]).transpose(1, 2, 0)
measured, errors = events / times, np.sqrt(events) / times

fine = np.linspace(0.0125, 0.03, 20)
predicted = np.array([rates(T) for T in fine]).T
figure, panel = plt.subplots(figsize=(7, 4.4), layout="constrained")
looks = {"from the learned one": ("s", "-"), "from zero": ("o", "--")}
for j, (name, (mark, line)) in enumerate(looks.items()):
    panel.semilogy(1 / fine, predicted[j], color="k", ls=line)
    style = {"fmt": mark, "color": colour, "mfc": "none", "capsize": 3, "label": name}
    panel.errorbar(1 / temperatures, measured[j], errors[j], **style)
    (slope, _), covariance = np.polyfit(
        1 / temperatures,
        np.log(measured[j]),
        1,
        w=np.sqrt(events[j]),
        cov="unscaled",
    )
    barrier = saddle.objective - (learned.objective, loss_of_zero)[j]
    error = np.sqrt(covariance[0, 0])
    print(f"{name}: slope {-slope:.3f} +- {error:.3f}, barrier {barrier:.3f}")
panel.set(xlabel="$1/T$", ylabel="changes per time")
panel.legend()
figure.suptitle("Changes as counted, and the formula of Eyring and Kramers (lines)")
plt.show()

# %%
# The slopes are the heights of the saddle above the minima, as Arrhenius has it. The
# counts lie somewhat below the lines: the formula is a limit of :math:`T \to 0`, and
# the saddle is but one to four T high here.
#
# Which one
# ---------
#
# In the long run the shares of the minima are as the rates into them. For low
# temperature their ratio is that of the two integrals Z. Both grow as
# :math:`T^{3/2}`, so that the better minimum wins as :math:`T \to 0`; and where both
# are as good, zero does, since there is more room around it. On these matrices the law
# of the singular value is known, too: the density of :math:`r = \sqrt{3} s^{1/3}` is
# :math:`r^2 I_0(s / 2T)^2 e^{-(s^2 + \lambda r^2) / 2T}`, where the Bessel functions
# are what is left of the frames.


def exact_share(decay, temperature):
    """Return the probability that s is larger than at the saddle."""
    s_saddle = learned_and_saddle(decay)[1].point.s[0]
    r = np.linspace(0, 4, 4001)
    s = (r / np.sqrt(depth)) ** depth
    exponent = (2 * s - s**2 - decay * r**2) / (2 * temperature)
    bessel = ive(0, s / (2 * temperature))
    density = r**2 * bessel**2 * np.exp(exponent - exponent.max())
    return density[s > s_saddle].sum() / density.sum()


fine = np.geomspace(0.002, 0.1, 40)
figure, panel = plt.subplots(figsize=(7, 4.4), layout="constrained")
for look, value in enumerate((0.34, decay, equal, 0.42)):
    exact = [exact_share(value, T) for T in fine]
    shade = ("#0b3c5d", colour, "#4d7c0f", "#b35900")[look]
    panel.semilogx(
        fine, exact, color=shade, marker="v s^"[look], label=f"{value:.2f}", markevery=5
    )
    integrals = np.array([log_integrals(value, T) for T in fine])
    panel.plot(fine, expit(integrals[:, 0] - integrals[:, 2]), "k:", lw=1)
for temperature in (0.05, 0.1):
    run = langevin(temperature, 200, np.linspace(0, 20, 21))
    inside = (run.singular_values[..., 0] > saddle.point.s).astype(float)
    share, error = inside[10:].mean(), run.observable(inside)[1].mean()
    panel.errorbar(temperature, share, error, fmt="o", color="k", capsize=3)
panel.plot([], [], "ok", label="200 copies at 0.37")
panel.set(xlabel="temperature $T$", ylabel="share of the learned minimum")
panel.legend(title=r"decay $\lambda$", loc="center left", bbox_to_anchor=(0, 0.65))
figure.suptitle("Cold, the better minimum wins; dotted: the two integrals")
plt.show()
