"""Automatic differentiation of the layers, for the benchmarks: losses, gradients, a solver.

jax, diffrax and torch take part where they can be imported; else the name is None.
"""

import os

# Before jax starts its threads.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import autograd
import autograd.numpy as anp

try:
    import jax

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None
try:
    import diffrax
except ImportError:
    diffrax = None
try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None


def packages():
    """Return the names of those that can be imported."""
    found = [("autograd", autograd), ("jax", jax), ("torch", torch)]
    return [name for name, module in found if module is not None]


def on_samples(xp, layers, X, Y):
    """The loss as training code has it: the samples run through the layers."""
    for layer in layers:
        X = layer @ X
    return 0.5 * xp.sum((Y - X) ** 2)


def on_products(xp, layers, C, B):
    """The loss up to a constant, from C = X X^T and B = Y X^T."""
    W = layers[0]
    for layer in layers[1:]:
        W = layer @ W
    return xp.sum(W * (0.5 * (W @ C) - B))


def through_narrowest(xp, layers, C, B):
    """The same, multiplied by hand so that what is formed has r rows or columns: d_1 = r."""
    first, P = layers[0], layers[1]
    for layer in layers[2:]:
        P = layer @ P
    return 0.5 * xp.sum((P.T @ P) * (first @ C @ first.T)) - xp.sum((P.T @ B) * first)


def differentiated(package, loss, data):
    """Return the gradient of a loss as a function of a list of layers."""
    if package == "autograd":
        gradient = autograd.grad(lambda layers: loss(anp, layers, *data))
        return lambda layers: gradient(list(layers))
    if package == "jax":
        arrays = [jax.numpy.asarray(array) for array in data]
        gradient = jax.jit(jax.grad(lambda layers: loss(jax.numpy, layers, *arrays)))
        return lambda layers: jax.block_until_ready(gradient(layers))
    tensors = [torch.from_numpy(array) for array in data]

    def gradient(layers):
        return torch.autograd.grad(loss(torch, layers, *tensors), layers)

    return gradient


def own_arrays(package, layers):
    """Return the layers in the arrays of a package, so that no conversion is timed."""
    if package == "jax":
        return [jax.device_put(layer) for layer in layers]
    if package == "torch":
        return [torch.from_numpy(layer.copy()).requires_grad_() for layer in layers]
    return layers


def by_diffrax(problem, factors, loss, last, *, rtol, atol):
    """Return a compiled function that integrates the flow of the layers with Dopri8."""
    C, B = jax.numpy.asarray(problem.C), jax.numpy.asarray(problem.B)
    gradient = jax.grad(lambda layers: loss(jax.numpy, layers, C, B))

    def field(t, layers, arguments):
        return jax.tree_util.tree_map(jax.numpy.negative, gradient(layers))

    @jax.jit
    def run(layers):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri8(),
            t0=0.0,
            t1=last,
            dt0=None,
            y0=layers,
            stepsize_controller=diffrax.PIDController(
                rtol=rtol / len(factors), atol=atol / (10 * len(factors))
            ),
            max_steps=None,
        )
        return [layer[-1] for layer in solution.ys], solution.stats["num_steps"]

    layers = own_arrays("jax", factors)
    compiled = run.lower(layers).compile()
    return lambda: jax.block_until_ready(compiled(layers))
