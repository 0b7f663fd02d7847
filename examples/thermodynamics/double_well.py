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

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ive

import fixedrank
from fixedrank.plotting import depth_style

# %%
# Two minima and a saddle
# -----------------------
#
# One singular value b = 1 is to be learned, by matrices of rank 1. The decay lies below
# that of ``SchattenDecay.maxwell``, at which both minima are as good: here the learned
# one is the better. Between them lies a saddle. Zero is no point of the manifold: it is
# the tip of the cone that the matrices of rank 1 are.

depth, decay = 3, 0.37
problem = fixedrank.LinearRegression(np.eye(2), np.diag([1.0, 0.0]))
found = list(
    fixedrank.critical_points(problem, 1, depth=depth, weight_decay=decay)
)
for critical in found:
    spectrum = np.round(critical.hessian_spectrum(depth), 3)
    print(f"{critical.kind}: F = {critical.objective:.4f}, eigenvalues {spectrum}")
learned, saddle = sorted(found, key=lambda critical: critical.objective)
tip = 0.5  # the loss of W = 0
equal = fixedrank.SchattenDecay(1.0, depth).maxwell[1] ** (2 / depth - 2)
print(f"zero: F = {tip}; both are as good at the decay {equal:.3f}")


def start(temperature, copies, seed):
    """Return points of which one half is learned, and one half has the law near 0."""
    manifold = fixedrank.FixedRank(2, 2, 1, depth=depth)
    half = copies // 2
    tips = manifold.random_gibbs(decay / temperature, size=half, rng=seed)
    wells = (np.repeat(part[None], half, axis=0) for part in learned.point)
    return fixedrank.FixedRankPoint(*map(np.concatenate, zip(wells, tips, strict=True)))


options = {"depth": depth, "weight_decay": decay, "step": 0.05}
run = fixedrank.langevin(
    problem,
    start(0.02, 2, seed=0),
    t=np.linspace(0, 400, 1601),
    temperature=0.02,
    copies=2,
    rng=1,
    **options,
)

colour = depth_style(depth)["color"]
figure, (well, path) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 2), layout="constrained", sharey=True
)
s = np.linspace(0, 0.95, 400)
objective = (s - 1) ** 2 / 2 + decay * depth / 2 * s ** (2 / depth)
well.plot(objective, s, color=colour)
marks = {"o": (tip, 0.0), "s": (learned.objective, learned.point.s[0])}
marks["x"] = (saddle.objective, saddle.point.s[0])
for (mark, place), name in zip(marks.items(), ("zero", "learned", "saddle")):
    well.plot(*place, mark, color="k", ms=8, label=name, ls="none")
well.set(xlabel="$F(s)$", ylabel="singular value $s$", title="The landscape")
well.legend(loc="upper left")
path.plot(run.t, run.singular_values[:, 0], color=colour, lw=0.8, label="from the learned one")
path.plot(run.t, run.singular_values[:, 1], color="0.45", lw=0.8, label="from zero")
path.axhline(saddle.point.s[0], color="k", ls=":", lw=1)
path.set(xlabel="time $t$", title="Two copies at $T = 0.02$")
path.legend(loc="upper right")
figure.suptitle("Noise goes over the saddle, from either minimum to the other")
plt.show()

# %%
# Which one
# ---------
#
# The law of the singular value is known here: the density of :math:`r = \sqrt{3}
# s^{1/3}` is :math:`r^2 I_0(s / 2T)^2 e^{-(s^2 + \lambda r^2) / 2T}`, where the Bessel
# functions are what is left of the frames. At low temperature only the two minima
# count, each with the volume that noise fills around it: at the learned one that of a
# Gaussian by the eigenvalues, at zero :meth:`~fixedrank.FixedRank.log_partition`. Both
# volumes grow as :math:`T^{3/2}`, so that
#
# .. math:: \text{odds} \approx \prod_i \lambda_i^{-1/2} \, (2 \pi T)^{3/2}
#     e^{-F/T} / (Z(\lambda / T) \, e^{-F(0)/T}).
#
# Against it the counts of 500 copies, half of which start in each minimum.

manifold = fixedrank.FixedRank(2, 2, 1, depth=depth)


def at_learned(temperature):
    """Return ln of the integral of exp(-F/T) around the learned minimum."""
    spectrum = learned.hessian_spectrum(depth)
    volume = np.log(2 * np.pi * temperature / spectrum).sum() / 2
    return volume - learned.objective / temperature


def at_zero(temperature):
    """Return ln of the integral of exp(-F/T) around zero."""
    return manifold.log_partition(decay / temperature) - tip / temperature


def exact_share(temperature):
    """Return the probability that s is above that of the saddle."""
    r = np.linspace(0, 4, 4001)
    s = (r / np.sqrt(depth)) ** depth
    exponent = (2 * s - s**2 - decay * r**2) / (2 * temperature)
    density = r**2 * ive(0, s / (2 * temperature)) ** 2 * np.exp(exponent - exponent.max())
    return density[s > saddle.point.s[0]].sum() / density.sum()


temperatures = np.array([0.0125, 0.016, 0.02, 0.028])
t = np.arange(0, 40.1, 0.25)
runs = {
    temperature: fixedrank.langevin(
        problem,
        start(temperature, 500, seed=0),
        t=t,
        temperature=temperature,
        copies=500,
        rng=1,
        **options,
    )
    for temperature in temperatures
}

# %%
# How long
# --------
#
# A copy has changed sides once it is deep in the other well. The rate of such events
# per time spent in a well is, for low temperature, that of Eyring and Kramers: with the
# negative eigenvalue :math:`-\mu` of the saddle, and Z the integral of the law around
# the minimum,
#
# .. math:: \text{rate} \approx \frac{\mu}{2 \pi} \, \frac{(2 \pi T)^{3/2}}
#     {\prod_i |\lambda_i(\text{saddle})|^{1/2}} \, \frac{e^{-F(\text{saddle})/T}}{Z}.
#
# Zero has no Hessian, but it has a Z. So the formula holds for the way back, too.


def predicted(temperature, log_well):
    """Return the rate of Eyring and Kramers out of a well."""
    spectrum = saddle.hessian_spectrum(depth)
    height = np.log(2 * np.pi * temperature / abs(spectrum)).sum() / 2
    height -= saddle.objective / temperature
    return -spectrum[0] / (2 * np.pi) * np.exp(height - log_well)


def changes(run):
    """Return the numbers of changes to zero and back, and the time spent before them."""
    s, low, high = run.singular_values[..., 0], saddle.point.s[0], learned.point.s[0]
    sides = np.where(s > 0.7 * high, 1.0, np.where(s < low / 4, 0.0, np.nan))
    sides[0] = s[0] > low
    for before, after in zip(sides, sides[1:]):
        after[np.isnan(after)] = before[np.isnan(after)]
    step = run.t[1] - run.t[0]
    return [
        (np.sum((sides[:-1] == side) & (sides[1:] != side)), step * np.sum(sides == side))
        for side in (1, 0)
    ]


figure, (share, rates) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
fine = np.linspace(0.004, 0.03, 100)
odds = [np.exp(at_learned(T) - at_zero(T)) for T in fine]
share.plot(fine, [exact_share(T) for T in fine], color=colour, label="exact")
share.plot(fine, [x / (1 + x) for x in odds], "--", color="0.4", label="two minima")
for temperature, run in runs.items():
    late = (run.singular_values[run.t >= 20, :, 0] > saddle.point.s[0]).mean(axis=0)
    error = late.std() / np.sqrt(late.size)
    share.errorbar(temperature, late.mean(), error, fmt="o", color="k", capsize=3)
share.set(xlabel="temperature $T$", ylabel="share of the learned one", ylim=(0.5, 1))
share.set(title="Where the copies are")
share.legend()

ways = {
    "from the learned one": (at_learned, learned.objective, "s", "-"),
    "from zero": (at_zero, tip, "o", "--"),
}
counts = np.array([changes(run) for run in runs.values()])
for (name, (well, bottom, mark, line)), (events, times) in zip(
    ways.items(), counts.transpose(1, 2, 0), strict=True
):
    rates.semilogy(1 / fine, [predicted(T, well(T)) for T in fine], "k", ls=line)
    style = {"fmt": mark, "color": colour, "mfc": "none", "capsize": 3, "label": name}
    rates.errorbar(1 / temperatures, events / times, np.sqrt(events) / times, **style)
    (slope, _), covariance = np.polyfit(
        1 / temperatures, np.log(events / times), 1, w=np.sqrt(events), cov="unscaled"
    )
    error = np.sqrt(covariance[0, 0])
    barrier = saddle.objective - bottom
    print(f"{name}: slope {-slope:.3f} +- {error:.3f}, barrier {barrier:.3f}")
rates.set(xlabel="$1/T$", ylabel="changes per time", title="How often they change")
rates.legend()
figure.suptitle("Shares and rates, from the critical points (lines) and as counted")
plt.show()
