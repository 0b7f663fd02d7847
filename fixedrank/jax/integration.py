"""Flows at given times, by the stabilised method or any solver of diffrax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp

from fixedrank.jax.rock import ROCK4
from fixedrank.jax.step_sizes import SizedSteps
from fixedrank.jax.tolerances import checked_times, checked_tolerance, sizes


def integrate(
    field: Callable[..., Any],
    start: Any,
    times: Any,
    *,
    rtol: float = 1e-8,
    solver: Any = None,
    max_steps: int = 4096,
    adjoint: Any = None,
    args: Any = None,
) -> Any:
    """Return the states of a flow at given times.

    Steps end at these times, so that states are as precise as steps are. Errors are relative to
    each part of a state: to the singular values that an entry of a core couples, to the columns of
    frames, to each layer. Under ``jax.vmap`` each lane has its own steps and error control, but
    all take as long as the slowest one: on CPUs, map many starts by ``jax.lax.map`` with a
    ``batch_size`` of some hundred.

    Parameters
    ----------
    field : callable
        ``field(t, state, args)``, the velocity, a pytree as the state: what
        :func:`riemannian_field` and :func:`factored_field` return.
    start : CorePoint, list of layers or other pytree
        The state at the first time, floating-point arrays of one precision.
    times : array_like, shape (count,)
        Two or more times in strict order, that of the start first.
    rtol : float
        The relative tolerance of a step.
    solver : diffrax.AbstractSolver, optional
        The method, :class:`ROCK4` by default.
    max_steps : int
        The most steps, also those that are rejected.
    adjoint : diffrax.AbstractAdjoint, optional
        How derivatives are taken: backwards by default, as ``jax.grad`` does. For ``jax.jvp`` pass
        ``diffrax.ForwardMode()``.
    args : pytree, optional
        Passed to the field.

    Returns
    -------
    pytree
        As `start`, each array with an axis of `times` in front. The first one is the start.

    Raises
    ------
    TypeError, ValueError
        If times or tolerance are none, or the state has no floating-point arrays.
    RuntimeError
        If `max_steps` do not suffice, or steps become too short; with the words of diffrax.

    Warns
    -----
    UserWarning
        If the state is in single precision, which does not reach the tolerance.

    References
    ----------
    Equations (5) and (9); P. Kidger, On neural differential equations, PhD thesis, University of
    Oxford, 2021, for diffrax.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from fixedrank.jax import CorePoint, integrate, riemannian_field
    >>> field = riemannian_field(lambda W: jnp.sum((W - 1) ** 2) / 2, depth=2)
    >>> start = CorePoint(jnp.eye(1), jnp.array([[0.5]]), jnp.eye(1))
    >>> states = integrate(field, start, [0.0, 1.0], rtol=1e-8)
    >>> round(float(states.core[-1, 0, 0]), 6)  # s' = 2 s (1 - s): 1 / (1 + exp(-2))
    0.880797
    """
    if not callable(field):
        raise TypeError(f"the field must be a function of t, state and args, got {field!r}")
    parts = jax.tree.leaves(start)
    if not parts or not all(jnp.issubdtype(jnp.result_type(part), jnp.floating) for part in parts):
        kinds = sorted({str(jnp.result_type(part)) for part in parts})
        raise TypeError(
            "the start must be a pytree of floating-point arrays, got "
            f"{' and '.join(kinds) if kinds else 'none'}"
        )
    start = jax.tree.map(jnp.asarray, start)
    tolerance = checked_tolerance(rtol, start)
    when = checked_times(times, jnp.result_type(*parts))
    steps = diffrax.ClipStepSizeController(SizedSteps(tolerance, sizes), step_ts=when)
    forwards = isinstance(adjoint, diffrax.ForwardMode)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        ROCK4(reverse=not forwards) if solver is None else solver,
        t0=when[0],
        t1=when[-1],
        dt0=None,
        y0=start,
        args=args,
        saveat=diffrax.SaveAt(ts=when),
        stepsize_controller=steps,
        max_steps=max_steps,
        **({} if adjoint is None else {"adjoint": adjoint}),
    )
    return solution.ys
