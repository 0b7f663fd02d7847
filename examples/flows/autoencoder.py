r"""
Autoencoder and principal components
====================================

**You learn** what a linear autoencoder finds, in which order, and how fast; and what
its layers know beyond their product.

**You need** principal components, and the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib and
scikit-learn.

A linear autoencoder is a network with labels :math:`Y = X` and a narrow layer of width
:math:`r`: it learns to send each sample through :math:`r` numbers and to rebuild it.
Let :math:`\lambda_1 \ge \lambda_2 \ge \dots` be the eigenvalues of :math:`XX^T` and
:math:`\sigma_i = \sqrt{\lambda_i}` the singular values of :math:`X`. The minimum of the
loss on the matrices of rank :math:`r` is :math:`U_r U_r^T`, the orthogonal projection
to the first :math:`r` eigenvectors of :math:`XX^T`; the flow of balanced layers ends
there (appendix B.1 of the paper), and the reconstruction error tends to
:math:`\sqrt{\sum_{i>r} \sigma_i^2}`. Where samples have mean zero, these eigenvectors
are the principal components.

The data are the images of digits that come with scikit-learn, with 39 of their 64
pixels: those with a standard deviation above 3.5 (grey levels go from 0 to 16). So the
eigenvalues of :math:`XX^T` are not too small, and the flow comes to its end in a time
that can be computed.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.integrate
import scipy.linalg
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import fixedrank
from fixedrank.plotting import depth_style

images = load_digits().data
used = images.std(axis=0) > 3.5
X = (images - images.mean(axis=0))[:, used].T
X /= np.linalg.norm(X, 2)
problem = fixedrank.LinearRegression(X, X)
d, r = X.shape[0], 6

# %%
# scikit-learn's principal component analysis is the independent witness.

pca = PCA(r).fit(images[:, used])
U = pca.components_.T
target = U @ U.T
eigenvalues = np.linalg.svd(X, compute_uv=False) ** 2
limit = np.sqrt(eigenvalues[r:].sum())
print(f"largest eigenvalues of XX^T: {eigenvalues[: r + 1].round(3)}")
print(f"smallest: {eigenvalues[-1]:.4f}")
best = fixedrank.global_minimizer(problem, r)
u, s, vt = best.point
print(f"|global minimum - U_r U_r^T|_F = {np.linalg.norm((u * s) @ vt - target):.1e}")

# %%
# The network starts close to zero, at :math:`W(0) = 0.01 \, E E^T`, where :math:`E` has
# :math:`r` random orthonormal columns. The same start is split into 2, 3 and 5 balanced
# layers.

E = np.linalg.qr(np.random.default_rng(0).standard_normal((d, r)))[0]
size = 0.01
t = np.concatenate([[0], np.geomspace(1, 1000, 120)])
flows = {}
for depth in (2, 3, 5):
    widths = fixedrank.layer_widths(d, r, depth)
    layers = fixedrank.balanced_factors((E, np.full(r, size), E.T), widths, rng=1)
    flows[depth] = fixedrank.factored_flow(problem, layers, t)
    angles = scipy.linalg.subspace_angles(flows[depth].points[-1].u, U)
    error = np.sqrt(2 * flows[depth].loss[-1])
    print(
        f"N = {depth}, widths {widths}: "
        f"|X - WX|_F = {error:.10f} (limit {limit:.10f}), "
        f"largest angle to the principal subspace {angles.max():.1e}"
    )

# %%
# What the layers know
# --------------------
#
# The narrow layer here is the first, :math:`W_1` with :math:`r` rows. At the end
# :math:`W_1^T W_1 = (W^T W)^{1/N} = U_r U_r^T`, as the layers are balanced. So
# :math:`W_1 = O U_r^T` with an orthogonal :math:`r \times r` matrix :math:`O`: its rows
# are an orthonormal basis of the principal subspace, *some* basis. Which one, the start
# decides; the product, and with it the loss, is the same for all :math:`O`. The network
# does not find the eigenvectors one by one, and not their order. (Layers that are not
# balanced know even less: then :math:`W_1 = G U_r^T` with an invertible :math:`G`.) To
# get them, diagonalise the covariance of the code, an :math:`r \times r` matrix:
# :math:`W_1 XX^T W_1^T = O \Lambda_r O^T`, where :math:`\Lambda_r` has the first
# :math:`r` eigenvalues on its diagonal. Its eigenvectors are the columns of :math:`O`,
# and :math:`O^T W_1 = U_r^T`. If the :math:`r` eigenvalues differ from each other, this
# determines the rows up to their signs.

first = flows[3].factors[-1][0]
code = first @ problem.C @ first.T
O = np.linalg.eigh(code)[1][:, ::-1]
components = O.T @ first
components *= np.sign(np.sum(components * U.T, axis=1))[:, None]
print(f"|W_1 W_1^T - I|_F = {np.linalg.norm(first @ first.T - np.eye(r)):.1e}")
print(f"|O^T W_1 - U_r^T|_F = {np.linalg.norm(components - U.T):.1e}")

rows = {
    "principal components": U.T,
    "rows of $W_1$": first,
    r"rows of $O^T W_1$": components,
}
figure, panels = plt.subplots(3, r, figsize=(10, 5.2), layout="constrained")
for line, (name, vectors) in zip(panels, rows.items(), strict=True):
    for i, (axes, vector) in enumerate(zip(line, vectors, strict=True)):
        picture = np.full(64, np.nan)
        picture[used] = vector
        largest = np.abs(vector).max()
        axes.imshow(picture.reshape(8, 8), cmap="PuOr", vmin=-largest, vmax=largest)
        axes.set(xticks=[], yticks=[])
        axes.set_facecolor("0.9")
        if name == "principal components":
            axes.set_title(
                f"$i = {i + 1}$, $\\lambda_i = {eigenvalues[i]:.2f}$", fontsize=10
            )
    line[0].set_ylabel(name)
figure.suptitle(
    "The first layer mixes the principal components; "
    "the covariance of the code parts them"
)
plt.show()

# %%
# The upper and the lower row agree, the middle one mixes them. Pixels left out are
# grey.
#
# How fast it gets there
# ----------------------
#
# The loss of a matrix is :math:`\frac12 \|X - WX\|_F^2`: it sees :math:`W` through
# :math:`X`, and hardly at all where the data hardly vary. What :math:`W` has in such
# directions disappears last. The linearised flow tells at which rate:
# ``convergence_rate`` is the smallest positive eigenvalue of the Hessian at the limit.
# It lies just below the smallest eigenvalue of :math:`XX^T`, and depth has no say in
# it: where all singular values are 1, the factors :math:`\sigma^{2-2/N}` of the metric
# are 1.

figure, (distances, errors) = plt.subplots(
    1, 2, figsize=(11, 4.2), layout="constrained"
)
for depth, flow in flows.items():
    style = {**depth_style(depth), "markevery": 0.2, "label": f"$N = {depth}$"}
    away = np.array([np.linalg.norm(W - target) for W in flow.product])
    rate = best.convergence_rate(depth)
    late = t >= 600
    measured = -np.polyfit(t[late], np.log(away[late]), 1)[0]
    print(f"N = {depth}: predicted rate {rate:.6f}, measured {measured:.6f}")
    distances.semilogy(t, away, **style)
    tail = t[t >= 200]
    distances.semilogy(
        tail, away[-1] * np.exp(-rate * (tail - t[-1])), color="k", ls=":", lw=1.5
    )
    errors.semilogx(t[1:], np.sqrt(2 * flow.loss[1:]), **style)
distances.plot([], [], "k:", label="predicted rate")
distances.set(
    xlabel="time $t$",
    ylabel=r"$\|W(t) - U_r U_r^T\|_F$",
    title="Distance from the limit",
)
for k in range(r + 1):
    level = np.sqrt(eigenvalues[k:].sum())
    errors.axhline(level, color="0.8", lw=1, zorder=0)
    errors.annotate(
        f"$k = {k}$", (1.01, level), xycoords=("axes fraction", "data"), va="center"
    )
errors.axhline(
    limit, color="k", ls=":", lw=1.5, label=r"$(\sum_{i>r} \sigma_i^2)^{1/2}$"
)
errors.set(xlabel="time $t$", ylabel=r"$\|X - W(t)X\|_F$", title="Reconstruction error")
for axes in (distances, errors):
    axes.legend(framealpha=1, edgecolor="none")
figure.suptitle(
    "The distance from the limit decays nearly at the predicted rate; "
    "the error falls in steps"
)
plt.show()

# %%
# The grey lines on the right are the errors of the projections to the first :math:`k`
# principal components, :math:`\sqrt{\sum_{i>k} \sigma_i^2}`. On the left, the rate
# measured for :math:`t \ge 600` is above the predicted one by less than 4 %: what
# decays faster is not gone yet.
#
# When each component is learned
# ------------------------------
#
# Let :math:`u_i` be the :math:`i`-th principal component, and say that it is learned
# when :math:`u_i^T W(t) u_i` passes 1/2 on its way from nearly 0 to 1. If the
# :math:`u_i` were singular vectors of :math:`W(0)`, each of these numbers would be a
# singular value of :math:`W(t)`, and would solve
# :math:`\dot s = N s^{2-2/N} \lambda_i (1 - s)`. The time is then inversely
# proportional to the eigenvalue:
#
# .. math:: t_i = \frac{T_N}{\lambda_i}, \qquad
#    T_N = \int_{s(0)}^{1/2} \frac{ds}{N s^{2-2/N} (1 - s)}.
#
# For the random :math:`E` the vectors are not aligned. The lines below take for
# :math:`s(0)` the mean of :math:`u_i^T W(0) u_i` over all :math:`E`, which is
# :math:`0.01 \, r / d`; the dots are three starts for each depth.


def learning_times(flow):
    """Return u_i^T W(t) u_i over time, and when each passes 1/2."""
    overlaps = np.array(
        [np.einsum("ji,ji->i", U, (u * s) @ (vt @ U)) for u, s, vt in flow.points]
    )
    # Between the output times, a straight line over log t.
    after = np.argmax(overlaps > 0.5, axis=0)
    low, high = overlaps[after - 1, np.arange(r)], overlaps[after, np.arange(r)]
    share = (0.5 - low) / (high - low)
    return overlaps, flow.t[after - 1] * (flow.t[after] / flow.t[after - 1]) ** share


figure, (curves, times) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
overlaps, _ = learning_times(flows[3])
for i, shade in enumerate(plt.colormaps["viridis"](np.linspace(0, 0.9, r))):
    curves.semilogx(t[1:], overlaps[1:, i], color=shade, label=f"$i = {i + 1}$")
curves.axhline(0.5, color="0.8", lw=1, zorder=0)
curves.set(
    xlabel="time $t$",
    ylabel=r"$u_i^T W(t) u_i$",
    title="Learning, $N = 3$",
    xlim=(1, 300),
)
for depth in flows:
    T, _ = scipy.integrate.quad(
        lambda s, N=depth: s ** (2 / N - 2) / (N * (1 - s)), size * r / d, 0.5
    )
    found = [learning_times(flows[depth])[1]]
    early = t[t <= 80 * depth]
    for seed in (1, 2):
        frame = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, r)))[0]
        start = (frame, np.full(r, size), frame.T)
        found.append(
            learning_times(
                fixedrank.riemannian_flow(problem, start, depth, early, rtol=1e-5)
            )[1]
        )
    style = {**depth_style(depth), "ms": 5}
    dots = {**style, "linestyle": "", "alpha": 0.7}
    times.loglog(np.tile(eigenvalues[:r], 3), np.ravel(found), **dots)
    line = {**style, "markevery": [], "label": f"$N = {depth}$"}
    times.loglog(eigenvalues[:r], T / eigenvalues[:r], **line)
    products = np.median(found, axis=0) * eigenvalues[:r]
    print(f"N = {depth}: T_N = {T:.1f}, medians of t_i lambda_i:", products.round(1))
times.set(
    xlabel=r"eigenvalue $\lambda_i$",
    ylabel="time $t_i$",
    title=r"Three starts, and $T_N / \lambda_i$",
)
times.set_xticks([0.3, 0.4, 0.6, 0.8, 1.0], ["0.3", "0.4", "0.6", "0.8", "1"])
times.xaxis.set_minor_locator(plt.NullLocator())
for axes in (curves, times):
    axes.legend(frameon=False)
figure.suptitle(
    "The time to learn a component is roughly inversely proportional to its eigenvalue"
)
plt.show()

# %%
# The last component is often late. Its place is contested: the seventh eigenvector,
# with an eigenvalue of 0.30 beside 0.34, grows nearly as fast, and takes a part of the
# network's rank until the flow turns it out.
