r"""
Geodesics
=========

**You learn** to compute the shortest way between two matrices of fixed rank, to carry
vectors along it, and where it may end.

**You need** points and tangent vectors, as in the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib.

The shortest way from one matrix of rank 2 to another, at constant speed, depends on the
depth :math:`N`. In the depth-:math:`N` metric a singular value :math:`\sigma` that
moves alone has the length :math:`\sqrt{N} \, |d\sigma^{1/N}|`, and turning its singular
vectors by an angle costs :math:`\sigma^{1/N}` times it: by comparison turning is cheap
at large depth.
"""

import matplotlib.pyplot as plt
import numpy as np

import fixedrank

m, n, k = 24, 18, 2
rows, columns = np.linspace(-1, 1, m)[:, None], np.linspace(-1, 1, n)


def bump(row, column, width=0.25):
    """Return a smooth bump, a matrix of rank 1."""
    return np.exp(-(((rows - row) / width) ** 2) - ((columns - column) / width) ** 2)


A = bump(-0.6, -0.55) + 0.6 * bump(0.55, 0.2)
B = bump(-0.1, 0.5) + 0.6 * bump(0.2, -0.55)

# %%
# ``log`` finds the velocity at which a geodesic leaves A to be at B at time 1, ``exp``
# follows it.

times = np.linspace(0, 1, 21)
depths = (1, 2, 8)
figure, panels = plt.subplots(
    3, 6, figsize=(11, 7), width_ratios=(3.2, 1, 1, 1, 1, 1), layout="constrained"
)
for (axes, *strip), depth in zip(panels, depths, strict=True):
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    start, end = manifold.point(A), manifold.point(B)
    velocity = manifold.log(start, end)
    path = [manifold.exp(start, t * velocity) for t in times]
    axes.plot(times, [point.s for point in path], color="#0b3c5d")
    axes.set(ylabel=r"$\sigma_i(W(t))$", title=f"depth $N = {depth}$", ylim=(0, None))
    for image, t in zip(strip, times[::5], strict=False):
        image.imshow(
            manifold.to_matrix(path[list(times).index(t)]), cmap="RdBu", vmin=-1, vmax=1
        )
        image.set(
            xticks=[], yticks=[], title=f"$t = {t:g}$" if depth == depths[0] else ""
        )
    strip[0].set_ylabel(f"$N = {depth}$")
    error = np.linalg.norm(manifold.to_matrix(path[-1]) - manifold.to_matrix(end))
    speeds = [
        manifold.dist(a, b) / (times[5] - times[0])
        for a, b in zip(path[:-5:5], path[5::5], strict=True)
    ]
    print(
        f"N = {depth}: length {manifold.dist(start, end):.4f}, "
        f"end missed by {error:.1e}, "
        f"speeds {min(speeds):.6f} to {max(speeds):.6f}"
    )
panels[-1, 0].set_xlabel("time $t$")
figure.suptitle(
    "Geodesics from A to B at depth 1, 2 and 8: singular values and matrices on the way"
)
plt.show()

# %%
# On the way both singular values fall and rise again, at every depth. At depth 1 the
# geodesic stays closest to the straight line from A to B, along which one picture fades
# into the other.
#
# The manifold has an end
# -----------------------
#
# A matrix of rank 1 is at a finite distance: the metric is not complete. A geodesic
# that runs into it stops with an error that says when.

manifold = fixedrank.FixedRank(m, n, k, depth=2)
point = manifold.point(A)
inward = manifold.projection(point, -manifold.to_matrix(point))
try:
    manifold.exp(point, 3 * inward)
except fixedrank.RankLostError as error:
    print(error)

# %%
# At depth 2, along a ray :math:`c W` the root of :math:`c` is linear in time. With the
# initial velocity :math:`-3 W` it is :math:`1 - 3t/2`: the geodesic ends at
# :math:`t = 2/3`, as it says.
#
# Transport
# ---------
#
# Parallel transport along a geodesic keeps lengths and angles; the transport by
# projection, which optimisers use because it is cheap, does not.

velocity = manifold.log(point, manifold.point(B))
end = manifold.exp(point, velocity)
vector = manifold.random_tangent_vector(point, rng=0)
parallel = manifold.parallel_transport(point, velocity, vector)
projected = manifold.transport(point, end, vector)
for name, moved in (("parallel", parallel), ("projection", projected)):
    print(f"{name:10}: length {manifold.norm(end, moved):.9f}")
