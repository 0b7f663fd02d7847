r"""
The core form of the Riemannian flow
====================================

**You learn** why the Riemannian flow carries a full :math:`k \times k` core, and
neither singular values nor the whole matrix.

**You need** the flow (9) of the :ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`;
to run it, matplotlib.

Flow (9) moves a matrix :math:`W` of rank :math:`k`. An integrator can carry all entries
of :math:`W`; or the factors of :math:`U \operatorname{diag}(\sigma) V^T`; or, as in
fixedrank, those of :math:`U S V^T` with orthonormal :math:`U, V` and a full
:math:`k \times k` core :math:`S`, which is diagonalised only inside the right-hand
side. Here are all three, with the velocity
:math:`F = -\mathcal{A}_{W,N}(\nabla L^1(W))`.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import fixedrank

d, k = 4, 2
rng = np.random.default_rng(0)
left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0][:, :k] for _ in range(2))
target = (left * np.array([2.0, 1.0])) @ right.T
problem = fixedrank.LinearRegression(np.eye(d), target)  # the gradient is W - target


def weights(s, depth):
    """Return c_ij for an integer depth."""
    p = s ** (2 / depth)
    return sum(np.outer(p ** (depth - 1 - l), p**l) for l in range(depth))


def velocities(u, s, v, depth):
    """Return U^T F V, and the parts of U' and V' orthogonal to U and V."""
    gradient = (u * s) @ v.T - target
    middle = u.T @ gradient @ v
    scale = s ** (1 - 2 / depth)
    normal_u = -(gradient @ v - u @ middle) * scale
    normal_v = -(gradient.T @ u - v @ middle.T) * scale
    return -weights(s, depth) * middle, normal_u, normal_v


# %%
# With diagonal :math:`S` the factors have to turn so that it stays diagonal. The
# angular velocities have the denominators :math:`\sigma_j^2 - \sigma_i^2`.


def diagonal_form(t, state, depth):
    """Return U', V' and s'."""
    u, v = state[: 2 * d * k].reshape(2, d, k)
    s = state[2 * d * k :]
    F, du, dv = velocities(u, s, v, depth)
    gaps = s**2 - s[:, None] ** 2
    np.fill_diagonal(gaps, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        du += u @ ((F * s + s[:, None] * F.T) / gaps)
        dv += v @ ((F * s[:, None] + s * F.T) / gaps)
    return np.concatenate((du.ravel(), dv.ravel(), np.diag(F)))


# %%
# With a full core nothing has to turn: :math:`S' = U^T F V`.


def core_form(t, state, depth):
    """Return U', V' and S'."""
    u, v = state[: 2 * d * k].reshape(2, d, k)
    p, s, qt = np.linalg.svd(state[2 * d * k :].reshape(k, k))
    F, du, dv = velocities(u @ p, s, v @ qt.T, depth)
    return np.concatenate(((du @ p.T).ravel(), (dv @ qt).ravel(), (p @ F @ qt).ravel()))


# %%
# Where singular values cross
# ---------------------------
#
# The solution has the singular values 2 and 1. Start with 0.1 in the first direction
# and 0.3 in the second: the first one overtakes. If the singular vectors are off by an
# angle :math:`\delta`, the singular values do not meet, but come close, and within a
# short time, the shorter the smaller :math:`\delta`, the singular vectors change
# places. The matrix itself moves as smoothly as anywhere.

depth, end = 3, 1.5
generator = rng.standard_normal((d, d))
generator -= generator.T
generator /= np.linalg.norm(generator, 2)
first = np.array([0.1, 0.3])


def start(angle):
    """Return U and V at time zero, U turned by an angle."""
    return expm(angle * generator) @ left, right


def integrate(form, u, v, s):
    """Return the matrix at the end and the number of evaluations."""
    initial = np.concatenate((u.ravel(), v.ravel(), s.ravel()))
    with np.errstate(
        invalid="ignore"
    ):  # a trial step that is too long may end anywhere
        run = solve_ivp(
            form, (0, end), initial, "DOP853", rtol=1e-8, atol=1e-10, args=(depth,)
        )
    u, v = run.y[: 2 * d * k, -1].reshape(2, d, k)
    last = run.y[2 * d * k :, -1]
    core = np.diag(last) if last.size == k else last.reshape(k, k)
    return u @ core @ v.T, run.nfev


angles = np.array([0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9])
counts = {"diagonal": [], "full core": []}
for angle in angles:
    u, v = start(angle)
    point = (u[:, ::-1], first[::-1], v[:, ::-1].T)
    flow = fixedrank.riemannian_flow(
        problem, point, depth, [0, end], rtol=1e-12, atol=1e-14
    )
    exact = (flow.points[-1].u * flow.points[-1].s) @ flow.points[-1].vt
    line = f"delta = {angle:.0e}:"
    for name, form, s in (
        ("diagonal", diagonal_form, first),
        ("full core", core_form, np.diag(first)),
    ):
        W, evaluations = integrate(form, u, v, s)
        counts[name].append(evaluations)
        line += (
            f" {name} {evaluations} evaluations, error {np.linalg.norm(W - exact):.0e};"
        )
    print(line.rstrip(";"))

u, v = start(0.1)
state = np.concatenate((u.ravel(), v.ravel(), [0.3, 0.3]))
velocity = diagonal_form(0, state, depth)
print(
    f"diagonal, at a tie: {(~np.isfinite(velocity)).sum()} of {velocity.size} numbers "
    "not finite"
)

# %%
# The smaller the angle, the more evaluations the diagonal form needs, and from a tie it
# cannot start. (At exactly :math:`\delta = 0` the numerators vanish too, and the
# outcome is a matter of rounding.) The full core does not notice.
#
# All entries of W
# ----------------
#
# In floating-point numbers a dense matrix of rank :math:`k` has full rank: where zero
# is meant there are singular values of the order of the rounding error
# :math:`\varepsilon`. The operator sees them through :math:`p = \varepsilon^{2/N}`,
# which is not small for large :math:`N`. Layers of width :math:`k` give the velocity in
# another way, by Theorem 4, and their product has rank :math:`k`. The error is measured
# in the part of the velocity outside the column space of :math:`W`.

u, v = start(0.1)
s = np.array([1.0, 0.5])
point = (u, s, v.T)
outside = np.eye(d) - u @ u.T


def by_layers(depth):
    """Return F, the velocity of the product when layers follow their gradient flow."""
    layers = fixedrank.balanced_factors(point, [d] + [k] * (depth - 1) + [d])
    before, after = [np.eye(d)], [np.eye(d)]  # W_j ... W_1 and W_N ... W_(N-j+1)
    for early, late in zip(layers, reversed(layers), strict=True):
        before.append(early @ before[-1])
        after.append(after[-1] @ late)
    gradient = before[-1] - target
    return -sum(
        after[depth - 1 - j]
        @ after[depth - 1 - j].T
        @ gradient
        @ before[j].T
        @ before[j]
        for j in range(depth)
    )


def by_matrix(depth):
    """Return F by the definition (7) of the operator, from all entries of W."""
    W = (u * s) @ v.T
    p, values, qt = np.linalg.svd(W)
    return -p @ (weights(values, depth) * (p.T @ (W - target) @ qt.T)) @ qt


def by_factors(depth):
    """Return F as fixedrank computes it."""
    operator = fixedrank.DepthOperator(point, depth)
    Z = operator.apply(target - (u * s) @ v.T)
    return fixedrank.FixedRank(d, d, k, depth=depth).tangent_to_matrix(point, Z)


depths = np.array([2, 3, 5, 7, 10, 14, 20, 30, 50, 100])
errors = {"all entries": [], "factors": []}
for N in depths:
    F = outside @ by_layers(N)
    for name, form in (("all entries", by_matrix), ("factors", by_factors)):
        error = np.linalg.norm(outside @ form(N) - F) / np.linalg.norm(F)
        errors[name].append(error)
spurious = np.linalg.svd((u * s) @ v.T)[1][k]
print(f"a singular value that should be zero: {spurious:.1e}")
for N in (2, 10, 20, 50):
    i = list(depths).index(N)
    print(
        f"N = {N}: (that)^(2/N) = {spurious ** (2 / N):.1e}, "
        "error of F from all entries "
        f"{errors['all entries'][i]:.1e}, from factors {errors['factors'][i]:.1e}"
    )

# %%

figure, (crossing, work, accuracy) = plt.subplots(
    1, 3, figsize=(12, 4.2), layout="constrained"
)
u, v = start(0.1)
times = np.linspace(0, end, 200)
flow = fixedrank.riemannian_flow(
    problem, (u[:, ::-1], first[::-1], v[:, ::-1].T), depth, times
)
crossing.plot(flow.t, flow.singular_values, color="#0b3c5d")
crossing.set(
    xlabel="time $t$",
    ylabel=r"$\sigma_i(W(t))$",
    title=rf"$\delta = 0.1$, $N = {depth}$",
)
for name, color, marker in (
    ("diagonal", "#b5332e", "^"),
    ("full core", "#0b3c5d", "o"),
):
    work.loglog(angles, counts[name], marker + "-", ms=4, color=color, label=name)
work.set(
    xlabel=r"angle $\delta$",
    ylabel="evaluations of the flow",
    title="Through a near-tie",
    ylim=(100, 1e4),
)
for name, color, marker in (
    ("all entries", "#e69f00", "s"),
    ("factors", "#0b3c5d", "o"),
):
    accuracy.loglog(depths, errors[name], marker + "-", ms=4, color=color, label=name)
accuracy.loglog(
    depths,
    (spurious / s[-1]) ** (2 / depths),
    "k--",
    lw=1,
    label=r"$(\sigma_{k+1} / \sigma_k)^{2/N}$",
)
accuracy.set(xlabel="depth $N$", ylabel="relative error of $F$", title="One evaluation")
for axes in (work, accuracy):
    axes.legend(frameon=False)
figure.suptitle(
    "A diagonal core is slow near ties, a dense matrix wrong at large depth; "
    "a full core with factors is neither"
)
plt.show()
