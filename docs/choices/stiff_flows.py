r"""
Stiff flows and stabilised steps
================================

**You learn** which integrator takes a flow through a plateau, and what it costs.

**You need** what a Runge-Kutta method is; to run it, matplotlib.

Near a limit, and on a plateau, the flows move slowly along a few directions while all
others pull back fast: the largest rate is about
:math:`\rho = N s_1^{2 - 2/N} \lambda_{\max}(C)`. An explicit Runge-Kutta method is then
bound by its stability. That of order 8 by Dormand and Prince, DOP853, needs
:math:`h \rho < 6.39` with 12 evaluations a step, whatever the tolerance.

The rates are real: those of a gradient flow are eigenvalues of a Hessian. Stabilised
methods are made for this. What a step does to a direction of rate :math:`\lambda` is a
polynomial :math:`R(z)`, :math:`z = -h\lambda`, and they choose it to be at most 1 on an
interval as long as possible, whose length grows with the *square* of the number of
evaluations.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import DOP853

import fixedrank

colors = {"DOP853": "#8c8c8c", "RKC": "#e69f00", "ROCK4": "#b5332e", "auto": "#0b3c5d"}
markers = {"DOP853": "s", "RKC": "^", "ROCK4": "o", "auto": "D"}


def amplification(method, z):
    """Return R(z), by one step of y' = z y for all z at once."""
    options = {"rtol": 1e8, "atol": 1e8, "first_step": 1.0}
    solver = method(lambda t, y: z * y, 0, np.ones(z.size), 10.0, **options)
    solver.step()
    return solver.y


# %%
# :class:`fixedrank.ROCK4` is of fourth order, :class:`fixedrank.RKC` of second. With
# twelve evaluations, as DOP853 has, and over the interval on which each is stable:

ends = {"DOP853": 6.39, "ROCK4": 0.3531 * 12**2 - 2.9, "RKC": (12**2 - 1) / 1.54}
methods = {"DOP853": DOP853, "ROCK4": fixedrank.ROCK4, "RKC": fixedrank.RKC}
for name, end in ends.items():
    inside = np.abs(
        amplification(methods[name], np.linspace(-0.98 * end, 0, 400))
    ).max()
    print(f"{name:7} |R| <= {inside:.2f} on [-{end:.1f}, 0]")

# %%
# Now a flow: appendix A of the paper with d = 20, r = 2 and N = 10, to t = 2. The
# errors are those at four output times, against DOP853 with rtol = 1e-11.

rng = np.random.default_rng(0)
d, rank, depth = 20, 2, 10
X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
widths = fixedrank.layer_widths(d, rank, depth)
true = fixedrank.product(fixedrank.gaussian_factors(widths, rng=rng))
problem = fixedrank.LinearRegression(X, true @ X)
manifold = fixedrank.FixedRank(d, d, rank, depth=depth)
start = manifold.point(
    fixedrank.product(fixedrank.random_balanced_factors(widths, rng=rng))
)
times = [0.0, 0.1, 0.5, 1.0, 2.0]


def integrate(method, rtol):
    """Return the trajectory of the Riemannian flow."""
    return fixedrank.riemannian_flow(
        problem, start, depth, times, method=method, rtol=rtol, atol=rtol / 100
    )


def error(trajectory, reference):
    """Return the largest relative error over the output times."""
    pairs = zip(trajectory.points, reference.points, strict=True)
    return max(
        np.linalg.norm(manifold.to_matrix(a) - manifold.to_matrix(b))
        / np.linalg.norm(b.s)
        for a, b in pairs
    )


reference = integrate("DOP853", 1e-11)
digits = dict.fromkeys(colors, range(3, 9)) | {"DOP853": (3, 6, 8)}
runs = {
    name: [integrate(name, 10.0**-number) for number in digits[name]] for name in colors
}

# %%
# The polynomials, and what the methods spend for what they reach:

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for name, end in ends.items():
    z = np.linspace(-1.1 * end, 0, 800)
    left.plot(z, amplification(methods[name], z), color=colors[name], label=name)
left.axhspan(-1, 1, color="black", alpha=0.06, linewidth=0)
left.set(xlabel=r"$z = -h\lambda$", ylabel="$R(z)$", ylim=(-1.5, 1.5))
left.set_title("Stability polynomials, 12 evaluations")
left.legend()
for name, trajectories in runs.items():
    errors = [error(trajectory, reference) for trajectory in trajectories]
    evaluations = [trajectory.evaluations for trajectory in trajectories]
    right.loglog(
        evaluations, errors, f"{markers[name]}-", color=colors[name], label=name
    )
right.set(
    xlabel="evaluations of the right-hand side",
    ylabel=r"$\|W - W_*\|_F\, /\, \|W_*\|_F$",
    xlim=(300, 2e4),
)
right.set_title("Error against cost of the flow (9)")
right.legend()
figure.suptitle("Stabilised methods go further with as many evaluations")
plt.show()

# %%
# DOP853 spends the same for any error: its steps are as long as stability allows. RKC
# is cheap where an error of 1e-3 is small enough, and of too low an order below.
# Between them, ROCK4.
#
# At the start of the flow nothing is stiff, and an eighth-order method is better than
# one of fourth order. So the default, "auto", is :class:`fixedrank.AutoSwitching`:
# DOP853, which at the end of each step gets an estimate of :math:`\rho` for nothing,
# and ROCK4 once that says that stability is what bounds the step. The cheapest runs
# above with an error of at most 1e-5:

for name, trajectories in runs.items():
    fine = next(
        (t for t in trajectories if error(t, reference) <= 1e-5), trajectories[-1]
    )
    print(
        f"{name:7} error {error(fine, reference):.0e}, "
        f"{fine.evaluations:6d} evaluations"
    )

# %%
# Stabilised methods have a price. Where a fast direction is driven by a slow one, their
# internal stages follow it with a lower order than the method has, and the more stages,
# the more this costs; the estimate of the error sees it, and the steps get shorter.
# What a step leaves in the fast directions has died out a third of a step later,
# though. So the last steps to a time of output are short, and the error there is often
# well below the tolerance.
