"""What a user with a strict type checker writes: mypy reads this file, and the tests run it.

Where a line ends with an ignored error of mypy, the error must be there: what is wrong for the
checker is refused when it runs, too.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import assert_type

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import aslinearoperator

import fixedrank
from fixedrank import AmbientLike, LossLike, PointLike, TangentLike

Array = NDArray[np.float64]

TARGET = np.diag([3.0, 1.0])


class LogCosh(fixedrank.Loss):
    """A loss of one's own, by the base class."""

    shape = (2, 2)

    def loss(self, W: PointLike) -> float:
        """Return the sum of ln cosh over the entries."""
        u, s, vt = W
        return float(np.log(np.cosh((u * s) @ vt - TARGET)).sum())

    def gradient(self, W: PointLike) -> Array:
        """Return its gradient, an array."""
        u, s, vt = W
        return np.asarray(np.tanh((u * s) @ vt - TARGET), dtype=np.float64)


class Distance:
    """A loss that derives from nothing."""

    def loss(self, W: tuple[Array, Array, Array]) -> float:
        """Return half the squared distance."""
        return float(np.sum(((W[0] * W[1]) @ W[2] - TARGET) ** 2)) / 2

    def gradient(self, W: tuple[Array, Array, Array]) -> AmbientLike:
        """Return the difference, as a sum of a point and an array."""
        return fixedrank.MatrixSum(fixedrank.FixedRankPoint(*W), -TARGET)


class Doubled(fixedrank.SpectralMetric):
    """A metric of one's own, twice the embedded one."""

    def tangential(self, s: Array) -> Array:
        """Return the weights of M."""
        return np.full((*s.shape, s.shape[-1]), 0.5)

    def normal(self, s: Array) -> tuple[Array, Array]:
        """Return the weights of Up and Vp."""
        return np.full(s.shape, 0.5), np.full(s.shape, 0.5)

    def second(self, s: Array) -> Array:
        """Return zeros."""
        return np.zeros((*s.shape, s.shape[-1], s.shape[-1]))

    def first(self, s: Array) -> tuple[Array, Array]:
        """Return zeros."""
        zeros = np.zeros((*s.shape, s.shape[-1]))
        return zeros, zeros


def length(manifold: fixedrank.FixedRank, point: PointLike, vector: TangentLike) -> float:
    """Return the length of a vector, by a function of one's own with these types."""
    return manifold.norm(point, vector)


def descended(loss: LossLike, start: PointLike, depth: float | fixedrank.SpectralMetric) -> float:
    """Return the loss at the end of a flow, for a loss of any kind."""
    return float(fixedrank.riemannian_flow(loss, start, depth, [0, 1]).loss[-1])


# ------------------------------------------------------------------------------ what is right


def geometry() -> None:
    """Points and vectors of the library's types, and plain tuples."""
    manifold = fixedrank.FixedRank(4, 3, 2, depth=3, rng=0)
    point, end = manifold.random_point(), manifold.random_point(rng=1)
    Z = manifold.random_tangent_vector(point) / 4
    u, s, vt = point
    plain, vector = (u, s, vt), (Z.Up, Z.M, Z.Vp)
    for p in (point, plain):
        for z in (Z, vector):
            assert_type(manifold.inner_product(p, z, z), float)
            assert_type(manifold.retraction(p, z), fixedrank.FixedRankPoint)
            assert_type(manifold.exp(p, z, rtol=1e-6), fixedrank.FixedRankPoint)
            assert_type(manifold.transport(p, end, z), fixedrank.FixedRankTangentVector)
            assert_type(manifold.embedding(p, z), fixedrank.FactorDirections)
            assert_type(manifold.to_tangent_space(p, z), fixedrank.FixedRankTangentVector)
            assert_type(manifold.tangent_to_matrix(p, z), Array)
            assert length(manifold, p, z) == manifold.norm(point, Z)
        assert_type(manifold.operator(p), fixedrank.DepthOperator)
        assert_type(fixedrank.DepthOperator(p, 3).solve(Z), fixedrank.FixedRankTangentVector)
        assert_type(fixedrank.integral_inner_product(p, Z, vector, 3), float)
    assert_type(2 * Z - Z / 2, fixedrank.FixedRankTangentVector)
    assert_type(manifold.depth, float | None)
    single = np.float32(u), np.float32(s), np.float32(vt)
    assert_type(manifold.point(single), fixedrank.FixedRankPoint)


def ambient() -> None:
    """Ambient matrices of every kind, where a gradient is asked for and in a projection."""
    manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
    point = manifold.point([[3, 1], [0, 1]])
    pair = np.ones((2, 1)), np.ones((2, 1))
    kinds: list[AmbientLike] = [
        np.eye(2),
        [[1.0, 0.0], [0.0, 1.0]],
        scipy.sparse.csr_array(np.eye(2)),
        pair,
        (pair[0], np.ones((1, 1)), pair[1]),
        aslinearoperator(np.eye(2)),
        point,
        manifold.random_tangent_vector(point, rng=0),
        fixedrank.MatrixSum(np.eye(2), pair),
    ]
    for matrix in kinds:
        gradient = manifold.euclidean_to_riemannian_gradient(point, matrix)
        assert_type(gradient, fixedrank.FixedRankTangentVector)
        manifold.euclidean_to_riemannian_hessian(point, matrix, matrix, gradient)
        manifold.projection(point, matrix)
    manifold.euclidean_to_riemannian_gradient(point, (point.u * point.s, point.s, point.vt))


def losses() -> None:
    """Losses of all kinds in flows, comparison, descent and searches."""
    start = fixedrank.FixedRank(2, 2, 1, depth=3).point([[1.0, 0.5], [0.0, 1.0]])
    factors = fixedrank.balanced_factors(start, [2, 2, 2, 2], rng=0)
    layers: Sequence[Array] = factors
    unbalanced = fixedrank.imbalanced_factors(start, [0.5, -1.0], rng=0)
    assert_type(fixedrank.imbalance(unbalanced)[0], Array)
    assert_type(fixedrank.imbalance(unbalanced).homogeneous, tuple[float, ...] | None)
    assert_type(fixedrank.NetworkOperator(unbalanced).eigenvalues(2), Array)
    assert_type(fixedrank.ImbalancedMetric([0.5, -1.0]).decayed(0.5), fixedrank.SpectralMetric)
    fixedrank.FixedRank(2, 2, 1, depth=3, imbalance=[0.5, -1.0])
    fixedrank.DepthOperator(start, 3, imbalance=(0.5, -1.0))
    regression = fixedrank.LinearRegression(np.eye(2), TARGET)
    entries = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
    recovery = fixedrank.recover(entries, 1, held_out=entries, rng=0)
    assert_type(recovery, fixedrank.Recovery)
    assert_type(recovery.held_out, float | None)
    assert_type(entries.occurring().embed(recovery.point), fixedrank.FixedRankPoint)
    problems: list[LossLike] = [LogCosh(), Distance(), regression, entries, 2 * LogCosh()]
    for problem in problems:
        assert descended(problem, start, 3) < float(problem.loss(start))
        flow = fixedrank.factored_flow(problem, layers, np.linspace(0, 1, 3), method="RK45")
        assert_type(flow, fixedrank.FactoredTrajectory)
        both = fixedrank.compare_flows(problem, factors, (0, 1), rtol=1e-6, progress=False)
        assert_type(both.verdict, str)
        steps = fixedrank.gradient_descent(problem, layers, [0, 2], step_size=1e-3)
        assert_type(steps.loss, Array)
        assert_type(fixedrank.sharpness(problem, layers, weight_decay=0.1), float)
        fixedrank.rank_increase(problem, start)
        fixedrank.NetworkHessian(problem, factors)
    assert_type(regression.batch([0, 1]), fixedrank.LinearRegression)
    trained = fixedrank.gradient_descent(
        regression,
        layers,
        5,
        step_size=1e-3,
        weight_decay=0.1,
        momentum=0.9,
        batch_size=1,
        rng=0,
        imbalance_law=True,
    )
    assert_type(trained.imbalances, list[list[Array]])
    edge = fixedrank.edge_of_stability(start, 3, c=2.0)
    white = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
    aligned = (np.eye(2), np.ones(2), np.eye(2))
    mapped = fixedrank.aligned_descent(white, aligned, 5, depth=3, step_size=edge)
    assert_type(mapped, fixedrank.AlignedDescent)
    assert_type(mapped.singular_values, Array)
    decayed = fixedrank.riemannian_flow(
        regression, start, 3, [0, 1], imbalance=[1.0, 0.5], weight_decay=0.1
    )
    assert_type(decayed.penalty, Array | None)
    assert_type(decayed.objective, Array)
    assert_type(decayed.last_metric, fixedrank.SpectralMetric)
    flow_of_mine = fixedrank.riemannian_flow(LogCosh(), start, Doubled(), [0, 1], method="RK23")
    assert_type(flow_of_mine.points[-1].s, Array)
    assert_type(LogCosh() + 0.1 * regression, fixedrank.Loss)
    assert_type(LogCosh().network_gradient(factors), list[Array])
    assert_type(regression.loss(np.eye(2)), float)
    manifold = fixedrank.FixedRank(2, 2, 1, metric=Doubled())
    LogCosh().to_pymanopt(manifold)
    fixedrank.ExactStartLineSearcher(regression)
    precondition = regression.preconditioner(fixedrank.FixedRank(2, 2, 1, depth=2))
    assert_type(precondition.typical_dist, float)
    posed = regression.to_pymanopt(
        fixedrank.FixedRank(2, 2, 1, depth=2, retraction="bounded"),
        hessian="gauss-newton",
        preconditioner=precondition,
    )
    watched = fixedrank.watch(posed, lambda point, norm, counts, seconds: counts.steps > 3)
    fixedrank.optimizers.LBFGS(memory=5, verbosity=0).run(watched, initial_point=start)
    assert_type(watched.counts.gradients, int)
    assert_type(watched.stopped, bool)


def landscape() -> None:
    """Critical points, the classification of points, arrays and layers, an ensemble."""
    problem = fixedrank.LinearRegression(np.eye(2), TARGET, sample_weight=[1.0, 2.0])
    best = fixedrank.global_minimizer(problem, 1)
    assert_type([*fixedrank.critical_points(problem, 1)], list[fixedrank.CriticalPoint])
    assert_type(fixedrank.classify(problem, best.point), fixedrank.PointClassification)
    assert_type(fixedrank.classify(problem, TARGET, depth=2), fixedrank.PointClassification)
    decay = fixedrank.SchattenDecay(0.1, 2)
    assert_type(decay.maxwell, tuple[float, float])
    assert_type(problem + decay, fixedrank.Loss)
    assert_type(fixedrank.schatten_threshold([1.0, 2.0], 0.1, 3, branch="upper"), Array)
    white = fixedrank.LinearRegression(np.eye(2), TARGET)
    decayed = fixedrank.global_minimizer(white, 2, weight_decay=0.1, depth=3)
    assert_type(decayed.objective, float)
    assert_type(decayed.branches, tuple[str, ...] | None)
    assert_type(fixedrank.dual_certificate(problem + decay, TARGET), fixedrank.DualCertificate)
    assert_type(best.hessian_spectrum(Doubled()), Array)
    layers = fixedrank.balanced_factors(best.point, [2, 2, 2], rng=0)
    fixedrank.classify_factors(problem, layers)
    certificate = fixedrank.certify(problem, layers)
    assert_type(certificate, fixedrank.RateCertificate)
    assert_type(certificate.bound([0.0, 1.0]), Array)
    assert_type(fixedrank.certify(problem, best.point, 2).time_to(1e-6), float)
    fixedrank.check_hypotheses(problem, layers)
    fixedrank.check_hypotheses(problem, best.point, 2)
    experiment = fixedrank.Experiment(problem, [2, 2, 2], scale=0.5)
    ensemble = fixedrank.run_ensemble(experiment, range(3), workers=1)
    assert_type(ensemble.limits, dict[str, int])
    with tempfile.TemporaryDirectory() as folder:
        ensemble.to_csv(pathlib.Path(folder) / "runs.csv")


def thermodynamics() -> None:
    """Entropy, free energies, and exact samples."""
    problem = fixedrank.LinearRegression(np.eye(2), TARGET)
    manifold = fixedrank.FixedRank(2, 2, 1, depth=2)
    drawn = manifold.random_gibbs(1.0, rng=0)
    assert_type(manifold.random_gibbs(2.0, size=3, rng=0), fixedrank.FixedRankPoint)
    assert_type(manifold.brownian_drift(drawn, 0.5), fixedrank.FixedRankTangentVector)
    assert_type(manifold.log_partition(1), float)
    volume: float = fixedrank.log_fibre_volume(drawn, [2, 3, 2])
    free: float = fixedrank.free_energy(problem, drawn, (2, 3, 2), 0.5)
    assert volume < 10 < free + 20
    run = fixedrank.langevin(problem, drawn, 2, [0, 1], temperature=0.5, widths=(2, 3, 2), rng=0)
    assert_type(run, fixedrank.LangevinTrajectory)
    mean, error = run.observable(lambda W: W.s[0])
    assert mean.shape == error.shape == run.loss.shape
    assert_type(run.effective_sample_size(run.loss), float)
    entropy: fixedrank.Loss = fixedrank.FibreEntropy([2, 3, 2])
    energy: fixedrank.Loss = fixedrank.FreeEnergy(LogCosh(), [2, 3, 2], temperature=0.1)
    assert np.isfinite((entropy + energy).loss(drawn))


# ------------------------------------------------------------------------------ what is wrong


def refused(call: Callable[[], object]) -> None:
    """Raise an AssertionError unless the call is refused."""
    try:
        call()
    except (TypeError, ValueError):
        return
    raise AssertionError("not refused")


def wrong_points() -> None:
    """What is no point, and no tangent vector."""
    M = fixedrank.FixedRank(2, 2, 1, depth=2)
    p = M.random_point(rng=0)
    Z = M.random_tangent_vector(p, rng=1)
    refused(lambda: M.retraction(np.eye(2), Z))  # type: ignore[arg-type]
    refused(lambda: M.retraction(p, np.eye(2)))  # type: ignore[arg-type]
    refused(lambda: M.norm(p, (Z.Up, Z.M)))  # type: ignore[arg-type]
    refused(lambda: M.inner_product(p, Z, None))  # type: ignore[arg-type]
    refused(lambda: M.exp(p, Z, rtol="small"))  # type: ignore[arg-type]
    refused(lambda: M.exp(p, Z, 1e-6))  # type: ignore[call-arg]
    refused(lambda: M.random_point(rng="seed"))  # type: ignore[arg-type]
    refused(lambda: M.dist(p))  # type: ignore[call-arg]
    refused(lambda: fixedrank.FixedRank(2, 2, 1, depth="deep"))  # type: ignore[arg-type]
    refused(lambda: fixedrank.FixedRank(2, 2, 1, metric=2))  # type: ignore[arg-type]
    refused(lambda: fixedrank.DepthOperator(np.eye(2), 2))  # type: ignore[arg-type]
    refused(lambda: fixedrank.DepthOperator(p, 2).solve(np.eye(2)))  # type: ignore[arg-type]
    refused(lambda: fixedrank.integral_inner_product(np.eye(2), Z, Z, 2))  # type: ignore[arg-type]
    refused(lambda: fixedrank.truncate(np.eye(2), 1))  # type: ignore[arg-type]


def results() -> None:
    """What comes out draws itself, goes to tables and files, and comes back."""
    layers = fixedrank.factors_from([np.eye(2), np.eye(2)])
    steps: list[float] = []

    def seen(t: float, factors: object, loss: float) -> bool:
        steps.append(loss)
        return len(steps) > 3

    flow = fixedrank.factored_flow(LogCosh(), layers, [0.0, 1.0], callback=seen)
    effective: NDArray[np.float64] = flow.effective_rank
    fixedrank.plot_trajectories([flow], labels=["one"])
    starts = [np.ones((3, *np.shape(layer))) for layer in layers]
    many = fixedrank.factored_flow(LogCosh(), starts, [0.0, 1.0])
    assert isinstance(many, fixedrank.FactoredTrajectories)
    losses: NDArray[np.float64] = many.loss
    for each in many:
        assert_type(each, fixedrank.FactoredTrajectory)
    assert losses.shape == (2, 3)
    fixedrank.plotting.depth_style(2)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "flow.npz"
        flow.save(path)
        again: fixedrank.FactoredTrajectory = fixedrank.FactoredTrajectory.load(path)
    completion = fixedrank.MatrixCompletion([0], [1], [2.0], (2, 2), weights=[1.0], ridge=0.1)
    found: NDArray[np.float64] = completion.predict(np.eye(2), [0], [0])
    classes = fixedrank.Classification(np.eye(2), [0, 1], classes=2)
    down = fixedrank.factored_flow(classes, layers, [0.0, 1.0], clock="loss", infimum=0.0)
    cosine: float = classes.alignment(down.last)
    bound: float = classes.dual_bound(down.product[-1]) * classes.margin(down.points[-1])
    part: fixedrank.Loss = classes.batch([0])
    assert down.clock is not None
    assert part.loss(down.points[-1]) + cosine + bound > 0
    saddles = fixedrank.greedy_path(LogCosh(), 2, 1)
    assert_type(saddles.stages[0], fixedrank.GreedyStage)
    assert_type(saddles.stages[0].plateau(1e-3), float)
    arrivals: NDArray[np.float64] = saddles.arrival_times(1e-3)
    assert arrivals.shape == (1,)
    assert effective.shape == again.t.shape == (2,)  # the start, and where it was stopped
    assert found.shape == (1,)


def wrong_problems() -> None:
    """What is no loss, no layers, no method."""
    M = fixedrank.FixedRank(2, 2, 1, depth=2)
    p = M.random_point(rng=0)
    loss, W = LogCosh(), [np.eye(2), np.eye(2)]
    flow, layers_flow = fixedrank.riemannian_flow, fixedrank.factored_flow
    refused(lambda: flow(np.eye(2), p, 2, [0, 1]))  # type: ignore[arg-type]
    refused(lambda: flow(loss, np.eye(2), 2, [0, 1]))  # type: ignore[arg-type]
    refused(lambda: flow(loss, p, "deep", [0, 1]))  # type: ignore[arg-type]
    refused(lambda: flow(loss, p, 2, [0, 1], method=4))  # type: ignore[arg-type]
    refused(lambda: layers_flow(loss, 2.0, [0, 1]))  # type: ignore[arg-type]
    refused(lambda: layers_flow("loss", W, [0, 1]))  # type: ignore[arg-type]
    refused(lambda: fixedrank.compare_flows(3.0, W, [0, 1]))  # type: ignore[arg-type]
    refused(lambda: fixedrank.gradient_descent(p, W, 3, step_size=1.0))  # type: ignore[arg-type]
    refused(lambda: fixedrank.rank_increase(loss, np.eye(2)))  # type: ignore[arg-type]
    refused(lambda: fixedrank.classify(loss, p))  # type: ignore[arg-type]
    refused(lambda: fixedrank.classify_factors(loss, W))  # type: ignore[arg-type]
    refused(lambda: fixedrank.safe_step_size(loss, W))  # type: ignore[arg-type]
    refused(lambda: loss.network_loss(2.0))  # type: ignore[arg-type]
    refused(lambda: loss + 1)  # type: ignore[operator]
    refused(lambda: loss.to_pymanopt(M, hessian="newton"))  # type: ignore[arg-type]
    refused(lambda: fixedrank.watch(loss, print))
    refused(lambda: fixedrank.optimizers.LBFGS(memory="few"))  # type: ignore[arg-type]
    refused(lambda: fixedrank.FixedRank(2, 2, 1, depth=2, retraction="qr"))  # type: ignore[arg-type]
    refused(lambda: fixedrank.ExactStartLineSearcher(Distance()))  # type: ignore[arg-type]
    refused(fixedrank.Loss)
    refused(fixedrank.SpectralMetric)
