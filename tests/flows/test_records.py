"""What flows say of many outputs at once is what is true of each of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixedrank import (
    FixedRank,
    LinearRegression,
    Loss,
    MatrixCompletion,
    balancedness,
    factored_flow,
    gaussian_factors,
    product,
    riemannian_flow,
)
from tests.strategies import seeds

M, N = 5, 4


class LogCosh(Loss):
    """A loss of a user's own, by the two methods that it needs."""

    def __init__(self, target):
        self.target, self.shape = target, target.shape

    def loss(self, W):
        return np.log(np.cosh((W[0] * W[1]) @ W[2] - self.target)).sum()

    def gradient(self, W):
        return np.tanh((W[0] * W[1]) @ W[2] - self.target)


def regression(rng, unit, **options):
    X = rng.standard_normal((N, 9)) / 3
    return LinearRegression(X, unit * rng.standard_normal((M, 9)), **options)


PROBLEMS = {
    "regression": regression,
    "weighted": lambda rng, unit: regression(rng, unit, sample_weight=rng.random(9)),
    "singular data": lambda rng, unit: LinearRegression(
        np.ones((N, 2)), unit * rng.standard_normal((M, 2))
    ),
    "low-rank approximation": lambda rng, unit: LinearRegression(
        np.eye(N), unit * rng.standard_normal((M, N))
    ),
    "completion": lambda rng, unit: MatrixCompletion(
        np.where(rng.random((M, N)) < 0.7, unit * rng.standard_normal((M, N)), np.nan)
    ),
    "sum": lambda rng, unit: 2.0 * regression(rng, unit) + 0.5 * regression(rng, unit),
    "own": lambda rng, unit: LogCosh(rng.standard_normal((M, N))),
}


@given(
    seed=seeds,
    name=st.sampled_from(list(PROBLEMS)),
    depth=st.sampled_from([1, 1.5, 2, 3, 1000]),
    rank=st.sampled_from([1, 2, N]),
    exponent=st.sampled_from([-60, 0, 60]),
    spread=st.sampled_from([1.0, 1e-2, 1e-7]),
)
@settings(max_examples=25, deadline=None)
def test_points(seed, name, depth, rank, exponent, spread):
    unit, rng = 1.0 if name == "own" else 10.0**exponent, np.random.default_rng(seed)
    problem, manifold = PROBLEMS[name](rng, unit), FixedRank(M, N, rank, depth=depth)
    start = manifold.random_point(rng=rng)
    start = start._replace(s=unit * np.geomspace(1, spread, rank))
    # In a step or two: rates are of this size.
    end = 0.1 / (depth * unit ** (2 - 2 / depth))
    flow = riemannian_flow(problem, start, depth, np.linspace(0, end, 30), rtol=1e-4)
    for index, point in enumerate(flow.points):
        gradient = manifold.euclidean_to_riemannian_gradient(point, problem.gradient(point))
        assert flow.gradient_norm[index] == pytest.approx(manifold.norm(point, gradient), rel=1e-11)
        assert flow.loss[index] == pytest.approx(float(problem.loss(point)), rel=1e-12)
        np.testing.assert_array_equal(flow.singular_values[index], point.s)
        for frame in (point.u, point.vt.T):
            np.testing.assert_allclose(frame.T @ frame, np.eye(rank), rtol=0, atol=1e-13)


@given(
    seed=seeds,
    name=st.sampled_from(list(PROBLEMS)),
    widths=st.sampled_from([[N, M], [N, 1, M], [N, 2, 3, M], [N, 5, 6, M], [N, 4, 2, 4, M]]),
    exponent=st.sampled_from([-60, 0, 60]),
)
@settings(max_examples=25, deadline=None)
def test_layers(seed, name, widths, exponent):
    rng, depth = np.random.default_rng(seed), len(widths) - 1
    layer = 1.0 if name == "own" else 10.0 ** (exponent // depth)
    problem = PROBLEMS[name](rng, layer**depth)
    layers = [layer * part for part in gaussian_factors(widths, rng=rng)]
    times = np.linspace(0, 0.1 / layer ** (2 * depth - 2), 20)
    options = {"rtol": 1e-4}
    whole, last = (
        factored_flow(problem, layers, times, keep=keep, **options) for keep in ("layers", "last")
    )
    for index, factors in enumerate(whole.factors):
        gradient = problem.network_gradient(factors)
        length = np.sqrt(sum(np.sum((part / layer) ** 2) for part in gradient)) * layer
        assert whole.gradient_norm[index] == pytest.approx(length, rel=1e-11)
        loss = float(problem.network_loss(factors))
        assert whole.loss[index] == pytest.approx(loss, rel=1e-11)
        s = np.linalg.svd(product(factors))[1]
        size = np.prod([np.linalg.norm(part, 2) for part in factors])
        rank = whole.singular_values.shape[1]
        np.testing.assert_allclose(
            whole.singular_values[index], s[:rank], rtol=0, atol=1e-13 * size
        )
        size = max(np.linalg.norm(part, 2) for part in factors) ** 2
        assert last.balancedness[index] == pytest.approx(balancedness(factors), abs=1e-13 * size)


def flows():
    rng = np.random.default_rng(0)
    problem, manifold = regression(rng, 1.0), FixedRank(M, N, 2, depth=2)
    start, layers = manifold.random_point(rng=rng), gaussian_factors([N, 2, M], rng=rng)
    times = np.linspace(0, 0.5, 250)
    return (
        lambda keep: riemannian_flow(problem, start, 2, times, keep=keep),
        lambda keep: factored_flow(problem, layers, times, keep=keep),
    )


BOTH = pytest.mark.parametrize("run", flows(), ids=["riemannian", "factored"])


@BOTH
def test_a_function_is_called_once_for_each_in_order(run):
    seen = []

    def keep(record):
        seen.append(record[0][0][0])
        return len(seen)

    flow = run(keep)
    assert flow.kept == list(range(1, 251))
    whole = run("points" if hasattr(flow, "metric") else "layers")
    assert seen == [record[0][0][0] for record in whole.kept]


@BOTH
@pytest.mark.parametrize("count", [1, 2, 77, 249])
def test_what_came_before_an_interruption_is_kept(run, count):
    calls = []

    def keep(record):
        if len(calls) == count:
            raise KeyboardInterrupt
        calls.append(record)
        return record

    flow = run(keep)
    assert not flow.complete
    assert len(flow) == count
    assert f"{count} of 250" in flow.status
    np.testing.assert_array_equal(flow.t, np.linspace(0, 0.5, 250)[:count])


@pytest.mark.parametrize("count", [1, 2, 77])
def test_a_loss_that_takes_long_may_be_interrupted(count):
    """One that is asked for each output: nothing that it has said is lost."""
    said = []

    class Slow(LogCosh):
        def loss(self, W):
            if len(said) == count:
                raise KeyboardInterrupt
            said.append(super().loss(W))
            return said[-1]

    rng = np.random.default_rng(0)
    problem, times = Slow(rng.standard_normal((M, N))), np.linspace(0, 0.5, 250)
    layers = gaussian_factors([N, 2, M], rng=rng)
    start = FixedRank(M, N, 2, depth=2).point(product(layers))
    arguments = ((riemannian_flow, start, 2), (factored_flow, layers))
    for flow, *where in arguments:
        said.clear()
        np.testing.assert_array_equal(flow(problem, *where, times).loss, said)
        assert len(said) == count


@BOTH
def test_what_is_kept_of_one_does_not_hold_the_others(run):
    for record in run(lambda record: record[-1]).kept:
        owner = record if record.base is None else record.base
        assert owner.nbytes == record.nbytes
