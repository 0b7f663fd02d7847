"""L-BFGS on matrices of fixed rank: where it ends, at what cost, in any unit and at any depth."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Euclidean, FixedRankEmbedded, Sphere
from pymanopt.optimizers import ConjugateGradient, TrustRegions

import fixedrank
from fixedrank import FixedRank, LinearRegression, MatrixCompletion, RankLostError
from fixedrank.optimizers import LBFGS
from tests.geometry import dense
from tests.optimizers.problems import TARGET, automatic, by_hand, huber, slow, squared, start


def solve(problem, point, **options):
    settings = {"verbosity": 0, "min_gradient_norm": 1e-9, **options}
    return LBFGS(**settings).run(problem, initial_point=point)


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("make", [automatic, by_hand])
def test_low_rank_approximation_at_every_depth(make, depth):
    result = solve(make(FixedRank(8, 6, 2, depth=depth)), start())
    assert result.gradient_norm < 1e-9
    np.testing.assert_allclose(
        dense.matrix(result.point), dense.truncated(TARGET, 2), rtol=0, atol=1e-8
    )


def path(problem, point, steps=12, **options):
    """The matrices after each step."""
    settings = {"verbosity": 0, "log_verbosity": 1, "min_gradient_norm": 0, "min_step_size": 0}
    solver = LBFGS(max_iterations=steps, **{**settings, **options})
    points = solver.run(problem, initial_point=point).log["iterations"]["point"]
    return np.array([dense.matrix(point) for point in points])


def test_the_path_is_that_of_depth_one():
    paths = [path(automatic(FixedRank(8, 6, 2, depth=depth)), start()) for depth in (1, 2, 5)]
    for other in paths[1:]:
        np.testing.assert_allclose(other, paths[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("unit", [1e-150, 1e-20, 1e150])
@pytest.mark.parametrize("depth", [1, 2])
def test_the_path_is_the_same_in_every_unit(unit, depth):
    # The cost is a square: in these units it is within floating point, and hardly.
    manifold = FixedRank(8, 6, 2, depth=depth)
    u, s, vt = start()
    expected = path(squared(TARGET).to_pymanopt(manifold), (u, s, vt))
    found = path(squared(unit * TARGET).to_pymanopt(manifold), (u, unit * s, vt))
    np.testing.assert_allclose(found / unit, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_a_cost_in_any_unit(unit):
    manifold = FixedRank(8, 6, 2, depth=2)
    expected = path(squared(TARGET).to_pymanopt(manifold), start())
    found = path((unit * squared(TARGET)).to_pymanopt(manifold), start())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_a_preconditioner_in_any_unit(unit):
    X = np.geomspace(1, 100, 6)[:, None] * np.random.default_rng(2).standard_normal((6, 30))
    manifold = FixedRank(8, 6, 2, depth=1)

    def posed(c):
        problem = LinearRegression(X, c * TARGET @ X)
        return problem.to_pymanopt(manifold, preconditioner=problem.preconditioner(manifold))

    u, s, vt = start()
    expected, found = path(posed(1), (u, s, vt)), path(posed(unit), (u, unit * s, vt))
    np.testing.assert_allclose(found / unit, expected, rtol=0, atol=1e-7)


# What it costs

SLOW = slow()
WEIGHTS = 10 ** np.random.default_rng(2).uniform(-2, 0, SLOW.shape)
_rng = np.random.default_rng(3)
# Of rank 4 with noise, and a tenth of the entries grossly wrong.
WRONG = _rng.standard_normal((60, 4)) @ _rng.standard_normal((4, 50)) / 2
WRONG += 0.05 * _rng.standard_normal(SLOW.shape)
WRONG += (_rng.random(SLOW.shape) < 0.1) * 10 * _rng.standard_normal(SLOW.shape)
LOSSES = {
    "low rank": squared(SLOW),
    "weighted": squared(SLOW, WEIGHTS),
    "pseudo-Huber": huber(WRONG, 0.02),
}


def reached(optimizer, loss, point, share):
    """How many costs and gradients it takes until the gradient is this share of the first one."""
    norms = []

    def callback(point, norm, counts, seconds):
        norms.append(norm)
        return norm <= share * norms[0]

    watched = fixedrank.watch(loss.to_pymanopt(FixedRank(*loss.shape, 4, depth=1)), callback)
    solver = optimizer(verbosity=0, min_gradient_norm=0, min_step_size=0, max_iterations=1000)
    solver.run(watched, initial_point=point)
    assert norms[-1] <= share * norms[0]
    return watched.counts.costs + watched.counts.gradients


@pytest.mark.parametrize("name", LOSSES)
def test_it_takes_less_than_conjugate_gradients_and_goes_to_the_end(name):
    point = start(shape=SLOW.shape, k=4)
    by_lbfgs, by_cg = (
        reached(optimizer, LOSSES[name], point, 1e-6) for optimizer in (LBFGS, ConjugateGradient)
    )
    assert by_lbfgs < 0.7 * by_cg
    for optimizer in (LBFGS, TrustRegions):
        reached(optimizer, LOSSES[name], point, 1e-10)


@pytest.mark.parametrize("depth", [1, 3])
def test_an_ill_conditioned_regression_with_its_preconditioner(depth):
    rng = np.random.default_rng(3)
    X = np.geomspace(1, 1e3, 20)[:, None] * rng.standard_normal((20, 100))
    Y = rng.standard_normal((12, 3)) @ rng.standard_normal((3, 20)) @ X
    problem = LinearRegression(X, Y + rng.standard_normal(Y.shape))
    manifold = FixedRank(12, 20, 3, depth=depth)
    result = solve(
        problem.to_pymanopt(manifold, preconditioner=problem.preconditioner(manifold)),
        manifold.random_point(rng=0),
        min_gradient_norm=1e-4,
    )
    best = (problem.residual**2 + np.sum(problem.svd[1][3:] ** 2)) / 2
    assert result.cost == pytest.approx(best, rel=1e-11)
    assert result.cost_evaluations < 60


def test_completion_with_a_depth_as_preconditioner():
    rng = np.random.default_rng(5)
    W = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 15))
    rows, cols = np.divmod(rng.permutation(W.size)[:200], 15)
    problem = MatrixCompletion(rows, cols, W[rows, cols], W.shape)
    manifold = FixedRank(20, 15, 2, depth=1)
    made = problem.to_pymanopt(manifold, preconditioner=manifold.preconditioner(2))
    result = solve(made, problem.initial_point(2))
    np.testing.assert_allclose(dense.matrix(result.point), W, rtol=0, atol=1e-7)


# Other manifolds


def test_products_of_manifolds():
    manifold = fixedrank.Product([FixedRank(8, 6, 2, depth=3), Euclidean(8)])

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt, bias):
        return anp.sum(((u * s) @ vt + bias[:, None] - TARGET) ** 2) / 2

    result = solve(pymanopt.Problem(manifold, cost), [start(3), np.zeros(8)])
    centred = TARGET - TARGET.mean(1, keepdims=True)
    least = np.sum(np.linalg.svd(centred, compute_uv=False)[2:] ** 2) / 2
    assert result.cost == pytest.approx(least, rel=1e-12)
    assert result.gradient_norm < 1e-9


def test_a_preconditioner_on_a_product():
    matrices = FixedRank(8, 6, 2, depth=3)
    manifold = fixedrank.Product([matrices, Euclidean(8)])

    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt, bias):
        return anp.sum(((u * s) @ vt + 1e3 * bias[:, None] - TARGET) ** 2) / 2

    def precondition(point, vector):
        changed = matrices.preconditioner()(point[0], vector[0])
        return type(vector)([changed, 1e-6 * vector[1] / 6])

    problem = pymanopt.Problem(manifold, cost, preconditioner=precondition)
    result = solve(problem, [start(3), np.zeros(8)], min_gradient_norm=1e-6)
    assert result.gradient_norm < 1e-6
    assert result.cost_evaluations < 100


@pytest.mark.parametrize("manifold", [Sphere(5), FixedRankEmbedded(5, 5, 2)], ids=str)
def test_manifolds_of_pymanopt(manifold):
    A = np.diag([5.0, 4.0, 3.0, 2.0, 1.0])

    @pymanopt.function.autograd(manifold)
    def cost(*point):
        if len(point) == 1:
            return anp.dot(point[0], A @ point[0])
        return anp.sum(((point[0] * point[1]) @ point[2] - A) ** 2) / 2

    first = np.random.default_rng(0).standard_normal(5)
    point = first / np.linalg.norm(first) if isinstance(manifold, Sphere) else start(1, (5, 5))
    result = solve(pymanopt.Problem(manifold, cost), point, min_gradient_norm=1e-7)
    # The least eigenvalue; and the squares of what rank 2 leaves.
    least = 1.0 if isinstance(manifold, Sphere) else (9 + 4 + 1) / 2
    assert result.cost == pytest.approx(least, rel=1e-12)


# What goes wrong on the way


class Narrow(FixedRank):
    """Steps that are longer than a tenth of W lose rank, as far as one is told."""

    lost = 0

    def retraction(self, point, tangent_vector):
        if np.linalg.norm(dense.tangent(point, tangent_vector)) > np.linalg.norm(point[1]) / 10:
            self.lost += 1
            raise RankLostError("too long", point[1], 1.0)
        return super().retraction(point, tangent_vector)


def test_steps_that_lose_rank_are_shortened():
    manifold = Narrow(8, 6, 2, depth=1)
    result = solve(automatic(manifold), start())
    assert manifold.lost > 0
    np.testing.assert_allclose(
        dense.matrix(result.point), dense.truncated(TARGET, 2), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_one_failed_search_does_not_end_the_run(bad):
    manifold, calls = FixedRank(8, 6, 2, depth=1), []

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        calls.append(s)
        # One whole search of 25 trials.
        return bad if 10 <= len(calls) < 35 else np.sum(((u * s) @ vt - TARGET) ** 2) / 2

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        return (u * s) @ vt - TARGET

    result = solve(pymanopt.Problem(manifold, cost, euclidean_gradient=gradient), start())
    assert result.gradient_norm < 1e-9
    assert len(calls) > 35


def test_a_cost_that_never_falls_ends_the_run():
    manifold = FixedRank(8, 6, 2, depth=1)

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return -np.sum(((u * s) @ vt - TARGET) ** 2) / 2

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        return (u * s) @ vt - TARGET

    result = solve(
        pymanopt.Problem(manifold, cost, euclidean_gradient=gradient), start(), min_step_size=0
    )
    assert "no step lowers the cost" in result.stopping_criterion


def test_it_ends_where_only_round_off_is_left():
    # No tolerance, but those of round-off.
    result = solve(
        automatic(FixedRank(8, 6, 2, depth=1)), start(), min_gradient_norm=0, min_step_size=0
    )
    assert result.gradient_norm < 1e-12
    assert result.iterations < 300


# pymanopt's arguments and results


def test_options_and_result(capsys):
    problem = automatic(FixedRank(8, 6, 2, depth=2))
    result = LBFGS(3, max_iterations=5, verbosity=2, log_verbosity=1).run(
        problem, initial_point=start(2)
    )
    assert result.iterations == 5
    assert "max iterations" in result.stopping_criterion
    assert len(result.log["iterations"]["cost"]) == 5
    assert result.log["iterations"]["cost"][-1] == result.cost
    assert result.cost == pytest.approx(problem.cost(result.point), rel=1e-14)
    expected = problem.manifold.norm(result.point, problem.riemannian_gradient(result.point))
    assert result.gradient_norm == pytest.approx(expected, rel=1e-12)
    printed = capsys.readouterr().out
    assert "Gradient norm" in printed
    assert "max iterations" in printed
    for options, words in (
        ({"max_cost_evaluations": 4}, "max cost evals"),
        ({"max_time": 0}, "max time"),
        ({"min_step_size": 1e3}, "min step_size"),
    ):
        assert words in solve(problem, start(2), **options).stopping_criterion


def test_a_random_start_comes_from_the_manifold():
    results = [
        LBFGS(verbosity=0).run(automatic(FixedRank(8, 6, 2, depth=1, rng=4))) for _ in range(2)
    ]
    assert results[0].cost == results[1].cost


def test_what_it_does_not_take():
    with pytest.raises(ValueError, match="memory"):
        LBFGS(0)
    with pytest.raises(TypeError, match="memory"):
        LBFGS(memory=2.5)
    with pytest.raises(TypeError, match="Delta_bar"):
        LBFGS().run(automatic(FixedRank(8, 6, 2, depth=1)), Delta_bar=1)
