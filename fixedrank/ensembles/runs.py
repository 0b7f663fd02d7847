"""Single runs of an ensemble, many at once, and what is recorded of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import joined
from fixedrank.ensembles.batched import Mask, StackedNetworks, finish_alone, integrate_stack
from fixedrank.ensembles.certificate import Certificate
from fixedrank.ensembles.experiment import Experiment
from fixedrank.flows.factored import followed
from fixedrank.flows.stationarity import RestTest
from fixedrank.flows.trajectory import product_factors
from fixedrank.geometry.points import distance
from fixedrank.landscape.classification import classify, nearest_critical_point, svd_point
from fixedrank.losses.adapted import as_loss

MINIMUM, REST, OPEN, FAILED = "global minimum", "at rest", "not decided", "failed"
CERTIFIED, OBSERVED, NOTHING = "critical values", "rest and rank", "nothing"
# How close a singular value is to zero, and W to a critical point, for the record.
_NEAR = 1e-2
# At rest a matrix is known to ten tolerances; what is ten times as large is no error.
_KNOWN = 100.0


class RunRecord(NamedTuple):
    """What is known of a run at its end.

    Parameters
    ----------
    seed : int
        The seed of the start.
    limit : str
        "global minimum": the loss is below the next higher critical value, so that the limit is
        the minimum; "at rest": of another loss than a regression, nothing moves any more;
        "not decided": neither, at the last time; "failed".
    rank : int
        The rank of the limit; if not decided, of W at the end, to a hundredth of its size.
    indices : str
        J of the limit, or of the critical point nearest to W, as "0 1 2"; empty if unknown.
    loss_gap : float
        The loss at the end above the minimum; NaN if unknown.
    distance : float
        How far W is from that critical point at the end; NaN if unknown.
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
    loss : float
        The loss at the end.
    told_by : str
        What the limit is told by: "critical values", which make it certain; "rest and rank", which
        make nothing certain, as a saddle may hold a run for longer than it went on; "nothing" of
        what failed.
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
    loss: float
    told_by: str


def run_batch(experiment: Experiment, seeds: Sequence[int]) -> list[RunRecord]:
    """Run an experiment from some seeds at once; what fails is recorded, not raised."""
    starts: dict[int, list[Array]] = {}
    failures: dict[int, RunRecord] = {}
    for seed in seeds:
        try:
            starts[seed] = experiment.start(seed, reduced=True)
        except Exception as error:
            failures[seed] = failed_run(seed, f"no start: {type(error).__name__}: {error}")
    found: dict[int, RunRecord] = {}
    try:
        with np.errstate(all="ignore"):
            if experiment.certificate is None:
                found = {seed: _followed(experiment, seed, starts[seed]) for seed in starts}
            elif starts:
                found = _integrated(experiment, experiment.certificate, starts)
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
    return RunRecord(seed, FAILED, -1, "", nan, nan, nan, nan, 0, nan, reason, nan, NOTHING)


def _integrated(
    experiment: Experiment, certificate: Certificate, starts: dict[int, list[Array]]
) -> dict[int, RunRecord]:
    """Return the records of runs of a regression, integrated at once."""
    networks = StackedNetworks(experiment.problem, experiment.run_widths)
    unreached, decisive = certificate.unreached, certificate.gap
    close = experiment.tolerance * certificate.scale
    state = np.array([joined(layers) for layers in starts.values()])

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
        initial = float(before[i] + certificate.minimum)
        if outcome.failed[i]:
            records[seed] = failed_run(seed, f"the step size collapsed at t = {t:.6g}")._replace(
                t=t,
                steps=int(outcome.steps[i]),
                initial_loss=initial,
            )
            continue
        # Below the minimum it can only come by errors.
        decided, reached = -close <= gap < decisive, abs(gap) <= close
        nearest = classify(experiment.problem, products[i], rtol=_NEAR)
        limit = nearest.nearest
        if decided:
            limit = nearest_critical_point(experiment.problem, products[i], certificate.rank)
        status = "within the tolerance" if reached else f"at the last time t = {t:g}"
        records[seed] = RunRecord(
            seed=seed,
            limit=MINIMUM if decided else OPEN,
            rank=certificate.rank if decided else nearest.rank,
            indices=" ".join(str(j) for j in limit.indices),
            loss_gap=gap,
            distance=distance(svd_point(products[i]), limit.point),
            time_to_tolerance=t if reached else math.nan,
            t=t,
            steps=int(outcome.steps[i]),
            initial_loss=initial,
            status=status if decided else f"{status}: {nearest.verdict}",
            loss=gap + certificate.minimum,
            told_by=CERTIFIED,
        )
    return records


def _followed(experiment: Experiment, seed: int, layers: list[Array]) -> RunRecord:
    """Return the record of a run of any loss, from rest and rank."""
    loss = as_loss(experiment.problem)
    run, system = followed(
        loss,
        layers,
        np.array([0.0, experiment.end]),
        method="auto",
        rtol=experiment.rtol,
        atol=experiment.atol,
        progress=False,
        options={},
    )
    if "interrupted" in run.status:
        raise KeyboardInterrupt
    initial = loss.network_loss(layers)
    if not run.complete:
        failed = failed_run(seed, run.status)
        return failed._replace(t=run.reached, steps=run.steps, initial_loss=initial)
    layers, rest, status, nan = run.records[-1], run.at_rest, run.status, math.nan
    if not rest:
        # Close to the end the flow does not ask: would anything grow in as long a time again?
        state = joined(layers)
        found = RestTest(experiment.rtol, experiment.atol).at_rest(
            system, state, state, experiment.end, run.evaluations, at_once=True
        )
        rest, status = found is not None, f"{status}; {found[0]}" if found else status
    end = product_factors(layers)
    return RunRecord(
        seed=seed,
        limit=REST if rest else OPEN,
        rank=int((end.s > (_KNOWN * experiment.rtol if rest else _NEAR) * end.s[0]).sum()),
        indices="",
        loss_gap=nan,
        distance=nan,
        time_to_tolerance=nan,
        t=run.reached,
        steps=run.steps,
        initial_loss=initial,
        status=status,
        loss=float(loss.loss(end)),
        told_by=OBSERVED,
    )
