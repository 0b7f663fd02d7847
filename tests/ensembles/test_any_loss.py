"""Ensembles of any loss: what is told of a limit, what is refused, and what a store knows."""

import csv
import dataclasses
import pickle
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse

from fixedrank import (
    Experiment,
    LinearRegression,
    MatrixCompletion,
    RankLostError,
    gaussian_factors,
    run_ensemble,
)
from fixedrank.ensembles.outcomes import Outcome, RestAndRank
from fixedrank.ensembles.runs import run_batch
from fixedrank.plotting import plot_ensemble
from tests.ensembles import experiments
from tests.ensembles.losses import (
    Breaks,
    Decaying,
    Interrupts,
    Logistic,
    Pseudo,
    Raises,
    Squares,
)

WIDTHS = [3, 3, 3]


def zero(widths, rng):
    return [np.zeros((b, a)) for a, b in pairwise(widths)]


@pytest.fixture(scope="module")
def both():
    """The same runs of the same loss, once known as a regression and once not."""
    known = run_ensemble(experiments.small(end=200.0), range(4), workers=1)
    return known, run_ensemble(Experiment(Squares(), WIDTHS, end=200.0), range(4), workers=1)


def test_they_end_where_the_certified_ones_do(both):
    known, observed = both
    assert observed.limits == {"at rest": 4}
    assert observed.ranks == known.ranks
    # The regression has a part of the loss that no matrix fits.
    unfitted = known.experiment.problem.residual**2 / 2
    for one, other in zip(known.records, observed.records, strict=True):
        assert (one.told_by, other.told_by) == ("critical values", "rest and rank")
        assert other.loss == pytest.approx(one.loss - unfitted, abs=1e-4)
        assert other.initial_loss == pytest.approx(one.initial_loss - unfitted, rel=1e-9)
        assert np.isnan([other.loss_gap, other.distance, other.time_to_tolerance]).all()
        assert "the limit is within" in other.status
        assert one.t < other.t <= 200


def test_loss_of_certified_runs(both):
    known, _ = both
    gaps = known.column("loss") - known.experiment.minimum
    np.testing.assert_allclose(gaps, known.column("loss_gap"), atol=1e-12)


def test_a_saddle_holds_a_run_and_nothing_is_claimed():
    (record,) = run_ensemble(
        Experiment(Squares(), WIDTHS, initialisation=zero), [0], workers=1
    ).records
    assert (record.limit, record.rank, record.told_by) == ("at rest", 0, "rest and rank")


def test_what_has_not_come_to_rest_is_not_decided():
    ensemble = run_ensemble(Experiment(Logistic(), WIDTHS, end=5.0), range(3), workers=1)
    assert ensemble.limits == {"not decided": 3}
    assert (ensemble.column("loss") < ensemble.column("initial_loss")).all()
    assert set(ensemble.column("t")) == {5.0}


def test_what_fails_is_recorded():
    breaks = run_ensemble(Experiment(Breaks(), WIDTHS), [0], workers=1)
    assert breaks.limits == {"failed": 1}
    assert "step size collapsed" in breaks.records[0].status
    assert 0 < breaks.records[0].t < 10
    raises = run_ensemble(Experiment(Raises(), WIDTHS), [0, 1], workers=1)
    assert {record.status for record in raises.records} == {"ArithmeticError: no gradient today"}
    assert {record.told_by for record in raises.records} == {"nothing"}


def test_an_interruption_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        run_ensemble(Experiment(Interrupts(), WIDTHS), [0, 1], workers=1)


def test_balanced_starts_keep_their_rank():
    """By Theorem 4, for any loss; the layers between need be no wider than the rank."""
    experiment = Experiment(Squares(), [3, 5, 3], "balanced", rank=1, end=100.0)
    assert experiment.run_widths == (3, 1, 3)
    ensemble = run_ensemble(experiment, range(2), workers=1)
    assert ensemble.ranks == {1: 2}


def test_the_table_and_the_picture(both, tmp_path):
    pytest.importorskip("matplotlib")
    for ensemble, told in zip(both, ("critical values", "rest and rank"), strict=True):
        ensemble.to_csv(tmp_path / "runs.csv")
        with (tmp_path / "runs.csv").open(newline="") as file:
            assert {row["told_by"] for row in csv.DictReader(file)} == {told}
        figure = plot_ensemble(ensemble)
        labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert labels == list(ensemble.limits)
        figure.canvas.draw()
    assert "4 runs, N = 2: at rest 4" in both[1].summary()


def test_a_loss_of_the_library():
    """Completion by layers: all entries are observed, so the minimum is the matrix."""
    target = np.diag([2.0, 1.0, 1.0])
    ensemble = run_ensemble(
        Experiment(MatrixCompletion(target), WIDTHS, end=100.0), range(2), workers=1
    )
    assert ensemble.limits == {"at rest": 2}
    assert (ensemble.column("loss") < 1e-8).all()


def test_critical_values_are_not_made_up():
    experiment = Experiment(Squares(), WIDTHS)
    for name in ("limit_rank", "minimum", "unreached", "next_critical_gap"):
        with pytest.raises(TypeError, match="no critical values of a Squares are known"):
            getattr(experiment, name)


def test_a_class_of_its_own_has_no_certificate():
    X = np.diag([2.0, 1.0, 1.0])
    assert Experiment(LinearRegression(X, X), WIDTHS).certificate is not None
    assert Experiment(Decaying(X, X), WIDTHS).certificate is None


# --- what is refused when it is made ---


def test_regressions_without_q():
    data = experiments.problem()
    moments = LinearRegression.from_moments(data.C, data.B, data.squared_norm)
    with pytest.raises(TypeError, match=r"needs a LinearRegression\(X, Y\) of X and Y as NumPy"):
        Experiment(moments, WIDTHS)
    sparse = scipy.sparse.csr_array(np.eye(3))
    with pytest.raises(TypeError, match=r"make LinearRegression\(X, Y\) of X and Y as NumPy"):
        Experiment(LinearRegression(sparse, sparse), WIDTHS)
    singular = np.diag([2.0, 1.0, 0.0])
    with pytest.raises(RankLostError, match=r"on_range\(X, Y\) restricts"):
        Experiment(LinearRegression(singular, singular), WIDTHS)


@pytest.mark.parametrize("wrong", [Squares, None, 3.0, np.eye(3)])
def test_what_is_no_loss(wrong):
    with pytest.raises(TypeError, match=r"problem must be a LinearRegression|methods loss\(W\)"):
        Experiment(wrong, WIDTHS)


# --- what a store knows ---


def test_a_store_of_any_loss_is_resumed(tmp_path):
    experiment, store = Experiment(Squares(), WIDTHS, end=3.0), tmp_path / "runs.sqlite"
    whole = run_ensemble(experiment, range(4), workers=1)
    run_ensemble(experiment, [1], workers=1, store=store)
    again = pickle.loads(pickle.dumps(experiment))
    assert run_batch(again, [2])[0].loss == whole.records[2].loss
    resumed = run_ensemble(again, range(4), workers=1, store=store)
    assert [r.loss for r in resumed.records] == [r.loss for r in whole.records]
    assert [r.told_by for r in resumed.records] == ["rest and rank"] * 4
    with pytest.raises(ValueError, match="runs of another experiment"):
        run_ensemble(Experiment(Squares(weight=2.0), WIDTHS, end=3.0), [0], workers=1, store=store)


def test_a_loss_is_known_by_its_class_and_its_attributes():
    def prints(loss):
        return Experiment(loss, WIDTHS).fingerprint()

    loss = Squares()
    before = prints(loss)
    # What is cached on the way tells nothing new.
    assert loss.largest > 0
    assert prints(loss) == before == prints(Squares())
    changed = Squares()
    changed.target = changed.target + 1e-15 * np.abs(changed.target).max()
    others = [Squares(seed=1), Squares(weight=2.0), Pseudo(), changed]
    regression = experiments.problem()
    sums = [regression + 0.1 * regression, regression + 0.2 * regression]
    assert len({before, *map(prints, others), *map(prints, sums)}) == 7


# --- a start, a flow and an outcome ---


@dataclasses.dataclass(frozen=True)
class Halved:
    """A start of one's own: an object that is called, known by its fields."""

    factor: float = 0.5

    def __call__(self, widths, rng):
        return [self.factor * layer for layer in gaussian_factors(widths, rng=rng)]


@dataclasses.dataclass(frozen=True)
class Norms(Outcome):
    """An outcome of one's own: how large the product is at the end."""

    order: float = 2.0

    def records(self, problem, flow, starts):
        found = RestAndRank().records(problem, flow, starts)
        return {seed: r._replace(status=f"order {self.order:g}") for seed, r in found.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Measured(Experiment):
    order: float = 2.0

    @property
    def outcome(self):
        return Norms(self.order)


def test_an_experiment_is_a_start_a_flow_and_an_outcome():
    experiment = Measured(Squares(), WIDTHS, Halved(), end=50.0, order=1.0)
    whole, half = (Experiment(Squares(), WIDTHS, start) for start in ("gaussian", Halved()))
    for one, other in zip(whole.start(3), half.start(3), strict=True):
        np.testing.assert_array_equal(other, one / 2)
    records = run_ensemble(experiment, range(2), workers=1).records
    assert {record.status for record in records} == {"order 1"}
    prints = {
        Measured(Squares(), WIDTHS, start, end=end, order=order).fingerprint()
        for start in ("gaussian", Halved(), Halved(0.25))
        for end in (1.0, 2.0)
        for order in (1.0, 2.0)
    }
    assert len(prints) == 12
