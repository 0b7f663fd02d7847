"""One evaluation of the right-hand side of flow (9) beside products with dense C and B alone.

python docs/benchmarks/evaluations.py [--quick]

Where nothing is known of C and B, no evaluation can do without C V, B V and B^T U, here into arrays
that exist already. Where X is known the flows move in its principal axes, in which C is diagonal,
and where B has low rank, as without noise in the labels, it is multiplied by its factors. Beside
it stand the evaluation of flow (5) of the layers, and the cost over the depth N and the number of
samples, which should not change: everything needs the data through C and B only.
"""

import numpy as np
from problems import appendix_a
from timing import interleaved, main

import fixedrank
from fixedrank.flows.core import RiemannianSystem
from fixedrank.networks.gradients import network_gradient

RTOL = 1e-8


def evaluation(problem, rank, depth, rng=0):
    """Return a function that evaluates the velocity of flow (9), and a point near which it does."""
    manifold = fixedrank.FixedRank(*problem.shape, rank, depth=depth)
    point = manifold.random_point(rng=rng)
    metric = fixedrank.DepthMetric(depth)
    system = RiemannianSystem(problem._in_principal_axes()[0], problem.shape, metric, RTOL)
    state = system.state(point.u, np.diag(point.s), point.vt.T)
    # Along a flow the core is full.
    core = system.split(state)[1]
    core += 0.1 * point.s[-1] * np.random.default_rng(rng).standard_normal(core.shape)
    return lambda: system.right_hand_side(0.0, state), point


def bare_products(problem, point):
    """Return a function that does nothing but the three products with C and B."""
    C, B = problem.C, problem.B
    u, v = point.u, np.ascontiguousarray(point.vt.T)
    cv, bv, btu = np.empty_like(v), np.empty_like(u), np.empty_like(v)

    def products():
        np.matmul(C, v, out=cv)
        np.matmul(B, v, out=bv)
        np.matmul(B.T, u, out=btu)

    return products


def against_products(d, rank, depth, seconds):
    """Yield the lines of one size."""
    problem, factors = appendix_a(d, rank, depth)
    rng = np.random.default_rng(0)
    labels = problem.B + 0.1 * np.abs(problem.B).max() * rng.standard_normal(problem.B.shape)
    unknown = fixedrank.LinearRegression.from_moments(
        problem.C, labels, 10 * problem.squared_norm + float(np.vdot(labels, labels))
    )
    dense, point = evaluation(unknown, rank, depth)
    whole, _ = evaluation(problem, rank, depth)
    products = problem._in_principal_axes()[0].gradient_products
    times = interleaved(
        bare_products(unknown, point),
        dense,
        whole,
        lambda: network_gradient(products, factors),
        seconds=seconds,
    )
    yield f"d = {d}, r = {rank}, N = {depth}; products with dense C and B alone {_us(times[0])}"
    for name, taken in zip(
        ("flow (9), C and B dense", "flow (9), X known, B of low rank", "flow (5), the same"),
        times[1:],
        strict=True,
    ):
        yield f"  {name:34} {_us(taken)}, {taken / times[0]:6.2f} x the products"


def _us(seconds):
    return f"{1e6 * seconds:8.0f} us"


def regression(d, samples):
    """Return a problem with a number of samples."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, samples)) / np.sqrt(samples)
    return fixedrank.LinearRegression(X, rng.standard_normal((d, 5)) @ (X[:5] / 5))


def over(name, values, functions, seconds):
    """Yield a line of times in turn, and their ratio to the first."""
    times = interleaved(*functions, seconds=seconds)
    found = ", ".join(
        f"{value:g}: {1e6 * taken:.0f} us ({taken / times[0]:.2f} x)"
        for value, taken in zip(values, times, strict=True)
    )
    yield f"  {name} = {found}"


def run(quick=False):
    """Return the tables."""
    seconds = 0.3 if quick else 4.0
    lines = ["One evaluation, appendix A", ""]
    sizes = [(20, 2, 10), (200, 20, 10), (2000, 20, 10)]
    for size in sizes[:2] if quick else sizes:
        lines += against_products(*size, seconds)
    depths = (1, 2, 3, 20, 1000, 2.5)
    samples = (600, 6000) if quick else (600, 6000, 60000)
    problem = regression(200, 600)
    lines += ["", "One evaluation of flow (9), d = 200, r = 20"]
    functions = [evaluation(problem, 20, depth)[0] for depth in depths]
    lines += over("N", depths, functions, seconds)
    functions = [evaluation(regression(200, count), 20, 10)[0] for count in samples]
    lines += over("samples", samples, functions, seconds)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(run, __doc__)
