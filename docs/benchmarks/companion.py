"""The companion for JAX beside the NumPy core and plain diffrax.

python docs/benchmarks/companion.py [--quick]

The problem is that of appendix A, in double precision. One evaluation of flow (9); many starts of
layers one by one, as stacks of the library and in the ways of JAX; a flow that is stiff, by the
stabilised methods and by Tsit5; and how long programs are compiled, which is paid once.
"""

import time

import numpy as np
from problems import appendix_a
from timing import interleaved, main, milliseconds

import fixedrank
from fixedrank.flows.core import RiemannianSystem

RTOL = 1e-6


def setting(d, r, depth):
    """Return a problem of the library, its loss for JAX, layers and their product."""
    import jax.numpy as jnp

    problem, layers = appendix_a(d, r, depth)
    moments, mixed = jnp.asarray(problem.C), jnp.asarray(problem.B)

    def loss(L, R):
        # <W C, W> / 2 - <W, B>, which differs from the loss by a constant.
        return jnp.vdot(L.T @ L, R.T @ moments @ R) / 2 - jnp.vdot(L, mixed @ R)

    point = fixedrank.FixedRank(d, d, r, depth=depth).point(fixedrank.product(layers))
    return problem, loss, layers, point


def ready(function, *arguments):
    """Return the compiled function of these arguments, and what it took to make it."""
    import jax

    began = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    took = time.perf_counter() - began
    return (lambda: jax.block_until_ready(compiled(*arguments))), took


def evaluations(sizes, seconds):
    """Yield the time of one evaluation of flow (9)."""
    from fixedrank.jax import core_point, from_fixedrank, riemannian_field

    for d, r in sizes:
        problem, loss, _, point = setting(d, r, 3)
        system = RiemannianSystem(problem, (d, d), fixedrank.DepthMetric(3), RTOL)
        state = system.state(point.u, np.diag(point.s), point.vt.T)
        field = riemannian_field(loss, 3)
        program, _ = ready(
            lambda at, field=field: field(0.0, at), core_point(from_fixedrank(point))
        )
        ours, theirs = interleaved(
            lambda system=system, state=state: system.right_hand_side(0.0, state),
            program,
            seconds=seconds,
        )
        yield (
            f"evaluation, d = {d}, r = {r}: library {1e6 * ours:.0f} us, companion "
            f"{1e6 * theirs:.0f} us, ratio {theirs / ours:.2f}"
        )


def many_starts(d, count, single, end):
    """Yield the time of flow (5) from one start of many."""
    import jax
    import jax.numpy as jnp

    from fixedrank.jax import factored_field, integrate

    problem, loss, layers, _ = setting(d, d, 3)
    widths = [layers[0].shape[1], *map(len, layers)]
    starts = [fixedrank.gaussian_factors(widths, scale=0.3, rng=seed) for seed in range(count)]
    stack = [np.array(several) for several in zip(*starts, strict=True)]
    given = [jnp.asarray(part) for part in stack]

    def run(start):
        return integrate(factored_field(loss), start, [0.0, end], rtol=RTOL)[-1][-1]

    def timed(function):
        began = time.perf_counter()
        function()
        return (time.perf_counter() - began) / count

    t = [0.0, end]
    began = time.perf_counter()
    for start in starts[:single]:
        fixedrank.factored_flow(problem, start, t, rtol=RTOL)
    times = {"library, one by one": (time.perf_counter() - began) / single}
    times["library, as a stack"] = timed(
        lambda: fixedrank.factored_flow(problem, stack, t, rtol=RTOL, keep="last")
    )
    one, _ = ready(run, [part[0] for part in given])
    times["companion, one by one"] = interleaved(one, seconds=0.5)[0]
    for name, function in (
        ("companion, vmap", jax.vmap(run)),
        ("companion, lax.map of 100", lambda starts: jax.lax.map(run, starts, batch_size=100)),
    ):
        program, _ = ready(function, given)
        program()
        times[name] = timed(program)
    yield f"{count} starts, d = {d}, N = 3, t <= {end:g}: time of a start, over the first"
    for name, took in times.items():
        yield f"  {name:26} {1e3 * took:7.2f} ms  {took / times['library, one by one']:.3f}"


def stiff(d, r, depth, end):
    """Yield the time of a stiff flow (9), and its compilation."""
    import diffrax
    import jax

    from fixedrank.jax import core_point, from_fixedrank, integrate, riemannian_field

    problem, loss, _, point = setting(d, r, depth)
    start, field = core_point(from_fixedrank(point)), riemannian_field(loss, depth)
    # As close to its end as the library takes it: its test for rest would stop before.
    t = [0.0, end]

    def flow(start, solver=None):
        return integrate(field, start, t, rtol=RTOL, solver=solver, max_steps=100_000)

    program, forward = ready(flow, start)
    tsit5, _ = ready(lambda start: flow(start, diffrax.Tsit5()), start)

    def last(start):
        core = integrate(field, start, t, rtol=RTOL).core[-1]
        return (core**2).sum()

    _, backward = ready(jax.grad(last), start)
    seconds = interleaved(
        lambda: fixedrank.riemannian_flow(problem, point, depth, t, rtol=RTOL, method="ROCK4"),
        program,
        tsit5,
    )
    names = ("library, ROCK4", "companion, ROCK4", "companion, Tsit5")
    yield f"stiff, d = {d}, r = {r}, N = {depth}, t <= {end:g}: time over the first"
    for name, took in zip(names, seconds, strict=True):
        yield f"  {name:26} {milliseconds(took):>9}  {took / seconds[0]:.2f}"
    yield f"  compiled in {forward:.1f} s; its gradient in {backward:.1f} s"


def run(quick=False):
    """Return the table."""
    try:
        import diffrax  # noqa: F401
        import jax
    except ImportError as error:
        return f"skipped: {error.name} is not installed"
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        lines = list(evaluations([(20, 2)] if quick else [(20, 2), (200, 20)], 0.3 if quick else 2))
        if not quick:
            lines += many_starts(20, 1000, 20, 2.0)
            lines += stiff(20, 2, 10, 2.0)
            lines += stiff(200, 20, 10, 2.0)
    finally:
        jax.config.update("jax_enable_x64", before)
    return "\n".join(lines)


if __name__ == "__main__":
    main(run, __doc__)
