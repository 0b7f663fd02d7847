r"""
Tuning by gradients through training
====================================

**You learn** to choose the learning rate and the scale of the start by differentiating
through the steps of training.

**You need** the guide to :doc:`the companion for JAX </jax>`; to run it, jax, optax and
matplotlib.

Riemannian gradient descent in the metric of depth :math:`N` follows the flow (9) by
finite steps. Its outcome after a number of steps hangs on the learning rate and on the
scale of the start, and both are parameters like others: the whole training is a
function of JAX, and has a gradient.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from fixedrank.jax import CorePoint, riemannian_sgd

jax.config.update("jax_enable_x64", True)

rng = np.random.default_rng(2)
target = rng.standard_normal((8, 3)) @ rng.standard_normal((3, 6)) / 3
left, right = (np.linalg.qr(rng.standard_normal((d, 3)))[0] for d in (8, 6))


def loss(point):
    """Return the squared distance to the target, halved."""
    return jnp.sum((point.u @ point.core @ point.v.T - target) ** 2) / 2


# %%
# Thirty steps of depth 3, from a balanced start. The logarithms of both parameters are
# what is tuned, so that they stay positive. ``jax.lax.scan`` makes one step of the
# program, whatever their number.


def trained(logarithms):
    """Return the logarithm of the loss after thirty steps."""
    rate, scale = jnp.exp(logarithms)
    optimizer = riemannian_sgd(3, rate)
    start = CorePoint(jnp.asarray(left), scale * jnp.eye(3), jnp.asarray(right))

    def step(carry, _):
        point, state = carry
        updates, state = optimizer.update(jax.grad(loss)(point), state, point)
        return (optax.apply_updates(point, updates), state), None

    (point, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=30)
    return jnp.log(loss(point))


both = jax.jit(jax.value_and_grad(trained))
at, h = jnp.log(jnp.array([0.03, 0.3])), 1e-5
print("gradient:   ", both(at)[1])
print(
    "differences:",
    np.array(
        [(trained(at + h * e) - trained(at - h * e)) / (2 * h) for e in np.eye(2)]
    ),
)

# %%
# Tuning is training of these two numbers, by Adam with steps that fall to zero.

tuner = optax.adam(optax.cosine_decay_schedule(0.06, 60))
state, path = tuner.init(at), []
for _ in range(60):
    value, slope = both(at)
    path.append([*np.exp(at), value])
    updates, state = tuner.update(slope, state)
    at = optax.apply_updates(at, updates)
path = np.array(path)
first, least = np.exp(path[0, 2]), np.exp(np.nanmin(path[:, 2]))
print(f"loss after 30 steps: {first:.2e} -> {least:.2e}")
best = path[np.nanargmin(path[:, 2])]
print(f"learning rate {best[0]:.3f}, scale {best[1]:.2f}")

# %%
# Beside a grid of 900 trainings, in one program.

rates, scales = np.geomspace(0.01, 0.3, 30), np.geomspace(0.05, 3, 30)
grid = jnp.stack(
    [part.ravel() for part in jnp.meshgrid(*map(jnp.log, (rates, scales)))], axis=1
)
values = jax.jit(lambda grid: jax.lax.map(trained, grid, batch_size=100))(grid)
values = np.asarray(values).reshape(30, 30) / np.log(10)
values = np.where(np.isfinite(values), np.minimum(values, 3), 3)

figure, (plane, course) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
shown = plane.contourf(rates, scales, values, levels=16, cmap="viridis")
plane.contour(rates, scales, values, levels=16, colors="white", linewidths=0.3)
plane.plot(path[:, 0], path[:, 1], "w-", lw=2.5)
plane.plot(path[:, 0], path[:, 1], "k.-", lw=1, ms=5, label="tuning")
plane.plot(path[0, 0], path[0, 1], "ws", ms=9, mec="k", label="its start")
plane.plot(best[0], best[1], "w*", ms=15, mec="k", label="its best")
plane.set(
    xscale="log",
    yscale="log",
    title="The loss after 30 steps, and the way of the tuning",
    xlabel="learning rate",
    ylabel=r"scale $\varepsilon$ of the start",
)
plane.minorticks_off()
for axis, ticks in (
    (plane.xaxis, (0.01, 0.03, 0.1, 0.3)),
    (plane.yaxis, (0.1, 0.3, 1, 3)),
):
    axis.set_ticks(ticks, map(str, ticks))
plane.legend(loc="lower left")
figure.colorbar(shown, ax=plane, label=r"$\log_{10} L^1$, at most 3")
course.plot(path[:, 2] / np.log(10), "o-", ms=3, label="tuning by gradients")
course.axhline(values.min(), color="0.4", ls="--", label="best of 900 on the grid")
course.set(
    title="Steps of the tuning",
    xlabel="gradients taken",
    ylabel=r"$\log_{10} L^1$ after 30 steps",
)
course.legend(frameon=False)
figure.suptitle("Two numbers, tuned by gradients through thirty steps of training")
plt.show()

# %%
# The tuning goes up to where its valley ends. Beyond a learning rate of some 0.11 steps
# are too long for the curvature: first the loss is a rough function of both numbers, of
# which a slope says nothing, then trainings diverge. The best of the grid lies in
# another valley, at scales above 2, with trainings that diverge at its edge. Gradients
# from this start do not lead there: what they find is the best nearby.
