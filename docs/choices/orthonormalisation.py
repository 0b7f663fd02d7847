r"""
Orthonormalisation of tall matrices
===================================

**You learn** how a retraction gets an orthonormal basis of a tall matrix, fast and to
all digits.

**You need** the QR and the Cholesky factorisation; to run it, matplotlib.

A retraction adds a tangent vector to a point, and so needs an orthonormal basis of the
columns of :math:`[U, U_p]`, a matrix with :math:`m` rows and only :math:`2k` columns.
Householder's QR factorisation is stable, but works mostly on one column after the
other. Cholesky-QR does all work on the tall matrix :math:`A` in products of matrices:
with :math:`A^T A = R^T R`, :math:`R` triangular, :math:`Q = A R^{-1}` has orthonormal
columns. In floating-point numbers this holds only if :math:`A` is well conditioned.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import solve_triangular

# Internal; behind the retraction.
from fixedrank.geometry.factored.orthonormal import HouseholderBasis, joint_basis

rng = np.random.default_rng(0)
k = 20


def example(rows, condition):
    """Return U with orthonormal columns, and Up of a condition number, U^T Up = 0."""
    frame = np.linalg.qr(rng.standard_normal((rows, 2 * k)))[0]
    mixing = np.linalg.qr(rng.standard_normal((k, k)))[0]
    return frame[:, :k], frame[:, k:] * np.geomspace(1, 1 / condition, k) @ mixing


def cholesky_qr(A):
    """Return A R^{-1} for the Cholesky factor R of A^T A."""
    R = np.linalg.cholesky(A.T @ A).T
    return solve_triangular(R, A.T, trans="T").T


def householder(u, up):
    """Return Q of the QR factorisation of [U, Up]."""
    return np.linalg.qr(np.hstack((u, up)))[0]


def one_pass(u, up):
    """Return [U, Up] after one pass of Cholesky-QR."""
    return cholesky_qr(np.hstack((u, up)))


def two_passes(u, up):
    """Return [U, Up] after two passes of Cholesky-QR."""
    return cholesky_qr(one_pass(u, up))


def library(u, up):
    """Return the basis of fixedrank, all its columns."""
    return joint_basis(u, up).combine(np.eye(2 * k))


def defect(Q):
    """Return the distance of Q^T Q from the identity."""
    return np.linalg.norm(Q.T @ Q - np.eye(Q.shape[1]), 2)


# %%
# One pass leaves :math:`Q` orthonormal up to about the rounding error times the squared
# condition number. A second pass on what the first one left mends that, as long as the
# first succeeds: when :math:`A^T A` is numerically singular there is no Cholesky
# factor. fixedrank makes two passes, the first one on :math:`U_p` alone with its
# columns scaled to length one. It looks at the diagonal of :math:`R` after each pass,
# and where the condition is too bad (right of the dotted line in the picture) it falls
# back on Householder's QR.

methods = {
    "Householder QR": (householder, "#6b8e23", "v"),
    "Cholesky-QR, one pass": (one_pass, "#e69f00", "s"),
    "Cholesky-QR, two passes": (two_passes, "#b5332e", "^"),
    "fixedrank": (library, "#0b3c5d", "o"),
}
conditions = np.geomspace(1, 1e15, 31)
defects = {}
examples = [example(1000, condition) for condition in conditions]
for name, (method, *_) in methods.items():
    defects[name] = []
    for pair in examples:
        try:
            defects[name].append(defect(method(*pair)))
        except np.linalg.LinAlgError:
            defects[name].append(np.nan)
    failed = conditions[np.isnan(defects[name])]
    print(
        f"{name}: largest defect {np.nanmax(defects[name]):.0e}"
        + (
            f", no Cholesky factor from condition {failed[0]:.0e} on"
            if failed.size
            else ""
        )
    )
fallen_back = np.array(
    [isinstance(joint_basis(*pair), HouseholderBasis) for pair in examples]
)
print(
    f"fixedrank: Cholesky up to condition {conditions[~fallen_back].max():.0e}, "
    f"Householder from {conditions[fallen_back].min():.0e} on"
)
u, up = example(1000, 1)
up *= np.geomspace(1, 1e-100, k)
basis = joint_basis(u, up)
print(
    "columns of lengths 1 to 1e-100: "
    f"defect {defect(basis.combine(np.eye(2 * k))):.0e}, "
    f"by {'Householder' if isinstance(basis, HouseholderBasis) else 'Cholesky'}"
)

# %%
# Bad scaling alone is no reason to fall back: the first pass removes it. This matters
# when an optimiser converges and its steps become tiny.
#
# What a retraction does with the basis :math:`Q` is to multiply it by thin matrices. So
# fixedrank never forms :math:`Q = A R^{-1}`: it multiplies the thin matrix by
# :math:`R^{-1}` first. The times include one such product with a :math:`2k \times k`
# matrix, for well-conditioned :math:`U_p`.

thin = rng.standard_normal((2 * k, k))
timed = {
    "Householder QR": lambda u, up: householder(u, up) @ thin,
    "Cholesky-QR, two passes": lambda u, up: two_passes(u, up) @ thin,
    "fixedrank": lambda u, up: joint_basis(u, up).combine(thin),
}
sizes = [100, 300, 1000, 3000, 10000, 30000]
milliseconds = {name: [] for name in timed}
for rows in sizes:
    pair = example(rows, 2)
    for name, function in timed.items():
        times = []
        while sum(times) < 0.03 or len(times) < 3:
            begun = time.perf_counter()
            function(*pair)
            times.append(time.perf_counter() - begun)
        milliseconds[name].append(1e3 * min(times))
for rows in (100, 10000):
    i = sizes.index(rows)
    print(
        f"m = {rows}: "
        + ", ".join(f"{name} {t[i]:.2g} ms" for name, t in milliseconds.items())
    )

figure, (accuracy, speed) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for name, (_, color, marker) in methods.items():
    style = {"marker": marker, "ms": 4, "lw": 1, "color": color, "label": name}
    accuracy.loglog(conditions, defects[name], **style)
    if name in milliseconds:
        speed.loglog(sizes, milliseconds[name], **style)
squares = np.finfo(float).eps * conditions**2
accuracy.loglog(
    conditions[squares < 10],
    squares[squares < 10],
    "k--",
    lw=1,
    label=r"$2^{-52} \kappa^2$",
)
accuracy.axvline(conditions[fallen_back].min(), color="0.7", lw=1, ls=":", zorder=0)
accuracy.set(
    xlabel=r"condition number $\kappa$ of $U_p$",
    ylabel=r"$\|Q^T Q - I\|_2$",
    title="Loss of orthogonality, $m = 1000$",
    ylim=(1e-16, 1e3),
)
speed.set(xlabel="rows $m$", ylabel="time in milliseconds", title="Time")
accuracy.legend(frameon=False, fontsize="small")
speed.legend(frameon=False, fontsize="small")
figure.suptitle(
    "fixedrank's two passes of Cholesky-QR are as orthogonal as Householder's QR, "
    "and faster"
)
plt.show()
