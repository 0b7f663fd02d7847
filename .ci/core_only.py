"""Check an installation that has no extras: the core works, and a missing extra is named.

Run it with the Python of an environment into which only `pip install .` went.
"""

import importlib
import importlib.util
import inspect

import autograd.numpy as anp
import numpy as np
import pymanopt
from pymanopt.optimizers import SteepestDescent

import fixedrank

EXTRAS = ("matplotlib", "tqdm", "sklearn", "dask", "hypothesis", "numba", "pandas", "jax")


def require(condition: bool, message: str) -> None:
    """Stop with a message unless the condition holds."""
    if not condition:
        raise SystemExit(f"core only: {message}")


def check_extras_absent() -> None:
    """The environment is what it claims to be."""
    found = [name for name in EXTRAS if importlib.util.find_spec(name) is not None]
    require(not found, f"this environment should not have {', '.join(found)}")


def check_help() -> None:
    """What help and completion show can be asked for."""
    names = [name for name, _ in inspect.getmembers(fixedrank)]
    require({"FixedRank", "estimator"} <= set(names), "dir() does not show what is there")


def check_optimiser() -> None:
    """Steepest descent with autograd comes closer to a matrix of rank 2."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    manifold = fixedrank.FixedRank(6, 5, 2, depth=3)

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt - target) ** 2) / 2

    start = manifold.random_point(rng=1)
    optimiser = SteepestDescent(max_iterations=20, verbosity=0)
    result = optimiser.run(pymanopt.Problem(manifold, cost), initial_point=start)
    before, after = cost(*start), result.cost
    print(f"steepest descent, depth 3: cost {before:.3f} -> {after:.3e}")
    require(after < before / 2, "steepest descent did not make progress")


def small_problem() -> tuple[fixedrank.LinearRegression, list[np.ndarray]]:
    """Return a regression problem with 4 inputs and 3 outputs, and balanced layers for it."""
    rng = np.random.default_rng(2)
    problem = fixedrank.LinearRegression(rng.standard_normal((4, 20)), rng.standard_normal((3, 20)))
    return problem, fixedrank.random_balanced_factors([4, 2, 3], rng=3)


def check_flows() -> None:
    """The two flows agree on where the product of balanced layers goes."""
    problem, factors = small_problem()
    times = np.linspace(0.0, 0.1, 5)
    manifold = fixedrank.FixedRank(3, 4, 2, depth=2)
    factored = fixedrank.factored_flow(problem, factors, times)
    riemannian = fixedrank.riemannian_flow(
        problem, manifold.point(fixedrank.product(factors)), 2, times
    )
    gap = float(np.max(np.abs(factored.loss - riemannian.loss)))
    print(f"flows: loss {factored.loss[0]:.3f} -> {factored.loss[-1]:.3f}, gap {gap:.1e}")
    require(bool(factored.loss[-1] < factored.loss[0]), "the factored flow did not descend")
    require(gap < 1e-5 * float(factored.loss[0]), f"the losses of the two flows differ by {gap}")


def check_extras_are_named() -> None:
    """Asking for a figure or a table without its package says what to install."""
    problem, factors = small_problem()
    comparison = fixedrank.compare_flows(problem, factors, np.linspace(0.0, 0.1, 3))
    flow = comparison.factored
    asked = (
        ("plot", comparison.plot),
        ("plot", flow.plot),
        ("plot", flow.animate),
        ("plot", lambda: fixedrank.plot_trajectories([flow])),
        ("data", comparison.to_dataframe),
        ("data", lambda: fixedrank.estimator.MatrixCompletionRegressor),
        ("jax", lambda: importlib.import_module("fixedrank.jax")),
    )
    for extra, ask in asked:
        try:
            ask()
        except ImportError as error:
            print(f"{extra}: {type(error).__name__}: {error}")
            require(f"fixedrank[{extra}]" in str(error), f"the error does not name {extra}")
        else:
            raise SystemExit(f"core only: nothing was missed without the extra {extra}")


if __name__ == "__main__":
    print(f"fixedrank from {fixedrank.__file__}")
    check_extras_absent()
    check_help()
    check_optimiser()
    check_flows()
    check_extras_are_named()
    print("core only: all well")
