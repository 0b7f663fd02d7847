"""What layers are in the landscape of L^N: the criterion against numerical Hessians."""

import numpy as np
import pytest

from fixedrank import (
    LinearRegression,
    balanced_factors,
    classify_factors,
    critical_points,
    factored_flow,
    gaussian_factors,
)
from tests.landscape.data import problem_with
from tests.networks.data import autograd_hessian

B = np.array([3.0, 2.0, 1.0])
# Layers of a diagonal network, a row for each; B has the singular values 3, 2, 1.
DIAGONAL = {
    "global minimum": [
        [[3, 2, 1], [1, 1, 1]],
        [[1, 2, 1], [1, 1, -1], [3, 1, -1]],
        [[1, 2, 1], [1, 1, -1], [3, 1, -1], [1, 1, 1]],
    ],
    "strict saddle": [
        [[0, 0, 0], [0, 0, 0]],
        [[3, 0, 0], [1, 0, 0]],
        [[3, 0, 1], [1, 0, 1]],
        [[0, 1, 0], [0, 1, 0], [0, 2, 0]],
        [[1, 0, 1], [1, 0, 1], [3, 0, 1]],
        [[3, 0.5, 0], [1, 0, 0], [1, 0, 0]],
        [[3, 0, 0], [1, 0.5, 0], [1, 0, 0]],
        [[3, 0, 0.1], [1, 0, 0], [1, 0, 0.1], [1, 0, 0]],
        [[3, 0.5, 0], [1, 0.5, 0], [1, 0, 0], [1, 0, 0]],
    ],
    "non-strict saddle": [
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[3, 0, 0], [1, 0, 0], [1, 0, 0]],
        [[3, 2, 0], [1, 1, 0], [1, 1, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[3, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]],
    ],
}


@pytest.mark.parametrize(
    ("kind", "layers"), [(kind, layers) for kind in DIAGONAL for layers in DIAGONAL[kind]]
)
def test_constructed_points(kind, layers):
    """The criterion, which needs ranks only, agrees with the dense Hessian of the plain loss."""
    factors = [np.diag(np.array(row, dtype=float)) for row in layers]
    problem = LinearRegression(np.eye(3), np.diag(B))
    found = classify_factors(problem, factors)
    assert found.kind == kind
    lowest = np.linalg.eigvalsh(autograd_hessian(np.eye(3), np.diag(B), factors))[0]
    assert (lowest < -1e-6) == (kind == "strict saddle")
    if kind == "strict saddle":
        assert found.curvature == pytest.approx(lowest, abs=1e-9)
        moved = [
            layer + found.step * part for layer, part in zip(factors, found.direction, strict=True)
        ]
        fall = problem.network_loss(factors) - problem.network_loss(moved)
        assert found.decrease == pytest.approx(fall, rel=1e-9)
        assert fall > 0
        assert sum((part**2).sum() for part in found.direction) == pytest.approx(1)
    else:
        assert found.direction is None


@pytest.mark.parametrize("unit", [1e-30, 1e30])
@pytest.mark.parametrize(
    ("kind", "layers", "values"),
    [
        *((kind, layers, B) for kind in DIAGONAL for layers in DIAGONAL[kind]),
        # Tied values: the Hessian decides.
        ("strict saddle", [[2, 0, 0], [1, 0, 0]], [2, 2, 1]),
        ("non-strict saddle", [[2, 0, 0], [1, 0, 0], [1, 0, 0]], [2, 2, 1]),
        ("not a critical point", [[3, 2, 0], [1, 1, 2]], B),
        ("not a critical point", [[3, 2, 2], [1, 1, 1], [1, 1, 1]], B),
    ],
)
def test_the_kind_in_any_unit(kind, layers, values, unit):
    # Labels in another unit, and the product with them, each layer by its share.
    def found(factor):
        factors = [np.diag(np.array(row) * factor ** (1 / len(layers))) for row in layers]
        labels = np.diag(factor * np.array(values, dtype=float))
        return classify_factors(LinearRegression(np.eye(3), labels), factors)

    usual, other = found(1.0), found(unit)
    assert usual.kind == other.kind == kind
    # The loss has the unit's square, a gradient this over the unit of a layer.
    squared, of_gradient = unit**2, unit ** (2 - 1 / len(layers))
    assert other.loss / squared == pytest.approx(usual.loss, rel=1e-9)
    assert other.tolerance / of_gradient == pytest.approx(usual.tolerance, rel=1e-9)
    if kind == "not a critical point":
        assert other.gradient_norm / of_gradient == pytest.approx(usual.gradient_norm, rel=1e-9)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        # The pivot (2, 1) has the blocks 1 and B W_3, (3, 2) 1 and W_1 B, (3, 1) W_2 and B; it is
        # loose where both have rank 2 or more.
        ([[3, 0, 0], [1, 0, 0], [1, 0.5, 0]], "the pivot (2, 1) is not tightened"),
        ([[3, 0.5, 0], [1, 0, 0], [1, 0, 0]], "the pivot (3, 2) is not tightened"),
        ([[3, 0, 0], [1, 0.5, 0], [1, 0, 0]], "the pivot (3, 1) is not tightened"),
        ([[3, 0, 0], [1, 0, 0], [1, 0, 0]], "all pivots are tightened"),
    ],
)
def test_the_verdict_names_the_pivot(layers, reason):
    factors = [np.diag(np.array(row, dtype=float)) for row in layers]
    found = classify_factors(LinearRegression(np.eye(3), np.diag(B)), factors)
    assert f"rank 1 of 3, and {reason}" in found.verdict


@pytest.mark.parametrize("widths", [[4, 3, 5], [5, 3, 4], [4, 3, 3, 5], [4, 6, 3, 4, 4]])
def test_balanced_lifts_of_critical_points(widths):
    """Design of the theory: for N >= 3 every balanced top-k point below the best is non-strict."""
    problem, *_ = problem_with(np.array([3.0, 2.2, 1.4, 0.5]), widths[-1], widths[0])
    for k in (1, 2, 3):
        for critical in critical_points(problem, k):
            layers = balanced_factors(critical.point, widths, rng=0)
            found = classify_factors(problem, layers)
            if critical.morse_index:
                expected = "strict saddle"
            elif k == 3:
                expected = "global minimum"
            else:
                expected = "strict saddle" if len(widths) == 3 else "non-strict saddle"
            assert (found.kind, found.indices) == (expected, critical.indices)
            assert found.decrease is None or found.decrease > 0


@pytest.mark.parametrize("values", [[2.0, 2.0, 1.0], [2.0, 1.0]])
@pytest.mark.parametrize("depth", [2, 3])
def test_outside_the_assumptions_the_hessian_decides(values, depth):
    problem, *_ = problem_with(np.array(values), 3, 4)
    widths = [4, *[3] * (depth - 1), 3]
    for k in (1, 2):
        critical = next(critical_points(problem, k))
        found = classify_factors(problem, balanced_factors(critical.point, widths, rng=0))
        below = "strict saddle" if depth == 2 else "non-strict saddle"
        assert found.kind == ("global minimum" if k == problem.rank else below)


def test_many_entries_use_products_with_the_hessian_only():
    problem, *_ = problem_with(np.array([3.0, 2.0, 1.0]), 20, 20)
    saddle = list(critical_points(problem, 1))[1]
    found = classify_factors(problem, balanced_factors(saddle.point, [20, 3, 20, 20], rng=0))
    assert found.kind == "strict saddle"
    assert found.curvature < 0 < found.decrease


def test_a_zero_hessian_of_many_entries():
    problem = LinearRegression(np.eye(12), np.diag([3.0] + [0.0] * 11))
    assert classify_factors(problem, [np.zeros((12, 12))] * 3).kind == "non-strict saddle"


def test_the_limit_of_a_flow_and_its_start():
    problem, *_ = problem_with(np.array([3.0, 2.0, 1.0]), 4, 3)
    start = gaussian_factors([3, 3, 4], scale=0.5, rng=0)
    assert classify_factors(problem, start).kind == "not a critical point"
    end = factored_flow(problem, start, [0, 30]).factors[-1]
    found = classify_factors(problem, end)
    assert found.kind == "global minimum"
    assert 0 <= found.loss_gap < 1e-9


def test_bad_input():
    problem = LinearRegression(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match=r"layers map R\^2 to R\^3"):
        classify_factors(problem, [np.ones((3, 2))])
    with pytest.raises(ValueError, match="NaN or infinite"):
        classify_factors(problem, [np.full((3, 3), np.inf)])
    with pytest.raises(ValueError, match="rtol must lie between 0 and 1"):
        classify_factors(problem, [np.eye(3)], rtol=0)
