"""Weight decay, momentum and batches of gradient descent: steps, stores, and what they leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    DescentTrajectory,
    LinearRegression,
    Loss,
    MatrixCompletion,
    SchattenDecay,
    factored_flow,
    gaussian_factors,
    gradient_descent,
    safe_step_size,
)
from tests.networks.data import (
    autograd_hessian,
    data_pairs,
    gaussian_layers,
    inner_widths,
    multiplied,
    regression_data,
)
from tests.strategies import seeds

X, Y = regression_data(0, 3, 4, 10)
PROBLEM = LinearRegression(X, Y)
LAYERS = gaussian_layers(1, [3, 2, 5, 4])


def gradients(layers, X, Y):
    """The gradients of |Y - W_N ... W_1 X|^2 / 2, by dense products of all other layers."""
    residual = (multiplied(layers) @ X - Y) @ X.T
    result = []
    for j in range(len(layers)):
        before = multiplied([np.eye(layers[0].shape[1]), *layers[:j]])
        after = multiplied([*layers[j + 1 :], np.eye(len(layers[-1]))])
        result.append(after.T @ residual @ before.T)
    return result


def stepped(layers, count, step, decay=0.0, momentum=0.0, data=lambda i: (X, Y)):
    """The iterates of torch.optim.SGD, and the gradients of the loss that it takes."""
    moves, found, seen = [0 * w for w in layers], [layers], []
    for i in range(count):
        grads = gradients(layers, *data(i))
        seen.append(grads)
        full = [g + decay * w for g, w in zip(grads, layers, strict=True)]
        moves = [momentum * v - step * g for v, g in zip(moves, full, strict=True)]
        layers = [w + v for w, v in zip(layers, moves, strict=True)]
        found.append(layers)
    return found, seen


@pytest.mark.parametrize("decay", [0.0, 0.7])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_the_definition(decay, momentum):
    descent = gradient_descent(
        PROBLEM, LAYERS, 20, step_size=1e-3, weight_decay=decay, momentum=momentum
    )
    expected, seen = stepped(LAYERS, 20, 1e-3, decay, momentum)
    for i, (found, layers) in enumerate(zip(descent.factors, expected, strict=True)):
        for one, other in zip(found, layers, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        loss = np.linalg.norm(multiplied(layers) @ X - Y) ** 2 / 2
        penalty = decay / 2 * sum(np.vdot(w, w) for w in layers)
        assert descent.loss[i] == pytest.approx(loss, rel=1e-11)
        assert descent.objective[i] == pytest.approx(loss + penalty, rel=1e-11)
        if decay:
            assert descent.penalty[i] == pytest.approx(penalty, rel=1e-11)
        if i < 20:
            full = [g + decay * w for g, w in zip(seen[i], layers, strict=True)]
            norm = np.sqrt(sum(np.vdot(g, g) for g in full))
            assert descent.gradient_norm[i] == pytest.approx(norm, rel=1e-10)
    assert (descent.penalty is None) == (decay == 0)
    np.testing.assert_allclose(descent.t, 1e-3 / (1 - momentum) * np.arange(21), rtol=1e-14)


@pytest.mark.parametrize(("decay", "momentum"), [(0.5, 0.0), (0.0, 0.6), (0.5, 0.6)])
def test_short_steps_follow_the_flow(decay, momentum):
    """At the time eta i / (1 - mu), at a distance of the order of eta."""
    problem = LinearRegression(X / 3, Y / 3)
    flow = factored_flow(problem, LAYERS, [0, 0.5], weight_decay=decay, rtol=1e-10)
    gaps = []
    for count in (1000, 2000):
        step = 0.5 * (1 - momentum) / count
        descent = gradient_descent(
            problem, LAYERS, [count], step_size=step, weight_decay=decay, momentum=momentum
        )
        assert descent.t[-1] == pytest.approx(0.5)
        gaps.append(np.linalg.norm(descent.product[-1] - flow.product[-1]))
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)


@given(
    data=data_pairs(largest=4),
    between=inner_widths(largest=4, deepest=4),
    seed=seeds,
    size=st.sampled_from([0.1, 1.0]),
    decay=st.sampled_from([1e-3, 0.3, 10.0]),
)
def test_a_safe_step_with_decay_lowers_the_objective(data, between, seed, size, decay):
    X, Y = data
    problem = LinearRegression(X, Y)
    layers = [size * layer for layer in gaussian_layers(seed, [len(X), *between, len(Y)])]
    step = safe_step_size(problem, layers, weight_decay=decay)
    descent = gradient_descent(problem, layers, 100, weight_decay=decay)
    assert descent.step_size == step
    falls = -np.diff(descent.objective)
    least = step / 2 * descent.gradient_norm[:-1] ** 2
    assert (falls >= least - 1e-12 * descent.objective[0]).all()
    for factors in descent.factors[::25]:
        sharp = np.linalg.norm(autograd_hessian(X, Y, factors), 2) + decay
        assert sharp * step <= 1 + 1e-9


@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("size", [3, 10])
def test_batches_take_every_sample_once_an_epoch(decay, size):
    taken = []

    class Watched(LinearRegression):
        def batch(self, indices):
            taken.append(indices.copy())
            return super().batch(indices)

    options = {"step_size": 1e-3, "weight_decay": decay, "momentum": 0.5, "batch_size": size}
    count, epoch = 24, -(-10 // size)
    descent = gradient_descent(Watched(X, Y), LAYERS, count, rng=3, **options)
    for i in range(0, count - epoch + 1, epoch):
        one = taken[i : i + epoch]
        assert [len(indices) for indices in one[:-1]] == [size] * (epoch - 1)
        assert sorted(np.concatenate(one)) == list(range(10))
    assert any((a != b).any() for a, b in zip(taken[:epoch], taken[epoch:], strict=False))

    def batch(i):
        factor = np.sqrt(10 / len(taken[i]))
        return factor * X[:, taken[i]], factor * Y[:, taken[i]]

    expected, _ = stepped(LAYERS, count, 1e-3, decay, 0.5, batch)
    for found, layers in zip(descent.factors, expected, strict=True):
        for one, other in zip(found, layers, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)
    # Of all samples, whatever the steps are on.
    whole = [np.linalg.norm(multiplied(layers) @ X - Y) ** 2 / 2 for layers in expected]
    np.testing.assert_allclose(descent.loss, whole, rtol=1e-10)


def test_the_same_seed_makes_the_same_iterates():
    options = {"step_size": 1e-3, "batch_size": 4}
    runs = [
        gradient_descent(PROBLEM, LAYERS, [50], rng=rng, **options).last
        for rng in (7, 7, np.random.default_rng(7), 8)
    ]
    for layers in runs[1:3]:
        for one, other in zip(runs[0], layers, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(runs[0][0], runs[3][0])


class StopError(Exception):
    pass


def breaking(at):
    def callback(t, layers, loss):
        callback.calls += 1
        if callback.calls == at:
            raise StopError

    callback.calls = 0
    return callback


@pytest.mark.parametrize("kind", ["seed", "fresh", "generator"])
@pytest.mark.parametrize("at", [4, 7, 8])
def test_a_store_goes_on_to_the_bit(tmp_path, monkeypatch, kind, at):
    def rng():
        return {"seed": 5, "fresh": None}.get(kind, np.random.Generator(np.random.MT19937(5)))

    options = {
        "step_size": 1e-3,
        "weight_decay": 0.3,
        "momentum": 0.8,
        "batch_size": 4,
        "imbalance_law": True,
    }
    with monkeypatch.context() as patch:
        if kind == "fresh":
            patch.setattr(
                np.random, "default_rng", lambda _: np.random.Generator(np.random.PCG64(5))
            )
        whole = gradient_descent(PROBLEM, LAYERS, 20, rng=rng(), **options)
        options["store"] = tmp_path / "run"
        with pytest.raises(StopError):
            gradient_descent(PROBLEM, LAYERS, 10, rng=rng(), callback=breaking(at), **options)
    # Without a seed what has been begun decides.
    for steps in (10, 20):
        resumed = gradient_descent(PROBLEM, LAYERS, steps, rng=rng(), **options)
    assert resumed.complete
    for found, expected in zip(resumed.factors, whole.factors, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    for found, expected in zip(resumed.imbalance_law, whole.imbalance_law, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(resumed.objective, whole.objective)


def test_other_options_are_another_run(tmp_path):
    path, options = tmp_path / "run", {"step_size": 1e-3, "store": tmp_path / "run"}
    gradient_descent(PROBLEM, LAYERS, 3, momentum=0.5, batch_size=4, rng=1, **options)
    before = path.read_bytes()
    for other in (
        {"batch_size": 4, "rng": 1},
        {"momentum": 0.5},
        {"momentum": 0.5, "batch_size": 4, "rng": 2},
        {"momentum": 0.5, "batch_size": 4, "rng": 1, "weight_decay": 0.1},
        {"momentum": 0.5, "batch_size": 4, "rng": 1, "imbalance_law": True},
    ):
        with pytest.raises(ValueError, match="holds another run"):
            gradient_descent(PROBLEM, LAYERS, 3, **other, **options)
    assert path.read_bytes() == before


def test_all_of_it_is_saved_and_shown(tmp_path):
    descent = gradient_descent(
        PROBLEM,
        LAYERS,
        [0, 5],
        step_size=1e-3,
        weight_decay=0.3,
        momentum=0.8,
        batch_size=4,
        imbalance_law=True,
        rng=0,
    )
    descent.save(tmp_path / "descent")
    again = DescentTrajectory.load(tmp_path / "descent")
    assert (again.weight_decay, again.momentum, again.batch_size) == (0.3, 0.8, 4)
    np.testing.assert_array_equal(again.penalty, descent.penalty)
    np.testing.assert_array_equal(again.imbalance_law[1][0], descent.imbalance_law[1][0])
    for words in ("momentum", "0.8", "of 4 samples", "weight decay"):
        assert words in repr(descent)
    pytest.importorskip("pandas")
    table = descent.to_dataframe()
    np.testing.assert_allclose(table["objective"], descent.loss + descent.penalty)
    assert "objective" not in gradient_descent(PROBLEM, LAYERS, 1).to_dataframe()


def test_a_callback_sees_momentum_and_batches_and_stops_them():
    times = []

    def callback(t, layers, loss):
        times.append(t)
        assert loss == pytest.approx(PROBLEM.network_loss(layers), rel=1e-12)
        return len(times) == 3

    descent = gradient_descent(
        PROBLEM,
        LAYERS,
        [0, 9],
        step_size=1e-3,
        momentum=0.5,
        batch_size=3,
        weight_decay=0.1,
        imbalance_law=True,
        rng=0,
        callback=callback,
    )
    np.testing.assert_allclose(times, 2e-3 * np.arange(1, 4), rtol=1e-14)
    assert descent.iterations.tolist() == [0, 3]
    assert len(descent.penalty) == len(descent.imbalance_law) == 2


def test_divergence_with_momentum_and_batches():
    descent = gradient_descent(
        PROBLEM, LAYERS, 500, step_size=1.0, momentum=0.9, batch_size=2, rng=0, imbalance_law=True
    )
    assert not descent.complete
    assert "step size 1 is too long" in descent.status
    assert np.isfinite(descent.loss[0])


def test_bad_options():
    def run(problem=PROBLEM, **options):
        return gradient_descent(problem, LAYERS, 3, **{"step_size": 1e-3, **options})

    with pytest.raises(ValueError, match="weight_decay must be finite and at least 0, got -1"):
        run(weight_decay=-1)
    with pytest.raises(ValueError, match=r"weight_decay must be .* got -0\.5"):
        safe_step_size(PROBLEM, LAYERS, weight_decay=-0.5)
    with pytest.raises(ValueError, match=r"momentum must be below 1, got 1\.0"):
        run(momentum=1.0)
    with pytest.raises(ValueError, match="momentum must be finite and at least 0"):
        run(momentum=-0.1)
    with pytest.raises(TypeError, match="momentum must be a number, got 'heavy'"):
        run(momentum="heavy")
    with pytest.raises(TypeError, match="step_size must be a number, got None"):
        run(step_size=None)
    for options in ({"momentum": 0.5}, {"batch_size": 3}):
        with pytest.raises(ValueError, match="'safe' is proved for steps on all samples"):
            run(step_size="safe", **options)
    with pytest.raises(ValueError, match="batch_size is 11, but there are 10 samples"):
        run(batch_size=11)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        run(batch_size=0)
    with pytest.raises(TypeError, match=r"batch_size must be an integer, got 2\.5"):
        run(batch_size=2.5)
    with pytest.raises(TypeError, match="a MatrixCompletion has no batches"):
        run(MatrixCompletion(np.ones((4, 3))), batch_size=1)

    with pytest.raises(ValueError, match=r"steps of descent leave balance: give weight_decay=0\.6"):
        run(PROBLEM + 2 * SchattenDecay(0.3, 3))

    class Uncounted(Loss):
        shape = (4, 3)

        def loss(self, W):
            return 0.0

        def gradient(self, W):
            return np.zeros((4, 3))

        def batch(self, indices):
            return self

    with pytest.raises(TypeError, match="does not say how many `samples`"):
        run(Uncounted(), batch_size=1)


def test_another_loss():
    """Weight decay and momentum need nothing but a gradient."""
    problem = MatrixCompletion(np.where(np.eye(4, 3) > 0, 1.0, np.nan))
    start = gaussian_factors([3, 3, 4], rng=0)
    descent = gradient_descent(
        problem, start, [0, 3000], step_size=0.05, weight_decay=0.1, momentum=0.9
    )
    # The least sum of singular values of a matrix with the diagonal 1 - 0.1, by balanced layers.
    assert descent.gradient_norm[-1] < 1e-6
    assert descent.balancedness[-1] < 1e-6
    assert descent.singular_values[-1].sum() == pytest.approx(2.7, rel=1e-6)
