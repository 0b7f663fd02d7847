"""Free energies: flows and optimizers end where one-dimensional minima say that they do."""

import math
import pickle

import numpy as np
import pytest
from pymanopt.optimizers import ConjugateGradient, TrustRegions
from scipy.optimize import minimize

from fixedrank import (
    FixedRank,
    FreeEnergy,
    LinearRegression,
    SchattenDecay,
    balanced_factors,
    factored_flow,
    free_energy,
    gradient_descent,
    log_fibre_volume,
    riemannian_flow,
)
from fixedrank.flows.linearisation import linearise
from fixedrank.optimizers import LBFGS

M, N, K = 5, 4, 2
TARGET = np.diag([3.0, 2.0, 0.5, 0.25])[[0, 1, 2, 3, 3]]
TARGET[4] = 0
DECAY = 0.3


def problem(unit=1.0):
    return LinearRegression(np.eye(N), unit * TARGET)


def widths_of(depth):
    return [N, *range(3, 2 + depth), M] if depth > 1 else [N, M]


def minimum(depth, temperature, decay=0.0):
    """The singular values at which L - T S + decay is least, in the frames of the target."""
    frames = np.eye(M, K), np.eye(K, N)

    def energy(x):
        s = np.exp(x)
        point = (frames[0], s, frames[1])
        penalty = decay * depth / 2 * (s ** (2 / depth)).sum()
        entropy = log_fibre_volume(point, widths_of(depth))
        return problem().loss(point) + penalty - temperature * entropy

    found = minimize(energy, np.log([3.0, 2.0]), method="Nelder-Mead", options={"xatol": 1e-9})
    return np.exp(found.x)


@pytest.mark.parametrize("axes", [(), (1,), (3,), (2, 3), (1, 2, 2)])
def test_points_along_any_axes(axes):
    count = math.prod(axes)
    many = FixedRank(M, N, K, depth=3).random_gibbs(1.0, size=count, rng=0)
    points = tuple(part.reshape(*axes, *part.shape[1:]) for part in many)
    widths = widths_of(3)
    volumes = log_fibre_volume(points, widths)
    energies = free_energy(problem(), points, widths, 0.3)
    assert np.shape(volumes) == np.shape(energies) == axes
    assert isinstance(volumes, np.ndarray if axes else float)
    for i, (u, s, vt) in enumerate(zip(*many, strict=True)):
        volume = log_fibre_volume((u, s, vt), widths)
        assert np.ravel(volumes)[i] == pytest.approx(volume, rel=1e-12)
        energy = problem().loss((u, s, vt)) - 0.3 * volume
        assert np.ravel(energies)[i] == pytest.approx(energy, rel=1e-12)


def test_points_along_axes_are_checked():
    u, s, vt = FixedRank(M, N, K, depth=3).random_gibbs(1.0, size=4, rng=0)
    with pytest.raises(ValueError, match=r"same axes in front.*\(4, 5, 2\), \(3, 2\)"):
        log_fibre_volume((u, s[:3], vt), widths_of(3))
    with pytest.raises(ValueError, match="same axes in front"):
        log_fibre_volume((u[:0], s[:0], vt[:0]), widths_of(3))
    with pytest.raises(ValueError, match=r"point 3 of 4: .*positive"):
        log_fibre_volume((u, s * [[1], [1], [1], [-1]], vt), widths_of(3))
    u[2] *= 1.1
    with pytest.raises(ValueError, match="point 2 of 4: the columns of u must be orthonormal"):
        free_energy(problem(), (u, s, vt), widths_of(3), 0.3)
    with pytest.raises(ValueError, match="smallest, 1, is below the rank"):
        log_fibre_volume((u[:2], s[:2], vt[:2]), [N, 1, M])


WITH_AND_WITHOUT_DECAY = pytest.mark.parametrize(
    ("depth", "decay"), [(1, DECAY), (2, 0.0), (3, DECAY), (20, 0.0)]
)
TEMPERATURE = {1: 0.5, 2: 0.5, 3: 0.3, 20: 0.05}


def start(depth):
    manifold = FixedRank(M, N, K, depth=depth)
    return manifold, manifold.point(TARGET + 0.3 * np.random.default_rng(0).standard_normal((M, N)))


@WITH_AND_WITHOUT_DECAY
def test_flows_end_at_the_minimum(depth, decay):
    _, point = start(depth)
    energy = FreeEnergy(problem(), widths_of(depth), TEMPERATURE[depth])
    flow = riemannian_flow(energy, point, depth, [0, 60], weight_decay=decay)
    expected = minimum(depth, TEMPERATURE[depth], decay)
    np.testing.assert_allclose(flow.singular_values[-1], expected, rtol=1e-6)
    if decay and depth < 20:
        total = energy + SchattenDecay(decay, depth)
        again = riemannian_flow(total, point, depth, [0, 60])
        np.testing.assert_allclose(again.singular_values[-1], expected, rtol=1e-6)


def test_layers_and_their_product_go_together():
    depth = 3
    _, point = start(depth)
    energy = FreeEnergy(problem(), widths_of(depth), TEMPERATURE[depth])
    layers = balanced_factors(point, widths_of(depth), rng=0)
    times = np.linspace(0, 1, 5)
    below = riemannian_flow(energy, point, depth, times)
    above = factored_flow(energy, layers, times)
    np.testing.assert_allclose(above.singular_values[:, :K], below.singular_values, rtol=1e-5)
    np.testing.assert_allclose(above.loss, below.loss, rtol=1e-5)
    assert above.complete
    descent = gradient_descent(energy, layers, range(400), step_size=1e-2)
    assert descent.loss[-1] < below.loss[0]


@WITH_AND_WITHOUT_DECAY
@pytest.mark.parametrize(
    "solver", [TrustRegions, ConjugateGradient, LBFGS], ids=lambda s: s.__name__
)
def test_optimizers_end_at_the_minimum(depth, decay, solver):
    manifold, point = start(depth)
    energy = FreeEnergy(problem(), widths_of(depth), TEMPERATURE[depth])
    total = energy + SchattenDecay(decay, depth) if decay else energy
    made = total.to_pymanopt(manifold, preconditioner=manifold.preconditioner(1))
    result = solver(verbosity=0, min_gradient_norm=1e-7).run(made, initial_point=point)
    expected = minimum(depth, TEMPERATURE[depth], decay)
    np.testing.assert_allclose(result.point.s, expected, rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_a_flow_in_other_units(unit):
    """W in other units, the loss in their square, and time as the metric says."""
    _, point = start(3)
    here = FreeEnergy(problem(), widths_of(3), 0.3)
    there = FreeEnergy(problem(unit), widths_of(3), 0.3 * unit**2)
    scale = unit ** (2 / 3 - 2)
    flow = riemannian_flow(here, point, 3, [0, 1])
    other = point._replace(s=unit * point.s)
    moved = riemannian_flow(there, other, 3, [0, scale])
    np.testing.assert_allclose(moved.singular_values / unit, flow.singular_values, rtol=1e-5)


def test_the_entropy_keeps_singular_values_from_zero():
    """Where decay alone would end at zero, wide layers have s = T (d_1 - k) / (2 lambda)."""
    manifold = FixedRank(3, 3, 1, depth=2)
    start = manifold.point(np.eye(3, 1) @ np.eye(1, 3))
    energy = FreeEnergy(SchattenDecay(1.0, 2), [3, 7, 3], 1e-3)
    flow = riemannian_flow(energy, start, 2, [0, 50])
    assert flow.singular_values[-1, 0] == pytest.approx(3e-3, rel=1e-6)


def test_a_stored_flow(tmp_path):
    _, point = start(3)
    flows = [
        riemannian_flow(
            FreeEnergy(problem(), widths_of(3), 0.3), point, 3, [0, 1], store=tmp_path / "flow"
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(flows[0].loss, flows[1].loss)
    with pytest.raises(ValueError, match="another"):
        riemannian_flow(
            FreeEnergy(problem(), widths_of(3), 0.2), point, 3, [0, 1], store=tmp_path / "flow"
        )


def test_it_is_a_sum():
    _, point = start(3)
    energy = FreeEnergy(problem(), widths_of(3), 0.3)
    expected = problem().loss(point) - 0.3 * log_fibre_volume(point, widths_of(3))
    assert energy.loss(point) == pytest.approx(expected, rel=1e-13)
    assert free_energy(problem(), point, widths_of(3), 0.3) == energy.loss(point)
    assert (energy.widths, energy.temperature, energy.shape) == (tuple(widths_of(3)), 0.3, (M, N))
    assert len((problem() + energy).terms) == 3
    again = pickle.loads(pickle.dumps(energy))
    assert again.loss(point) == energy.loss(point)
    assert "L - T S of 5x4 matrices, N = 3 layers" in repr(energy)


class Plain:
    """An object of no class of the library."""

    def loss(self, W):
        return float(W[1] @ W[1])

    def gradient(self, W):
        return 2 * (W[0] * W[1]) @ W[2]


def test_any_object_with_loss_and_gradient():
    _, point = start(2)
    expected = point.s @ point.s - 0.1 * log_fibre_volume(point, [N, 3, M])
    assert free_energy(Plain(), point, [N, 3, M], 0.1) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((None, [4, 5], 1.0), TypeError, r"a problem has methods loss\(W\) and gradient\(W\)"),
        (
            (problem(), [4, 5], 0.0),
            ValueError,
            r"temperature must be positive and finite, got 0\.0",
        ),
        ((problem(), [4, 5], math.nan), ValueError, "temperature must be positive and finite"),
        ((problem(), [4, 5], "hot"), TypeError, "temperature must be a number, got 'hot'"),
        ((problem(), [5, 4], 1.0), ValueError, r"losses of \(5, 4\) and of \(4, 5\) matrices"),
        ((problem(), [5], 1.0), ValueError, r"widths must be \[d_0, .* got \[5\]"),
        ((problem(), 3, 1.0), TypeError, "widths must be a sequence of integers, got 3"),
    ],
)
def test_bad_input(arguments, kind, message):
    with pytest.raises(kind, match=message):
        FreeEnergy(*arguments)
    with pytest.raises(kind, match=message):
        free_energy(arguments[0], start(2)[1], *arguments[1:])


def test_rest_is_seen():
    """The rates at rest, by differences on matrices of this rank, are those of the Hessian."""
    depth = 3
    manifold, point = start(depth)
    energy = FreeEnergy(problem(), widths_of(depth), TEMPERATURE[depth])
    flow = riemannian_flow(energy, point, depth, [0, 1e6])
    assert "stationary" in flow.status
    end, rng, basis = flow.points[-1], np.random.default_rng(0), []
    operator, _, _ = linearise(energy.gradient_products, end, manifold.metric, 0.0, True)
    rates = np.sort(np.linalg.eigvalsh(operator @ np.eye(operator.shape[0])))
    for _ in range(manifold.dim):
        Z = manifold.random_tangent_vector(end, rng=rng)
        for other in basis:
            Z = Z - manifold.inner_product(end, Z, other) * other
        basis.append(Z / manifold.norm(end, Z))
    hessian = energy.to_pymanopt(manifold).riemannian_hessian
    form = [[manifold.inner_product(end, hessian(end, a), b) for a in basis] for b in basis]
    expected = np.linalg.eigvalsh(form)
    # The others are zero, those of coordinates that are not tangent.
    np.testing.assert_allclose(rates[-manifold.dim :], expected, rtol=1e-6)
    np.testing.assert_allclose(rates[: -manifold.dim], 0, atol=1e-6)
