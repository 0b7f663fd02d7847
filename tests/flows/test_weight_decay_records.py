"""Weight decay in what flows leave behind: fields, files, stores, tables, pictures, and errors."""

import numpy as np
import pytest

from fixedrank import (
    FactoredTrajectory,
    FlowComparison,
    LinearRegression,
    RiemannianTrajectory,
    SpectralMetric,
    compare_flows,
    factored_flow,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank._archive import read_archive, write_archive
from fixedrank.flows.saving import RECORDS
from fixedrank.networks.initial import product_point
from tests.flows.test_saving import again, identical

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 9))
PROBLEM = LinearRegression(X, RNG.standard_normal((4, 3)) @ X)
LAYERS = random_balanced_factors([3, 2, 4], rng=0)
POINT = product_point(LAYERS, balanced=True)
TIMES = np.linspace(0, 1, 5)


def flows(**options):
    return (
        factored_flow(PROBLEM, LAYERS, TIMES, **options),
        riemannian_flow(PROBLEM, POINT, 2, TIMES, **options),
    )


def test_without_decay_there_is_no_penalty():
    for flow, same in zip(flows(), flows(weight_decay=0), strict=True):
        assert flow.weight_decay == 0.0
        assert flow.penalty is None
        assert flow.objective is flow.loss
        assert "weight decay" not in repr(flow)
        np.testing.assert_array_equal(flow.loss, same.loss)


def test_what_is_shown():
    for flow in flows(weight_decay=0.25):
        assert flow.weight_decay == 0.25
        assert "weight decay" in repr(flow)
        assert "0.25" in repr(flow)
        assert "objective" in repr(flow)
    comparison = compare_flows(PROBLEM, LAYERS, TIMES, weight_decay=0.25)
    assert "weight decay" in repr(comparison)


@pytest.mark.parametrize("keep", ["last", "points", "products", lambda record: 1.0])
def test_the_penalty_does_not_hang_on_what_is_kept(keep):
    decayed = {"weight_decay": 0.25}
    for flow, other in zip(flows(keep=keep, **decayed), flows(**decayed), strict=True):
        np.testing.assert_array_equal(flow.penalty, other.penalty)


def test_tables():
    pytest.importorskip("pandas")
    for flow in flows(weight_decay=0.25):
        table = flow.to_dataframe()
        assert list(table)[:5] == ["t", "loss", "penalty", "objective", "gradient_norm"]
        np.testing.assert_array_equal(table["objective"], flow.loss + flow.penalty)
    for flow in flows():
        assert not {"penalty", "objective"} & set(flow.to_dataframe())
    table = compare_flows(PROBLEM, LAYERS, TIMES, weight_decay=0.25).to_dataframe()
    assert {"factored_penalty", "riemannian_objective"} <= set(table)


def test_pictures():
    pytest.importorskip("matplotlib")
    flow, _ = flows(weight_decay=0.25)
    figure = flow.plot(quantities=["loss", "objective"])
    drawn = [axes.lines[0].get_ydata() for axes in figure.axes]
    np.testing.assert_array_equal(drawn, [flow.loss, flow.objective])


def test_files(tmp_path):
    for flow in (*flows(weight_decay=0.25), *flows()):
        identical(again(flow, tmp_path / "flow"), flow)
    comparison = compare_flows(PROBLEM, LAYERS, TIMES, weight_decay=0.25)
    identical(again(comparison, tmp_path / "flow"), comparison)


def test_files_from_before_weight_decay(tmp_path):
    """They have none of its fields."""
    path = tmp_path / "flow"

    def earlier(content):
        return {
            name: earlier(part) if isinstance(part, dict) else part
            for name, part in content.items()
            if name not in ("weight_decay", "penalty")
        }

    results = (*flows(), compare_flows(PROBLEM, LAYERS, TIMES))
    for result, kind in zip(
        results, (FactoredTrajectory, RiemannianTrajectory, FlowComparison), strict=True
    ):
        result.save(path)
        content = earlier(read_archive(path, kind.__name__, records=RECORDS))
        write_archive(path, kind.__name__, content, records=RECORDS)
        identical(kind.load(path), result)


def test_stores(tmp_path):
    """A flow that was cut short goes on with its decay to the last bit, and with no other."""

    def both(store=None, **options):
        for flow, start in ((factored_flow, (LAYERS,)), (riemannian_flow, (POINT, 2))):
            where = {} if store is None else {"store": tmp_path / flow.__name__}
            yield flow(PROBLEM, *start, TIMES, weight_decay=0.25, **where, **options)

    for half in both(store=True, callback=lambda t, at, loss: t > 0.4):
        assert not half.complete
    for whole, resumed in zip(both(), both(store=True), strict=True):
        identical(resumed, whole)
    with pytest.raises(ValueError, match="holds another run"):
        riemannian_flow(
            PROBLEM, POINT, 2, TIMES, weight_decay=0.5, store=tmp_path / "riemannian_flow"
        )


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (-0.1, ValueError, "weight_decay must be finite and at least 0, got -0.1"),
        (np.inf, ValueError, "weight_decay must be finite and at least 0, got inf"),
        (np.nan, ValueError, "weight_decay must be finite and at least 0, got nan"),
        ("0.1", TypeError, "weight_decay must be a number, got '0.1'"),
        (True, TypeError, "weight_decay must be a number, got True"),
    ],
)
def test_decays_that_are_none(value, error, said):
    for flow, start in (
        (factored_flow, (LAYERS,)),
        (riemannian_flow, (POINT, 2)),
        (compare_flows, (LAYERS,)),
    ):
        with pytest.raises(error, match=said):
            flow(PROBLEM, *start, TIMES, weight_decay=value)


class Doubled(SpectralMetric):
    """Twice the embedded metric, which nobody said how many layers move by."""

    def tangential(self, s):
        return np.full((*s.shape, s.shape[-1]), 0.5)

    def normal(self, s):
        return (np.full(s.shape, 0.5),) * 2

    def second(self, s):
        return np.zeros((*s.shape, s.shape[-1], s.shape[-1]))

    def first(self, s):
        return (np.zeros((*s.shape, s.shape[-1])),) * 2


class Layered(Doubled):
    """The same, of a number of layers."""

    layers = 3.0


def test_metrics_of_no_number_of_layers():
    for metric, said in ((Doubled(), r"Doubled\(\)"), (float("inf"), "DepthMetric")):
        problem, start = LinearRegression(np.eye(2), np.eye(2)), (np.eye(2), np.ones(2), np.eye(2))
        with pytest.raises(
            ValueError, match=rf"0\.25 acts on each of N layers, and {said}.*`layers`"
        ):
            riemannian_flow(problem, start, metric, TIMES, weight_decay=0.25)


def test_a_metric_that_says_how_many_layers_there_are():
    flow = riemannian_flow(
        LinearRegression(np.zeros((3, 1)), np.zeros((4, 1))),
        POINT,
        Layered(),
        TIMES,
        weight_decay=0.25,
    )
    expected = POINT.s * np.exp(-0.75 * TIMES)[:, None]
    np.testing.assert_allclose(flow.singular_values, expected, rtol=1e-6)
