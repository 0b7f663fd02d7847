"""What a limit is: the minimum, looked up once; what is not decided is classified."""

import numpy as np
import pytest

from fixedrank import Experiment, LinearRegression, classify, critical_points, run_ensemble
from fixedrank.ensembles import certificate, outcomes
from fixedrank.ensembles.stacked import StackedNetworks
from tests.ensembles import experiments
from tests.landscape.data import problem_with

DISTINCT, TIED = np.array([2.0, 1.5, 1.0, 0.7]), np.array([2.0, 1.5, 1.5, 0.7])


def ends_of(experiment, seeds):
    """Return the products at the ends of the runs."""
    networks = StackedNetworks(experiment.problem, experiment.run_widths)
    certificate = experiment.certificate
    close = experiment.tolerance * certificate.scale
    state = networks.state([experiment.start(seed, reduced=True) for seed in seeds])
    ends = experiment.flow.together(networks, state, certificate.unreached, close)
    return networks.products(ends.state)


@pytest.mark.parametrize("values", [DISTINCT, TIED])
@pytest.mark.parametrize("widths", [[5, 1, 4], [5, 2, 3, 4], [5, 4], [5, 3, 4]])
@pytest.mark.parametrize("end", [0.05, 0.5])
def test_as_if_every_run_were_classified(values, widths, end):
    problem, *_, root = problem_with(values, 4, 5)
    experiment = Experiment(problem, widths, end=end)
    ensemble = run_ensemble(experiment, range(8), workers=1)
    assert "failed" not in ensemble.limits
    for record, W in zip(ensemble.records, ends_of(experiment, range(8)), strict=True):
        if record.limit == "global minimum":
            rank = min(widths)
            minima = [
                c for c in critical_points(problem, rank) if c.loss < experiment.minimum + 1e-9
            ]
            assert record.rank == rank
            if len(minima) == 1:
                u, s, vt = minima[0].point
                away, indices = np.linalg.norm(W - (u * s) @ vt), minima[0].indices
            else:
                # The nearest of the family: the best approximation, by Eckart and Young.
                u, s, vt = np.linalg.svd(problem.Q)
                tied = vt[1:3] @ (W @ root).T @ u[:, 1:3]
                turn = np.linalg.eigh(tied + tied.T)[1][:, 1:]
                k = rank - 1
                u = np.hstack((u[:, :k], u[:, 1:3] @ turn))
                vt = np.vstack((vt[:k], turn.T @ vt[1:3]))
                best = (u * s[:rank]) @ vt @ np.linalg.inv(root)
                away, indices = np.linalg.norm(W - best), None
        else:
            found = classify(problem, W, rtol=1e-2)
            assert (record.rank, found.verdict in record.status) == (found.rank, True)
            away, indices = found.distance, found.indices
        assert record.distance == pytest.approx(away, rel=1e-6, abs=1e-11)
        if indices is not None:
            assert record.indices == " ".join(map(str, indices))


def near_a_saddle(widths, rng):
    """Close to the second singular value, and a little down from there."""
    root = np.sqrt(2.9)
    return [np.array([[0.01, root]]), np.array([[0.01], [root]])]


def test_the_limit_of_a_run_that_still_passes_a_saddle():
    """It is decided where it goes: J is that of the minimum, though the saddle is nearer."""
    problem = LinearRegression(np.eye(2), np.diag([3.0, 2.9]))
    experiment = Experiment(problem, [2, 1, 2], initialisation=near_a_saddle, end=1e-3)
    (record,) = run_ensemble(experiment, [0], workers=1).records
    assert (record.limit, record.indices, record.rank) == ("global minimum", "0", 1)
    assert record.distance == pytest.approx(np.hypot(3.0, 2.9), rel=0.02)
    assert "at the last time" in record.status


def test_decided_runs_are_not_classified(monkeypatch):
    experiment = experiments.small()
    expected = run_ensemble(experiment, range(5), workers=1).records
    for name in ("classify", "nearest_minimum"):
        monkeypatch.setattr(certificate, name, None)
    monkeypatch.setattr(outcomes, "svd_point", None)
    assert run_ensemble(experiment, range(5), workers=1).records == expected
