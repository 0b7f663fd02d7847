"""Results of flows in files: the same result comes back, bit for bit."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    DescentTrajectory,
    FactoredTrajectory,
    FixedRank,
    FlowComparison,
    LinearRegression,
    RiemannianTrajectory,
    SpectralMetric,
    compare_flows,
    factored_flow,
    gradient_descent,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank._archive import write_archive
from fixedrank.networks.initial import product_point
from tests.test_archive import same

TIMES = np.linspace(0, 1, 5)


def problem_and_layers(unit=1.0):
    """A problem whose W and layers have the given unit; two layers, so that the rate is that."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 12)) / unit**0.5
    layers = [unit**0.5 * layer for layer in random_balanced_factors([5, 2, 4], rng=0)]
    return LinearRegression(X, unit * rng.standard_normal((4, 5)) @ X), layers


PROBLEM, LAYERS = problem_and_layers()
START = product_point(LAYERS, balanced=True)


def identical(a, b):
    """Whether two results are the same in every field."""
    assert type(a) is type(b)
    for field in dataclasses.fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if dataclasses.is_dataclass(one):
            identical(one, other)
        elif isinstance(one, SpectralMetric):
            assert one is other
        else:
            assert same(one, other), field.name


def again(result, path, **options):
    result.save(path, **options)
    return type(result).load(path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep", ["layers", "points", "products", "last"])
def test_factored_flows(tmp_path, keep, compressed):
    flow = factored_flow(PROBLEM, LAYERS, TIMES, keep=keep)
    loaded = again(flow, tmp_path / "flow.npz", compressed=compressed)
    identical(loaded, flow)
    np.testing.assert_array_equal(loaded.balancedness, flow.balancedness)


@pytest.mark.parametrize("depth", [1, 1.5, 2, math.inf])
@pytest.mark.parametrize("keep", ["points", "products", "last"])
def test_riemannian_flows(tmp_path, keep, depth):
    whole = math.isinf(depth)
    problem = LinearRegression(np.eye(2), np.diag([3.0, 1.0])) if whole else PROBLEM
    start = FixedRank(2, 2, 2, depth=2).random_point(rng=0) if whole else START
    flow = riemannian_flow(problem, start, depth, TIMES, keep=keep)
    identical(again(flow, tmp_path / "flow"), flow)


def results_of_functions():
    return [
        lambda point: point.s.astype(np.float32),
        lambda point: float(point.s[0]),
        lambda point: np.sum(point.s),
        lambda point: {"size": point.s.size, "parts": [point.u[0], None, "text"]},
        lambda point: (point, point.vt),
    ]


@pytest.mark.parametrize("number", range(len(results_of_functions())))
def test_what_a_function_kept(tmp_path, number):
    flow = riemannian_flow(PROBLEM, START, 2, TIMES, keep=results_of_functions()[number])
    identical(again(flow, tmp_path / "flow"), flow)


def test_what_has_no_place_in_a_file(tmp_path):
    flow = riemannian_flow(PROBLEM, START, 2, TIMES, keep=lambda point: {1, 2})
    with pytest.raises(TypeError, match=r"kept\[0\] is a set, .*returns a copy .* kept=\[\]"):
        flow.save(tmp_path / "flow")
    assert not list(tmp_path.iterdir())
    fewer = dataclasses.replace(flow, kept=[])
    identical(again(fewer, tmp_path / "flow"), fewer)


def test_flows_into_lower_rank(tmp_path):
    """The points change their shape on the way, and rank_changes says so."""
    problem = LinearRegression(np.eye(2), np.diag([3.0, -1.0]))
    start = FixedRank(2, 2, 2, depth=2).point(np.eye(2))
    flow = riemannian_flow(problem, start, 1.5, [0, 0.1, 5])
    assert len(flow.rank_changes) == 1
    assert {point.s.size for point in flow.points} == {1, 2}
    loaded = again(flow, tmp_path / "flow")
    identical(loaded, flow)
    assert loaded.rank_changes[0].reason == flow.rank_changes[0].reason


@pytest.fixture(scope="module")
def flow():
    return riemannian_flow(PROBLEM, START, 3.5, TIMES)


@given(exponent=st.integers(-150, 150), seed=st.integers(0, 99))
def test_units(tmp_path_factory, flow, exponent, seed):
    """Values of any size, denormal and infinite ones too, and not a number."""
    path = tmp_path_factory.mktemp("saving") / "flow"
    rng = np.random.default_rng(seed)
    special = rng.choice([1.0, 5e-324, -0.0, np.inf, np.nan], len(TIMES))
    scale = 10.0**exponent
    points = [point._replace(s=scale * point.s) for point in flow.points]
    changed = dataclasses.replace(
        flow, loss=scale * flow.loss, gradient_norm=special, kept=points, last=points[-1]
    )
    identical(again(changed, path), changed)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_flows_in_other_units(tmp_path, unit):
    problem, layers = problem_and_layers(unit)
    flow = factored_flow(problem, layers, TIMES)
    assert 0.1 * unit < flow.singular_values[-1].max() < 10 * unit
    identical(again(flow, tmp_path / "flow"), flow)


def test_descent(tmp_path):
    descent = gradient_descent(PROBLEM, LAYERS, [0, 3, 9])
    identical(again(descent, tmp_path / "descent"), descent)


def test_comparisons(tmp_path):
    comparison = compare_flows(PROBLEM, LAYERS, TIMES, keep="points")
    loaded = again(comparison, tmp_path / "comparison")
    identical(loaded, comparison)
    assert loaded.verdict == comparison.verdict
    with np.load(tmp_path / "comparison") as arrays:
        np.testing.assert_array_equal(arrays["factored.t"], TIMES)


class Doubled(SpectralMetric):
    """Twice the embedded metric, or `factor` times."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def tangential(self, s):
        return np.full((*s.shape, s.shape[-1]), 1 / self.factor)

    def normal(self, s):
        return np.full(s.shape, 1 / self.factor), np.full(s.shape, 1 / self.factor)

    def second(self, s):
        return np.zeros((*s.shape, s.shape[-1], s.shape[-1]))

    def first(self, s):
        return np.zeros((*s.shape, s.shape[-1])), np.zeros((*s.shape, s.shape[-1]))


class Slotted(Doubled):
    """A metric of which no fingerprint can be made."""

    def __init__(self):
        super().__init__()
        self.handle = iter(())


@pytest.mark.parametrize("metric", [Doubled(), Slotted()])
def test_a_metric_of_ones_own_is_asked_for(tmp_path, metric):
    path, name = tmp_path / "flow", type(metric).__name__
    flow = riemannian_flow(PROBLEM, START, metric, TIMES)
    flow.save(path)
    with pytest.raises(TypeError, match=rf"flow of the metric {name}, .*load\(path, metric="):
        RiemannianTrajectory.load(path)
    identical(RiemannianTrajectory.load(path, metric=metric), flow)


def test_another_metric_is_refused(tmp_path):
    path = tmp_path / "flow"
    riemannian_flow(PROBLEM, START, Doubled(), TIMES).save(path)
    for metric in (Doubled(3.0), Slotted(), FixedRank(2, 2, 1, depth=2).metric):
        with pytest.raises(ValueError, match=r"another metric than the .*numpy.load"):
            RiemannianTrajectory.load(path, metric=metric)
    flow = riemannian_flow(PROBLEM, START, 2, TIMES)
    flow.save(path)
    with pytest.raises(ValueError, match=r"of DepthMetric\(2\), not of the metric Doubled"):
        RiemannianTrajectory.load(path, metric=Doubled())
    identical(RiemannianTrajectory.load(path, metric=flow.metric), flow)


@pytest.mark.parametrize("kind", [RiemannianTrajectory, DescentTrajectory, FlowComparison])
def test_the_file_of_another_kind(tmp_path, kind):
    factored_flow(PROBLEM, LAYERS, TIMES).save(tmp_path / "flow")
    expected = f"of the kind FactoredTrajectory, not {kind.__name__}: FactoredTrajectory.load reads"
    with pytest.raises(ValueError, match=expected):
        kind.load(tmp_path / "flow")


@pytest.mark.parametrize("kind", [FactoredTrajectory, RiemannianTrajectory, FlowComparison])
def test_fields_that_are_not_there(tmp_path, kind):
    write_archive(tmp_path / "flow", kind.__name__, {"t": TIMES}, records={})
    with pytest.raises(ValueError, match=rf"{kind.__name__}.save of this version .*missing \['"):
        kind.load(tmp_path / "flow")


def test_fields_of_another_version(tmp_path):
    class Fewer(FactoredTrajectory):
        def _content(self):
            return {"news": 1, **super()._content()} | {"t": self.t}

    flow = factored_flow(PROBLEM, LAYERS, TIMES)
    changed = Fewer(**{f.name: getattr(flow, f.name) for f in dataclasses.fields(flow)})
    changed.save(tmp_path / "flow")
    with pytest.raises(ValueError, match=r"Fewer.save of this version .*unknown \['news'\]"):
        Fewer.load(tmp_path / "flow")


def test_a_flow_goes_on_from_a_file(tmp_path):
    whole = factored_flow(PROBLEM, LAYERS, [0, 0.5, 1])
    factored_flow(PROBLEM, LAYERS, [0, 0.5]).save(tmp_path / "half")
    half = FactoredTrajectory.load(tmp_path / "half")
    rest = factored_flow(PROBLEM, half.last, [half.t[-1], 1])
    np.testing.assert_allclose(rest.loss[-1], whole.loss[-1], rtol=1e-6)
