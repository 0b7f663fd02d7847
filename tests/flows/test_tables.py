"""What is read off a flow at each time: the effective rank, and tables."""

import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    LinearRegression,
    balancedness,
    compare_flows,
    factored_flow,
    gradient_descent,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.tables import effective_ranks
from tests.flows.test_saving import LAYERS, PROBLEM, START, TIMES


def effective_rank(*s):
    return float(effective_ranks(np.array([s]))[0])


@pytest.mark.parametrize("r", [1, 2, 5])
@pytest.mark.parametrize("size", [5e-324, 1e-200, 1.0, 1.7e308])
def test_of_equal_values_it_is_their_number(r, size):
    assert effective_rank(*[size] * r, 0.0, 0.0) == pytest.approx(r, rel=1e-12)


def test_of_two_values():
    """The entropy of shares 3/4 and 1/4 is ln 4 - 3/4 ln 3."""
    assert effective_rank(3.0, 1.0) == pytest.approx(4 / 3**0.75, rel=1e-12)


def test_of_zero_it_is_zero():
    np.testing.assert_array_equal(effective_ranks(np.array([[0.0, 0.0], [1.0, 0.0]])), [0.0, 1.0])
    assert effective_ranks(np.zeros((0, 0))).shape == (0,)


def test_of_what_diverged_it_is_not_a_number():
    assert np.isnan(effective_rank(np.nan, 1.0))
    assert np.isnan(effective_rank(np.inf, 1.0))


@given(
    values=st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=6),
    exponent=st.integers(-290, 290),
)
def test_it_is_that_of_scipy_in_any_unit(values, exponent):
    expected = np.exp(scipy.stats.entropy(values))
    found = effective_rank(*(10.0**exponent * value for value in values))
    assert found == pytest.approx(expected, rel=1e-10)
    assert 1 - 1e-12 <= found <= len(values) * (1 + 1e-12)


def test_a_trajectory_has_it():
    flow = factored_flow(PROBLEM, LAYERS, TIMES)
    expected = [
        np.exp(scipy.stats.entropy(np.linalg.svd(W, compute_uv=False)[:2])) for W in flow.product
    ]
    np.testing.assert_allclose(flow.effective_rank, expected, rtol=1e-10)
    other = riemannian_flow(PROBLEM, START, 2, TIMES, keep="last")
    np.testing.assert_allclose(other.effective_rank, expected, rtol=1e-5)


def test_descent_has_it():
    descent = gradient_descent(PROBLEM, LAYERS, [0, 5, 50])
    values = [np.linalg.svd(W, compute_uv=False)[:2] for W in descent.product]
    np.testing.assert_allclose(descent.singular_values, values, rtol=1e-10)
    expected = np.exp(scipy.stats.entropy(np.array(values).T))
    np.testing.assert_allclose(descent.effective_rank, expected, rtol=1e-10)
    np.testing.assert_array_equal(descent.balancedness, [*map(balancedness, descent.factors)])


COLUMNS = ["t", "loss", "gradient_norm", "sigma_1", "sigma_2", "effective_rank", "balancedness"]


@pytest.mark.parametrize("keep", ["layers", "points", "last", len])
def test_the_table_of_a_flow(keep):
    flow = factored_flow(PROBLEM, LAYERS, TIMES, keep=keep)
    table = flow.to_dataframe()
    assert list(table) == COLUMNS
    for name in ("t", "loss", "gradient_norm", "effective_rank", "balancedness"):
        np.testing.assert_array_equal(table[name], getattr(flow, name))
    np.testing.assert_array_equal(table[["sigma_1", "sigma_2"]], flow.singular_values)


def test_the_table_of_a_riemannian_flow():
    table = riemannian_flow(PROBLEM, START, 2, TIMES, keep="last").to_dataframe()
    assert list(table) == COLUMNS
    assert len(table) == len(TIMES)
    assert (table["balancedness"] == 0).all()


def test_the_table_of_a_descent():
    table = gradient_descent(PROBLEM, LAYERS, [0, 3, 9], step_size=0.01).to_dataframe()
    assert list(table) == ["iteration", *COLUMNS]
    assert table["iteration"].tolist() == [0, 3, 9]
    np.testing.assert_allclose(table["t"], [0, 0.03, 0.09])


def test_the_table_of_a_descent_without_an_iterate():
    class Interrupted(LinearRegression):
        def network_gradient(self, factors):
            raise KeyboardInterrupt

    descent = gradient_descent(Interrupted(np.eye(5), np.eye(4, 5)), LAYERS, 3, step_size=1.0)
    assert len(descent) == len(descent.to_dataframe()) == 0


def test_the_table_of_a_comparison():
    comparison = compare_flows(PROBLEM, LAYERS, TIMES)
    table = comparison.to_dataframe()
    both = [f"{flow}_{name}" for flow in ("factored", "riemannian") for name in COLUMNS[1:]]
    assert list(table) == ["t", "gap", "relative_gap", *both]
    np.testing.assert_array_equal(table["factored_loss"], comparison.factored.loss)
    np.testing.assert_array_equal(table["riemannian_loss"], comparison.riemannian.loss)


def test_a_comparison_that_was_cut_short_has_the_times_of_both():
    comparison = compare_flows(PROBLEM, LAYERS, TIMES)
    longer = comparison.factored
    shorter = riemannian_flow(PROBLEM, START, 2, TIMES[:3])
    cut = type(comparison)(
        factored=longer,
        riemannian=shorter,
        depth=2,
        imbalance=0.0,
        tolerance=1e-6,
        absolute_tolerance=None,
    )
    assert cut.to_dataframe()["t"].tolist() == TIMES[:3].tolist()
    assert not cut.to_dataframe().isna().any(axis=None)


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    flow = factored_flow(PROBLEM, LAYERS, TIMES)
    expected = (
        r"to_dataframe\(\) needs pandas, which is not installed: pip install 'fixedrank\[data"
    )
    with pytest.raises(ModuleNotFoundError, match=expected):
        flow.to_dataframe()


def test_layers_of_any_depth():
    layers = random_balanced_factors([5, 3, 2, 4], rng=1)
    assert list(factored_flow(PROBLEM, layers, TIMES).to_dataframe()) == COLUMNS
