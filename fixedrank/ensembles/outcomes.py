"""What is told of the runs of an experiment: by the critical values of its loss, or by rest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._packing import split
from fixedrank.ensembles.certificate import Certificate, DecayCertificate
from fixedrank.ensembles.flow import MOST_EVALUATIONS, LayerFlow
from fixedrank.ensembles.records import (
    CERTIFIED,
    DUAL,
    MINIMUM,
    OBSERVED,
    OPEN,
    REST,
    RunRecord,
    failed_run,
)
from fixedrank.ensembles.stacked import StackedNetworks
from fixedrank.flows.trajectory import product_factors
from fixedrank.geometry.factored.orthonormal import svd_point
from fixedrank.geometry.factored.points import distance
from fixedrank.landscape.critical_points import GLOBAL_MINIMUM
from fixedrank.landscape.dual import dual_certificate
from fixedrank.landscape.factors import classify_factors
from fixedrank.losses.adapted import as_loss
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.moment_loss import MomentLoss
from fixedrank.losses.regression import LinearRegression
from fixedrank.networks.gradients import widths_of

# How close a singular value is to zero, and W to a critical point, for the record.
_NEAR = 1e-2
# At rest a matrix is known to ten tolerances; what is ten times as large is no error.
_KNOWN = 100.0
# Up to so many entries of the layers their Hessian is diagonalised.
_DENSE = 400


class Outcome(ABC):
    """How the flow goes from some starts, and what is recorded of each run.

    The fields of an outcome, a dataclass, are part of the fingerprint of its experiment.

    Attributes
    ----------
    at_once : bool
        Whether many runs are computed at once; otherwise they come one by one.
    """

    at_once = False

    @abstractmethod
    def records(
        self, problem: Any, flow: LayerFlow, starts: Mapping[int, list[Array]]
    ) -> dict[int, RunRecord]:
        """Return the records of runs by their seeds, from the layers where they start.

        What it raises is recorded as the reason why the runs failed.
        """


@dataclass(frozen=True)
class CriticalValues(Outcome):
    """Of a regression: whether the loss has come below all critical values but the least.

    Parameters
    ----------
    certificate : Certificate or DecayCertificate
        The critical values.
    tolerance : float
        A run ends this close to the minimum, in parts of the gap to the next value.
    """

    certificate: Certificate | DecayCertificate
    tolerance: float
    at_once = True

    def records(
        self, problem: Any, flow: LayerFlow, starts: Mapping[int, list[Array]]
    ) -> dict[int, RunRecord]:
        """Return the records of runs, integrated at once."""
        certificate, layers = self.certificate, list(starts.values())
        networks = StackedNetworks(problem, widths_of(layers[0]), flow.weight_decay)
        minimum, unreached = certificate.minimum, certificate.unreached
        close = self.tolerance * certificate.scale
        state = networks.state(layers)
        ends = flow.together(networks, state, unreached, close, certificate.gap - close)
        before, after = networks.gaps(state, unreached), networks.gaps(ends.state, unreached)
        products = networks.products(ends.state)
        # Below the minimum it can only come by errors; and by as little below the next value, which
        # with decay may be a minimum, too, that runs end at.
        decided = (-close <= after) & (after < certificate.gap - close)
        least, least_rank, matrix = certificate.limit, certificate.rank, np.empty(0)
        if least is not None:
            u, s, vt = least.point
            matrix = (u * s) @ vt
        records = {}
        for i, seed in enumerate(starts):
            t, steps, gap = float(ends.t[i]), int(ends.steps[i]), float(after[i])
            initial = float(before[i] + minimum)
            if ends.failed[i]:
                failed = failed_run(seed, f"the step size collapsed at t = {t:.6g}")
                records[seed] = failed._replace(t=t, steps=steps, initial_loss=initial)
                continue
            reached, rank = abs(gap) <= close, least_rank
            status = "within the tolerance" if reached else _reason(flow, t)
            if decided[i] and least is not None:
                limit, away = least, float(np.linalg.norm(products[i] - matrix))
            else:
                if decided[i]:
                    limit = certificate.minimum_near(products[i])
                    rank = len(limit.indices)
                else:
                    found = certificate.classify(products[i], _NEAR)
                    limit, rank, status = found.nearest, found.rank, f"{status}: {found.verdict}"
                    end = split(ends.state[:, i], networks.shapes, networks.bounds)
                    status += _of_layers(problem, end, flow.weight_decay)
                away = distance(svd_point(products[i]), limit.point)
            records[seed] = RunRecord(
                seed=seed,
                limit=MINIMUM if decided[i] else OPEN,
                rank=rank,
                indices=" ".join(str(j) for j in limit.indices),
                loss_gap=gap,
                distance=away,
                time_to_tolerance=t if reached else math.nan,
                t=t,
                steps=steps,
                initial_loss=initial,
                status=status,
                loss=gap + minimum,
                told_by=CERTIFIED,
            )
        return records


@dataclass(frozen=True)
class RestAndRank(Outcome):
    """Of any loss: whether the run has come to rest, and the rank there. Nothing is certain.

    But where two layers decay in a regression, a dual certificate may tell that it is the minimum.
    """

    def records(
        self, problem: Any, flow: LayerFlow, starts: Mapping[int, list[Array]]
    ) -> dict[int, RunRecord]:
        """Return the records of runs."""
        loss, records, decay = as_loss(problem), {}, flow.weight_decay
        for seed, layers in starts.items():
            run = flow.alone(loss, layers)
            # Of what it does not say nothing is known.
            record = failed_run(seed, run.status)._replace(
                t=run.reached,
                steps=run.steps,
                initial_loss=loss.network_loss(layers) + _penalty(decay, layers),
            )
            if run.complete:
                end = product_factors(run.records[-1])
                small = min(_NEAR, _KNOWN * flow.rtol) if run.at_rest else _NEAR
                record = record._replace(
                    limit=REST if run.at_rest else OPEN,
                    rank=int((end.s > small * end.s[0]).sum()),
                    loss=float(loss.loss(end)) + _penalty(decay, run.records[-1]),
                    told_by=OBSERVED,
                )
                if decay and len(layers) == 2 and isinstance(loss, MomentLoss):
                    # Convex, so that a bound of the dual norm tells the minimum of all matrices.
                    found = dual_certificate(loss, end, decay, rtol=_KNOWN * flow.rtol)
                    if found.kind == GLOBAL_MINIMUM:
                        record = record._replace(limit=MINIMUM, told_by=DUAL)
            records[seed] = record
        return records


def _reason(flow: LayerFlow, t: float) -> str:
    """Return why a run stopped that is not within the tolerance."""
    if t in (flow.end, flow.continue_to):
        return f"at the last time t = {t:g}"
    return f"after {MOST_EVALUATIONS} evaluations in stabilised steps, at t = {t:g}"


def _of_layers(problem: LinearRegression, layers: list[Array], decay: float) -> str:
    """Return what there is to say of layers that are not decided."""
    said, hessian = "", NetworkHessian(problem, layers)
    size = hessian.shape[0]
    if size <= _DENSE:
        least = float(np.linalg.eigvalsh(hessian @ np.eye(size))[0]) + decay
        said = f"; least eigenvalue of the Hessian of the layers {least:.3e}"
    return said if decay else f"{said}; layers: {classify_factors(problem, layers, rtol=_NEAR)}"


def _penalty(decay: float, layers: Sequence[Array]) -> float:
    """Return what weight decay adds to the loss."""
    return decay / 2 * sum(float(np.vdot(layer, layer)) for layer in layers) if decay else 0.0
