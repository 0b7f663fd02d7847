r"""
Scale and depth as parameters: gradients through a flow
=======================================================

**You learn** to differentiate the end of a training run with respect to the scale of
its start and the depth of the network, and why that needs care where singular values
are tied.

**You need** the guide to :doc:`the companion for JAX </jax>`; to run it, jax, diffrax
and matplotlib.

The paper begins its experiments from balanced layers, each a multiple of a matrix with
orthonormal columns. Their product is :math:`W(0) = \varepsilon\, U V^T`: all its
singular values are equal. There singular vectors have no derivative, but the flow has
one: its velocity is a smooth function of :math:`W`.
"""

import diffrax
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from fixedrank.jax import CorePoint, integrate, riemannian_field, to_matrix

jax.config.update("jax_enable_x64", True)

rng = np.random.default_rng(1)
target = rng.standard_normal((5, 4))
left, right = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for d in (5, 4))


def loss(W):
    """Return the squared distance to the target, halved."""
    return jnp.sum((W - target) ** 2) / 2


def start(scale):
    """Return a start with two equal singular values."""
    return CorePoint(jnp.asarray(left), scale * jnp.eye(2), jnp.asarray(right))


# %%
# The velocity of a full core, :math:`-\mathcal{A}_S(M)`, is made of its singular value
# decomposition. Differentiated as it stands the decomposition gives no numbers at a
# tie. The companion has a rule of its own, made of second divided differences, with no
# difference of singular values in a denominator.


def plain(core):
    """Return S^(1/3) in the sense of singular values, by the decomposition."""
    u, s, vt = jnp.linalg.svd(core)
    return u @ jnp.diag(s ** (1 / 3)) @ vt


core, direction = jnp.eye(2) / 10, jnp.array([[1.0, 2.0], [3.0, 4.0]])
print("through the decomposition:")
print(jax.jvp(plain, (core,), (direction,))[1])
field = riemannian_field(loss, 3)
print("of the field:")
print(
    jax.jvp(
        lambda core: field(0.0, start(0.1)._replace(core=core)).core,
        (core,),
        (direction,),
    )[1]
)

# %%
# So a whole run can be differentiated: the loss at time 1, as a function of the scale
# and of the depth, which is any real number. Of two parameters forward mode takes less
# than ``jax.grad``, which is for many: to compile too, and that is most of the time.


def last_loss(parameters):
    """Return the loss at time 1, to be differentiated and as it is."""
    scale, depth = parameters
    field, mode = riemannian_field(loss, depth), diffrax.ForwardMode()
    states = integrate(field, start(scale), [0.0, 1.0], rtol=1e-8, adjoint=mode)
    value = loss(to_matrix(jax.tree.map(lambda part: part[-1], states)))
    return value, value


both = jax.jit(jax.jacfwd(last_loss, has_aux=True))
scales, depths = np.geomspace(0.02, 1, 9), (1.5, 2.0, 3.0, 5.0)
losses, slopes = np.empty((4, 9)), np.empty((4, 9, 2))
for i, depth in enumerate(depths):
    for j, scale in enumerate(scales):
        slopes[i, j], losses[i, j] = both(jnp.array([scale, depth]))

# %%
# Beside central differences:

h = 1e-4
for i, j in ((0, 2), (2, 4), (3, 7)):
    at = np.array([scales[j], depths[i]])
    by_differences = [
        (both(at + h * at * axis)[1] - both(at - h * at * axis)[1])
        / (2 * h * at @ axis)
        for axis in np.eye(2)
    ]
    print(
        f"scale {at[0]:.3f}, depth {at[1]}: gradient {slopes[i, j, 0]:.6f}, "
        f"{slopes[i, j, 1]:.6f}; differences {by_differences[0]:.6f}, "
        f"{by_differences[1]:.6f}"
    )

# %%
# The pale lines are the slopes in the logarithm of the scale: they touch the curves.

figure, (curves, by_depth) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
styles, marks = ("-", "--", "-.", ":"), "osD^"
for i, depth in enumerate(depths):
    (line,) = curves.semilogx(
        scales, losses[i], styles[i], marker=marks[i], label=f"$N = {depth}$"
    )
    factor = 1.25
    for j in range(0, 9, 2):
        rise = slopes[i, j, 0] * scales[j] * np.log(factor)
        curves.plot(
            [scales[j] / factor, scales[j] * factor],
            [losses[i, j] - rise, losses[i, j] + rise],
            color=line.get_color(),
            lw=4,
            alpha=0.35,
        )
    by_depth.semilogx(
        scales, slopes[i, :, 1], styles[i], marker=marks[i], label=f"$N = {depth}$"
    )
curves.set(
    title="The loss at time 1, and its slopes",
    xlabel=r"scale $\varepsilon$ of the start",
    ylabel=r"$L^1(W(1))$",
)
by_depth.axhline(0, color="0.6", lw=1)
by_depth.set(
    title="Its derivative in the depth",
    xlabel=r"scale $\varepsilon$ of the start",
    ylabel=r"$\partial L^1(W(1)) / \partial N$",
)
curves.legend(frameon=False)
by_depth.legend(frameon=False)
figure.suptitle(
    "From tied singular values: the slopes of a training run in scale and depth"
)
plt.show()

# %%
# More depth costs time at all these scales: a deeper network stays near zero for
# longer. From the smallest starts at depth 5 nothing has happened yet at time 1, and so
# the derivative in the depth is zero as well.
