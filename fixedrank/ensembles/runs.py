"""Single runs of an ensemble, many at once, and what is recorded of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.ensembles.batched import Mask, StackedNetworks, finish_alone, integrate_stack
from fixedrank.ensembles.experiment import Experiment
from fixedrank.geometry.points import distance
from fixedrank.landscape.classification import classify, nearest_critical_point, svd_point

MINIMUM, OPEN, FAILED = "global minimum", "not decided", "failed"
# How close a singular value is to zero, and W to a critical point, for the record.
_NEAR = 1e-2


class RunRecord(NamedTuple):
    """What is known of a run at its end.

    Parameters
    ----------
    seed : int
        The seed of the start.
    limit : str
        "global minimum": the loss is below the next higher critical value, so that the limit is
        the minimum; "not decided": it is not, at the last time; "failed".
    rank : int
        The rank of the limit; if not decided, of W at the end, to a hundredth of its size.
    indices : str
        J of the limit, or of the critical point nearest to W, as "0 1 2".
    loss_gap : float
        The loss at the end above the minimum.
    distance : float
        How far W is from that critical point at the end.
    time_to_tolerance : float
        When the run came within the tolerance of the minimum; NaN if it did not.
    t : float
        The time at which it stopped.
    steps : int
        Accepted steps of the integration.
    initial_loss : float
        The loss at the start.
    status : str
        Why it stopped, in words.
    """

    seed: int
    limit: str
    rank: int
    indices: str
    loss_gap: float
    distance: float
    time_to_tolerance: float
    t: float
    steps: int
    initial_loss: float
    status: str


def run_batch(experiment: Experiment, seeds: Sequence[int]) -> list[RunRecord]:
    """Run an experiment from some seeds at once; what fails is recorded, not raised."""
    starts: dict[int, Array] = {}
    failures: dict[int, RunRecord] = {}
    for seed in seeds:
        try:
            layers = experiment.start(seed, reduced=True)
            starts[seed] = np.concatenate([layer.ravel() for layer in layers])
        except Exception as error:
            failures[seed] = failed_run(seed, f"no start: {type(error).__name__}: {error}")
    found: dict[int, RunRecord] = {}
    try:
        with np.errstate(all="ignore"):
            found = _integrated(experiment, starts) if starts else {}
    except Exception as error:
        if len(starts) > 1:
            return [record for seed in seeds for record in run_batch(experiment, [seed])]
        failures.update(
            (seed, failed_run(seed, f"{type(error).__name__}: {error}")) for seed in starts
        )
    return [found[seed] if seed in found else failures[seed] for seed in seeds]


def failed_run(seed: int, reason: str) -> RunRecord:
    """Return the record of a run that came to nothing."""
    nan = math.nan
    return RunRecord(seed, FAILED, -1, "", nan, nan, nan, nan, 0, nan, reason)


def _integrated(experiment: Experiment, starts: dict[int, Array]) -> dict[int, RunRecord]:
    networks = StackedNetworks(experiment.problem, experiment.run_widths)
    unreached, decisive = experiment.unreached, experiment.next_critical_gap
    # Without another critical value the loss itself is the scale.
    scale = decisive if math.isfinite(decisive) else float((experiment.problem.Q**2).sum() / 2)
    close = experiment.tolerance * (scale or 1.0)
    state = np.array(list(starts.values()))

    def finished(rows: Array) -> Mask:
        return np.asarray(networks.gaps(rows, unreached) <= close)

    end, rtol, atol = experiment.end, experiment.rtol, experiment.atol
    outcome = integrate_stack(networks.velocity, state, end, finished, rtol=rtol, atol=atol)
    stiff = ~outcome.failed & ~finished(outcome.state) & (outcome.t < end)
    for row in np.flatnonzero(stiff):
        finish_alone(networks, outcome, int(row), end, finished, rtol=rtol, atol=atol)
    before, after = networks.gaps(state, unreached), networks.gaps(outcome.state, unreached)
    products = networks.products(outcome.state)
    records = {}
    for i, seed in enumerate(starts):
        t, gap = float(outcome.t[i]), float(after[i])
        if outcome.failed[i]:
            records[seed] = failed_run(seed, f"the step size collapsed at t = {t:.6g}")._replace(
                t=t, steps=int(outcome.steps[i]), initial_loss=float(before[i] + experiment.minimum)
            )
            continue
        # Below the minimum it can only come by errors.
        decided, reached = -close <= gap < decisive, abs(gap) <= close
        nearest = classify(experiment.problem, products[i], rtol=_NEAR)
        limit = nearest.nearest
        if decided:
            limit = nearest_critical_point(experiment.problem, products[i], experiment.limit_rank)
        status = "within the tolerance" if reached else f"at the last time t = {t:g}"
        records[seed] = RunRecord(
            seed=seed,
            limit=MINIMUM if decided else OPEN,
            rank=experiment.limit_rank if decided else nearest.rank,
            indices=" ".join(str(j) for j in limit.indices),
            loss_gap=gap,
            distance=distance(svd_point(products[i]), limit.point),
            time_to_tolerance=t if reached else math.nan,
            t=t,
            steps=int(outcome.steps[i]),
            initial_loss=float(before[i] + experiment.minimum),
            status=status if decided else f"{status}: {nearest.verdict}",
        )
    return records
