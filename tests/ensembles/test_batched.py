"""Many networks at once against one at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import Experiment, LinearRegression, factored_flow, gaussian_factors
from fixedrank.ensembles import batched
from fixedrank.ensembles.batched import integrate_stack
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.stabilised import finish
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.ensembles.stepping import Task
from tests.ensembles import experiments
from tests.networks.data import data_pairs, flat, gaussian_layers, inner_widths
from tests.strategies import seeds


def until(end, rtol, atol, close=-np.inf):
    """A task that ends where the loss is close to zero; by default at its last time."""
    return Task(end, rtol, atol, 0.0, close)


@given(data=data_pairs(), between=inner_widths(), seed=seeds, count=st.integers(1, 4))
def test_velocities_products_and_losses(data, between, seed, count):
    X, Y = data
    widths = [len(X), *between, len(Y)]
    problem = LinearRegression(X, Y)
    stack = [gaussian_layers(seed + i, widths) for i in range(count)]
    networks = StackedNetworks(problem, widths)
    state = networks.state(stack)
    velocities, products = networks.velocity(state).T, networks.products(state)
    gaps = networks.gaps(state, 0.25 - problem.residual**2 / 2)
    for i, layers in enumerate(stack):
        gradient = -flat(problem.network_gradient(layers))
        size = np.abs(gradient).max()
        np.testing.assert_allclose(velocities[i], gradient, rtol=0, atol=1e-13 * max(size, 1))
        W = np.linalg.multi_dot(layers[::-1]) if len(layers) > 1 else layers[0]
        np.testing.assert_allclose(products[i], W, rtol=0, atol=1e-13 * max(np.abs(W).max(), 1))
        loss = np.square(Y - W @ X).sum() / 2
        assert gaps[i] == pytest.approx(loss - 0.25, rel=1e-10, abs=1e-12 * max(loss, 1))


@pytest.mark.parametrize(
    "widths", [[21, 12], [12, 21], [21, 2, 21], [3, 22, 3], [21, 3, 2, 4], [4, 2, 3, 21], [5] * 10]
)
def test_velocities_of_wide_networks(widths):
    rng = np.random.default_rng(0)
    problem = LinearRegression(*(rng.standard_normal((d, 30)) / 5 for d in (widths[0], widths[-1])))
    stack = [gaussian_layers(seed, widths) for seed in range(3)]
    networks = StackedNetworks(problem, widths)
    assert not networks.narrow
    velocities = networks.velocity(networks.state(stack)).T
    for velocity, layers in zip(velocities, stack, strict=True):
        gradient = flat(problem.network_gradient(layers))
        np.testing.assert_allclose(velocity, -gradient, rtol=0, atol=1e-13 * np.abs(gradient).max())


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("widths", [[3, 3, 3], [3, 2, 4, 3], [3, 5, 3, 3, 3]])
def test_each_ends_where_the_flow_of_it_alone_ends(widths):
    problem = experiments.problem()
    stack = [gaussian_factors(widths, rng=seed) for seed in range(6)]
    networks = StackedNetworks(problem, widths)
    outcome = integrate_stack(networks, networks.state(stack), until(3.0, 1e-10, 1e-12))
    assert not outcome.failed.any()
    for row, layers in zip(outcome.state.T, stack, strict=True):
        alone = factored_flow(problem, layers, [0, 3.0], rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(row, flat(alone.factors[-1]), rtol=0, atol=1e-8)


@pytest.mark.usefixtures("both_steps")
def test_what_a_row_does_does_not_depend_on_the_others():
    widths = [3, 4, 3, 3]
    networks = StackedNetworks(experiments.problem(), widths)
    state = networks.state([gaussian_factors(widths, rng=seed) for seed in range(37)])

    def run(columns):
        return integrate_stack(networks, state[:, columns], until(50.0, 1e-6, 1e-9, close=1e-3))

    whole, order = run(np.arange(37)), np.random.default_rng(0).permutation(37)
    for part in (order[:1], order[1:6], order[6:]):
        found = run(part)
        np.testing.assert_array_equal(found.state, whole.state[:, part])
        np.testing.assert_array_equal(found.t, whole.t[part])
        np.testing.assert_array_equal(found.steps, whole.steps[part])


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("widths", [[3, 2, 3], [3, 3], [3, 1, 3], [3, 4, 5, 3], [3, 11, 3]])
def test_lanes_are_filled_again_and_nothing_changes(widths, monkeypatch):
    """Runs of different lengths, beside others or alone, give the same to the last bit."""
    experiment = Experiment(experiments.problem(), widths, scale=0.3)
    alone = [record for seed in range(7) for record in run_batch(experiment, [seed])]
    assert len({record.steps for record in alone}) > 2
    monkeypatch.setattr(batched, "_TOGETHER", 1)
    for lanes in (2, 4):
        monkeypatch.setattr(batched, "_LEAST", lanes)
        assert run_batch(experiment, range(7)) == alone


@pytest.mark.usefixtures("both_steps")
def test_a_stiff_network_goes_on_by_stabilised_steps():
    """Widely unbalanced layers: very many explicit steps, and the end that BDF finds."""
    widths = [3, 3, 3]
    problem = experiments.problem()
    layers = gaussian_factors(widths, scale=[200.0, 0.01], rng=0)
    networks = StackedNetworks(problem, widths)
    outcome = integrate_stack(networks, flat(layers)[:, None], until(5.0, 1e-6, 1e-9))
    assert (outcome.steps[0], outcome.failed[0]) == (1500, False)
    assert outcome.t[0] < 5
    finish(networks, outcome, np.array([0]), until(5.0, 1e-8, 1e-10), 10**6)
    assert outcome.t[0] == 5
    assert outcome.steps[0] < 2000
    reference = factored_flow(problem, layers, [0, 5.0], method="BDF", rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(outcome.state[:, 0], flat(reference.factors[-1]), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("both_steps")
def test_what_overflows_fails_alone():
    widths = [3, 3, 3]
    networks = StackedNetworks(experiments.problem(), widths)
    state = np.array([np.full(18, 1e200), flat(gaussian_factors(widths, rng=0))]).T.copy()
    outcome = integrate_stack(networks, state, until(1.0, 1e-6, 1e-9))
    assert outcome.failed.tolist() == [True, False]
    assert outcome.t[1] == 1
