"""Flows of small networks beside SciPy on the layers, and the cost of many output times.

python docs/benchmarks/small.py [--quick]

At d = 20 calls from Python cost more than arithmetic. Each way takes the largest of the tolerances
1e-3, 1e-4, ..., 1e-9 with which the product at the end is within 1e-6 of flow (9) by DOP853 at
rtol 1e-11. "SciPy on the layers" is what one writes by hand for a regression: flow (5), multiplied
through the narrowest layer, and solve_ivp. Where diffrax can be imported its compiled Dopri8 takes
part; compilation is not counted.
"""

import numpy as np
from autodiff import by_diffrax, diffrax, through_narrowest
from problems import appendix_a, start
from scipy.integrate import solve_ivp
from timing import interleaved, main, milliseconds

import fixedrank

ERROR, LAST = 1e-6, 5.0
TOLERANCES = [10.0**-digits for digits in range(3, 10)]
MANY = 20_001


def velocity_of_layers(problem, factors):
    """Return the right-hand side of flow (5), layers one after the other in one vector."""
    C, B = problem.C, problem.B
    shapes = [factor.shape for factor in factors]
    bounds = np.cumsum([0, *(factor.size for factor in factors)]).tolist()

    def velocity(t, state):
        *layers, last = (
            state[a:b].reshape(shape)
            for a, b, shape in zip(bounds, bounds[1:], shapes, strict=False)
        )
        forward = [layers[0]]
        for layer in layers[1:]:
            forward.append(layer.dot(forward[-1]))
        narrow = forward[-1].dot(C)
        result = np.empty_like(state)
        gradient = last.dot(narrow.dot(forward[-1].T)) - B.dot(forward[-1].T)
        result[bounds[-2] :] = -gradient.ravel()
        backward = last.T.dot(last).dot(narrow) - last.T.dot(B)
        for j in range(len(layers) - 1, -1, -1):
            gradient = backward if j == 0 else backward.dot(forward[j - 1].T)
            result[bounds[j] : bounds[j + 1]] = -gradient.ravel()
            backward = layers[j].T.dot(backward)
        return result

    return velocity


def ways(problem, factors):
    """Yield (name, function of the tolerance that returns W at the end and what it took)."""
    depth = len(factors)
    manifold, point = start(factors)
    velocity, state = (
        velocity_of_layers(problem, factors),
        np.concatenate([factor.ravel() for factor in factors]),
    )
    bounds = np.cumsum([factor.size for factor in factors])[:-1]

    def by_flow_9(rtol):
        flow = fixedrank.riemannian_flow(problem, point, depth, [0, LAST], rtol=rtol)
        return manifold.to_matrix(flow.points[-1]), flow.evaluations

    def by_flow_5(rtol):
        flow = fixedrank.factored_flow(problem, factors, [0, LAST], rtol=rtol)
        return flow.product[-1], flow.evaluations

    def by_scipy(method):
        def run(rtol):
            with np.errstate(over="ignore", invalid="ignore"):
                solution = solve_ivp(
                    velocity, (0, LAST), state, method, t_eval=[LAST], rtol=rtol, atol=rtol / 100
                )
            layers = zip(np.split(solution.y[:, -1], bounds), factors, strict=True)
            return fixedrank.product([x.reshape(f.shape) for x, f in layers]), solution.nfev

        return run

    yield "flow (9)", by_flow_9
    yield "flow (5)", by_flow_5
    for method in ("RK45", "DOP853", "LSODA"):
        yield f"SciPy on the layers, {method}", by_scipy(method)
    if diffrax is None:
        return
    compiled = {}

    def by_compiled(rtol):
        if rtol not in compiled:
            compiled[rtol] = by_diffrax(
                problem, factors, through_narrowest, LAST, rtol=rtol, atol=rtol / 100
            )
        layers, steps = compiled[rtol]()
        return fixedrank.product([np.asarray(x) for x in layers]), int(steps)

    yield "diffrax on the layers, Dopri8", by_compiled


def compared(depth, seconds):
    """Yield the lines of the table of one depth."""
    problem, factors = appendix_a(20, 2, depth)
    manifold, point = start(factors)
    reference = manifold.to_matrix(
        fixedrank.riemannian_flow(
            problem, point, depth, [0, LAST], method="DOP853", rtol=1e-11, atol=1e-13
        ).points[-1]
    )
    chosen = []
    for name, run in ways(problem, factors):
        for rtol in TOLERANCES:
            W, count = run(rtol)
            error = np.linalg.norm(W - reference) / np.linalg.norm(reference)
            if error <= ERROR:
                chosen.append((name, run, rtol, count, error))
                break
    taken = interleaved(
        *(lambda run=run, rtol=rtol: run(rtol) for _, run, rtol, _, _ in chosen), seconds=seconds
    )
    yield f"d = 20, r = 2, N = {depth}, t <= {LAST:g}, error {ERROR:g}"
    for (name, _, rtol, count, error), time in zip(chosen, taken, strict=True):
        steps = "steps" if name.startswith("diffrax") else "evaluations"
        yield (
            f"  {name:30} {milliseconds(time):>8}  {time / taken[0]:5.2f} x  rtol {rtol:.0e}  "
            f"{count:6d} {steps:11}  error {error:.0e}"
        )
    yield ""


def many_times(d, rank, depth, last, seconds):
    """Yield the line of one setting: what many output times cost."""
    problem, factors = appendix_a(d, rank, depth)
    _, point = start(factors)
    few, many = [0, last], np.linspace(0, last, MANY)
    runs = [
        lambda times=times: fixedrank.riemannian_flow(problem, point, depth, times)
        for times in (few, many)
    ] + [
        lambda times=times: fixedrank.factored_flow(problem, factors, times)
        for times in (few, many)
    ]
    evaluations = [run().evaluations for run in runs]
    taken = interleaved(*runs, seconds=seconds, least=1)
    for name, place in (("flow (9)", 0), ("flow (5)", 2)):
        yield (
            f"  {name}, d = {d}, N = {depth}, t <= {last:g}   "
            f"{milliseconds(taken[place]):>8}   {milliseconds(taken[place + 1]):>8}   "
            f"{taken[place + 1] / taken[place]:5.1f} x   evaluations "
            f"{evaluations[place]} and {evaluations[place + 1]}"
        )


def run(quick=False):
    """Return the tables."""
    seconds = 0.05 if quick else 5.0
    depths = (2,) if quick else (2, 3, 5, 10)
    lines = [line for depth in depths for line in compared(depth, seconds)]
    lines.append(f"Two output times, {MANY:,} of them, and the ratio of their times")
    settings = [(20, 2, 2, 10.0), (20, 2, 3, 10.0), (200, 5, 3, 3.0)]
    for setting in settings[:1] if quick else settings:
        lines += many_times(*setting, seconds)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(run, __doc__)
