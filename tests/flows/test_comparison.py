"""The comparison of the flows: gaps, verdicts, pictures, and starts that are not balanced."""

import re
import sys

import numpy as np
import pytest

from fixedrank import (
    FlowComparison,
    LinearRegression,
    RankLostError,
    balancedness,
    compare_flows,
    gaussian_factors,
    random_balanced_factors,
)
from tests.geometry.dense import matrix

WIDTHS = [5, 2, 3, 4]
T = np.linspace(0, 3, 13)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return LinearRegression(rng.standard_normal((5, 15)) / 2, rng.standard_normal((4, 15)) / 2)


@pytest.fixture(scope="module")
def comparison(problem):
    return compare_flows(problem, random_balanced_factors(WIDTHS, rng=1), T)


@pytest.fixture(scope="module")
def unbalanced(problem):
    return compare_flows(problem, gaussian_factors(WIDTHS, rng=2), T, allow_unbalanced=True)


@pytest.mark.parametrize("name", ["comparison", "unbalanced"])
def test_gaps_are_distances_of_the_products(name, request):
    both = request.getfixturevalue(name)
    assert isinstance(both, FlowComparison)
    gaps = [
        np.linalg.norm(W - matrix(point))
        for W, point in zip(both.factored.product, both.riemannian.points, strict=True)
    ]
    norms = [np.linalg.norm(matrix(point)) for point in both.riemannian.points]
    np.testing.assert_allclose(both.gap, gaps, rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose(both.norm, norms, rtol=1e-12)
    np.testing.assert_allclose(both.relative_gap, both.gap / norms, rtol=1e-12)
    expected = [balancedness(layers) for layers in both.factored.factors]
    np.testing.assert_allclose(both.balancedness, expected, rtol=1e-12)
    np.testing.assert_array_equal(both.t, T)
    assert both.depth == 3


def test_the_same_start(unbalanced):
    assert unbalanced.gap[0] <= 1e-14


def test_agreement_in_words(comparison):
    assert comparison.tolerance == pytest.approx(1e-6)
    largest, when = comparison.relative_gap.max(), T[comparison.relative_gap.argmax()]
    assert comparison.verdict.startswith("The two flows are one: ")
    assert f"{largest:.1e}" in comparison.verdict
    assert f"t = {when:.6g}" in comparison.verdict


def test_unbalanced_layers_are_refused_with_the_number(problem):
    factors = gaussian_factors(WIDTHS, rng=2)
    measured = max(
        np.linalg.norm(factors[j + 1].T @ factors[j + 1] - factors[j] @ factors[j].T)
        for j in range(2)
    )
    with pytest.raises(ValueError, match="not balanced") as caught:
        compare_flows(problem, factors, T)
    assert f"{measured:.3e}" in str(caught.value)
    assert "allow_unbalanced=True" in str(caught.value)


def test_slightly_unbalanced_layers_are_refused(problem):
    factors = random_balanced_factors(WIDTHS, rng=1)
    factors[0] = factors[0] * (1 + 1e-9)
    with pytest.raises(ValueError, match="not balanced"):
        compare_flows(problem, factors, T)


def test_round_off_in_the_layers_is_allowed(problem):
    factors = random_balanced_factors(WIDTHS, rng=1)
    factors[0] = factors[0] * (1 + 1e-13)
    assert "one" in compare_flows(problem, factors, T).verdict


def test_a_drift_is_not_integration_error(problem, unbalanced):
    tighter = compare_flows(
        problem,
        gaussian_factors(WIDTHS, rng=2),
        T,
        rtol=1e-11,
        atol=1e-13,
        allow_unbalanced=True,
    )
    assert unbalanced.gap.max() > 0.01
    np.testing.assert_allclose(tighter.gap, unbalanced.gap, rtol=0, atol=1e-6)
    assert "unbalanced" in unbalanced.verdict
    imbalance = re.search(r"unbalanced by (\d\.\de[+-]\d\d)", unbalanced.verdict)
    assert float(imbalance[1]) == pytest.approx(unbalanced.imbalance, rel=0.06)
    # As conserved by the flow.
    np.testing.assert_allclose(tighter.balancedness, tighter.balancedness[0], rtol=1e-8)


def test_too_low_a_tolerance_in_words(problem):
    # A fixed step has no tolerance: what rtol asks for is not reached.
    both = compare_flows(
        problem, random_balanced_factors(WIDTHS, rng=1), T, method="RK4", step=0.1, rtol=1e-12
    )
    assert both.relative_gap.max() > both.tolerance
    assert both.verdict.startswith("The two flows differ")


def test_a_product_of_zero(problem):
    with pytest.raises(RankLostError, match="zero"):
        compare_flows(problem, [np.zeros((2, 5)), np.zeros((4, 2))], T)


@pytest.mark.parametrize("name", ["comparison", "unbalanced"])
def test_plot(name, request, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    both = request.getfixturevalue(name)
    known = pyplot.get_fignums()
    figure = both.plot()
    assert pyplot.get_fignums() == known
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_title()
        assert axes.get_xlim() == (0, 3)
    losses, values, gaps = figure.axes
    for axes in (losses, gaps):
        assert axes.get_legend().get_texts()
    # The second panel has the colours of the first, which names them.
    for layers, curve in ((values.lines[0], losses.lines[0]), (values.lines[-1], losses.lines[1])):
        assert layers.get_color() == curve.get_color()
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), both.factored.loss)
    np.testing.assert_array_equal(losses.lines[1].get_ydata(), both.riemannian.loss)
    assert len(values.lines) == 4
    assert gaps.get_yscale() == "log"
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_plot_on_a_figure_of_pyplot(comparison):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pyplot.figure()
    assert comparison.plot(figure) is figure
    assert figure.number in pyplot.get_fignums()
    assert len(figure.axes) == 3
    pyplot.close(figure)


def test_plot_without_matplotlib(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"fixedrank\[plot\]"):
        comparison.plot()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("clock", "loss", "is at the same times"),
        ("infimum", 0.0, "is at the same times"),
        ("store", "run.npz", "save"),
        ("executor", None, "has one start"),
        ("imbalance", [0.5, -0.2], "in the layers"),
    ],
)
def test_what_is_of_single_flows_is_refused(problem, name, value, why):
    """In the clock of the loss the two would be at different times."""
    with pytest.raises(TypeError, match=f"{name} is for the flows one by one.*{why}"):
        compare_flows(problem, random_balanced_factors(WIDTHS, rng=0), T, **{name: value})
