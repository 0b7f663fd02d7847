"""Experiments with weight decay: the flows of layers, certificates that are true, fingerprints."""

import numpy as np
import pytest

import fixedrank
from fixedrank._fingerprint import fingerprint
from fixedrank.ensembles.runs import run_batch

WHITE = fixedrank.LinearRegression(np.eye(3), np.diag([4.0, 2.0, 1.0]))
DECAY = 0.3


def objective(problem, layers, decay):
    """Return the loss and what decay adds, by their definitions."""
    squares = sum(float((layer**2).sum()) for layer in layers)
    return problem.loss(fixedrank.product(layers)) + decay / 2 * squares


@pytest.mark.parametrize("start", ["gaussian", "balanced"])
@pytest.mark.parametrize("widths", [[3, 2, 3], [3, 7, 3], [3, 3, 3, 3], [3, 3]], ids=str)
def test_runs_are_the_flows_of_their_layers(widths, start):
    experiment = fixedrank.Experiment(WHITE, widths, start, end=0.4, rtol=1e-9, weight_decay=DECAY)
    for record in run_batch(experiment, range(3)):
        layers = experiment.start(record.seed)
        flow = fixedrank.factored_flow(WHITE, layers, [0.0, 0.4], weight_decay=DECAY)
        assert record.t == 0.4
        first, last = (objective(WHITE, flow.factors[i], DECAY) for i in (0, -1))
        assert record.initial_loss == pytest.approx(first, rel=1e-12)
        assert record.loss == pytest.approx(last, rel=1e-6)
        assert record.loss_gap == pytest.approx(last - experiment.minimum, rel=1e-5)


@pytest.mark.parametrize("widths", [[3, 2, 3], [3, 3, 3, 3]], ids=str)
def test_certified_limits_are_those_of_long_flows(widths):
    experiment = fixedrank.Experiment(WHITE, widths, scale=0.8, weight_decay=DECAY, end=40.0)
    records = run_batch(experiment, range(30))
    starts = [experiment.start(record.seed) for record in records]
    stacked = [np.array(several) for several in zip(*starts, strict=True)]
    flows = fixedrank.factored_flow(WHITE, stacked, [0.0, 1e3], weight_decay=DECAY)
    ends = flows.objective[-1]
    certain = [record.limit == "global minimum" for record in records]
    # Of depth 3 some starts end where a smaller singular value has decayed.
    assert all(certain) == (len(widths) == 3)
    assert any(certain)
    for end, known, record in zip(ends, certain, records, strict=True):
        assert (abs(end - experiment.minimum) < 1e-8) == known
        if known:
            assert record.told_by == "critical values"
            assert record.rank == experiment.limit_rank
        else:
            assert end - experiment.minimum >= experiment.next_critical_gap - 1e-8
    values = flows.singular_values[-1, np.array(certain)]
    assert ((values > 1e-3).sum(1) == experiment.limit_rank).all()


@pytest.mark.parametrize("limits", [[2.5, 1.5, 0.5], [2.0, 1.0, 0.0]], ids=["none", "one"])
def test_soft_thresholds_at_depth_two(limits):
    targets = np.array(limits) + 0.5
    problem = fixedrank.LinearRegression(np.eye(3), np.diag(targets))
    experiment = fixedrank.Experiment(problem, [3, 3, 3], weight_decay=0.5)
    s = np.array(limits)
    exact = ((s - targets) ** 2).sum() / 2 + 0.5 * s.sum()
    assert experiment.minimum == pytest.approx(exact, rel=1e-12)
    assert experiment.limit_rank == (s > 0).sum()
    (record,) = run_batch(experiment, [0])
    assert record.loss == pytest.approx(exact, rel=1e-5)


def test_other_data_at_depth_two_have_a_dual_certificate():
    rng = np.random.default_rng(0)
    problem = fixedrank.LinearRegression(rng.standard_normal((3, 9)), rng.standard_normal((2, 9)))
    experiment = fixedrank.Experiment(problem, [3, 2, 2], weight_decay=0.5)
    assert experiment.certificate is None
    with pytest.raises(TypeError, match="white data only"):
        _ = experiment.minimum
    records = run_batch(experiment, range(3))
    # What every convex solver finds: here by many proximal gradient steps.
    W, step = np.zeros((2, 3)), 1 / np.linalg.norm(problem.C, 2)
    for _ in range(3000):
        u, s, vt = np.linalg.svd(W - step * (W @ problem.C - problem.B), full_matrices=False)
        W = (u * np.maximum(s - 0.5 * step, 0)) @ vt
    exact = problem.loss(W) + 0.5 * np.linalg.svd(W)[1].sum()
    for record in records:
        assert (record.limit, record.told_by) == ("global minimum", "dual certificate")
        assert record.loss == pytest.approx(exact, rel=1e-5)
    # One that is too narrow for the minimum is at rest above it.
    narrow = fixedrank.Experiment(problem, [3, 1, 2], weight_decay=0.5)
    (record,) = run_batch(narrow, [0])
    assert (record.limit, record.told_by) == ("at rest", "rest and rank")
    assert record.loss > exact + 1e-2
    # Of three layers nothing is known.
    deep = fixedrank.Experiment(problem, [3, 2, 2, 2], weight_decay=0.05)
    assert run_batch(deep, [0])[0].told_by == "rest and rank"


def test_other_losses_decay():
    problem = fixedrank.MatrixCompletion([0, 1, 1], [0, 1, 0], [2.0, 1.0, 0.5], (2, 2))
    experiment = fixedrank.Experiment(problem, [2, 2, 2], end=0.5, weight_decay=DECAY)
    (record,) = run_batch(experiment, [3])
    flow = fixedrank.factored_flow(problem, experiment.start(3), [0, 0.5], weight_decay=DECAY)
    assert record.loss == pytest.approx(objective(problem, flow.last, DECAY), rel=1e-5)


def test_experiments_without_decay_are_what_they_were():
    problem = fixedrank.LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    experiment = fixedrank.Experiment(problem, [2, 3, 2], scale=0.5, rtol=1e-5)
    # As it was before there was decay.
    before = "3ed8374481a95bb57e5158eae661a5de428867077eb5cb73d7fd825785959166"
    assert fingerprint(experiment, versioned=False) == before
    decaying = fixedrank.Experiment(problem, [2, 3, 2], scale=0.5, rtol=1e-5, weight_decay=0.1)
    assert fingerprint(decaying, versioned=False) != before
    assert decaying.fingerprint() != experiment.fingerprint()


def test_saved_with_its_decay(tmp_path):
    experiment = fixedrank.Experiment(WHITE, [3, 2, 3], weight_decay=DECAY)
    ensemble = fixedrank.run_ensemble(experiment, range(3), workers=1, store=tmp_path / "store")
    ensemble.save(tmp_path / "runs.npz")
    again = fixedrank.Ensemble.load(tmp_path / "runs.npz")
    assert again.experiment.weight_decay == DECAY
    assert again.experiment.minimum == experiment.minimum
    assert "weight decay" in repr(experiment)
    resumed = fixedrank.run_ensemble(experiment, range(4), workers=1, store=tmp_path / "store")
    assert resumed.records[:3] == ensemble.records
    other = fixedrank.Experiment(WHITE, [3, 2, 3], weight_decay=2 * DECAY)
    with pytest.raises(ValueError, match="another experiment"):
        fixedrank.run_ensemble(other, range(3), workers=1, store=tmp_path / "store")


@pytest.mark.parametrize("decay", [-0.1, np.inf, np.nan])
def test_bad_decay_is_refused(decay):
    with pytest.raises(ValueError, match="weight_decay must be"):
        fixedrank.Experiment(WHITE, [3, 2, 3], weight_decay=decay)


def test_runs_that_end_at_the_next_critical_value_are_not_the_minimum():
    """At N = 3 zero is a minimum with decay, and its value the next one: some runs end there."""
    problem = fixedrank.LinearRegression(np.eye(3), np.diag([2.0, 1.0, 0.3]))
    experiment = fixedrank.Experiment(problem, [3] * 4, weight_decay=0.9)
    records = fixedrank.run_ensemble(experiment, range(12), workers=1).records
    at_zero = [record for record in records if record.loss > 2.5]
    assert len(at_zero) > 1
    for record in records:
        assert (record.limit == "global minimum") == (record not in at_zero)
    for record in at_zero:
        assert record.loss == pytest.approx((2.0**2 + 1 + 0.3**2) / 2)
        assert record.rank == 0
