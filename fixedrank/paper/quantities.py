"""What the figures show of a run: one entry says its name, its values, its axis and its claim.

To draw something else, add an entry here and a figure of it in `definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.flows.trajectory import Trajectory
from fixedrank.geometry.factored.points import FixedRankPoint, distance
from fixedrank.paper.curves import Curves
from fixedrank.paper.settings import Instance

# A distance has gone to zero for the table when it is below this part of the first one.
REACHED = 0.01
# What falls by this factor from T/2 to T is on its way: T came first.
_FALLING = 1.1
# Below this part of the largest value of a figure there are only errors of the integration.
_FLOOR = 1e-7
_ARRIVED = "at most 1 % of the first distance is left at T"


class Verdict(NamedTuple):
    """What a curve shows: numbers; whether the claim holds, None if T came first; and when."""

    measured: str
    holds: bool | None
    criterion: str


def _tends_to_zero(curves: Curves, values: Array) -> Verdict:
    holds, why = _arrival(curves.t, values)
    measured = f"{values[0]:.3g} at t = 0, {values[-1]:.1e} at {curves.t[-1]:g}{why}"
    return Verdict(measured, holds, _ARRIVED)


def _tends_to_its_limit(curves: Curves, values: Array) -> Verdict:
    limit, end = curves.tail, curves.t[-1]
    holds, why = _arrival(curves.t, np.abs(values - limit))
    measured = f"{values[0]:.4g} at t = 0, {values[-1]:.6g} at {end:g}, limit {limit:.6g}{why}"
    return Verdict(measured, holds, _ARRIVED)


def _falls(curves: Curves, values: Array) -> Verdict:
    # W(T) itself is at distance zero, so look at a tenth of T.
    tenth = curves.t[-1] / 10
    before = float(np.interp(tenth, curves.t, values))
    measured = (
        f"{values[0]:.3g} at t = 0, {before:.1e} at T/10 = {tenth:g} "
        f"(W(T) is {curves[DISTANCE_TO_LIMIT.name][-1]:.1e} from U_r U_r^T)"
    )
    return Verdict(measured, bool(before <= 0.5 * values[0]), "halved by T/10")


def _arrival(t: Array, distances: Array) -> tuple[bool | None, str]:
    """Return whether distances go to zero, None where T comes first, and why it is not seen."""
    first, half, last = distances[0], float(np.interp(t[-1] / 2, t, distances)), distances[-1]
    if last <= REACHED * first:
        return True, ""
    if half >= _FALLING * last:
        return None, f"; T came first: from T/2 to T it falls by a factor of {half / last:.2g}"
    return False, f"; it stands still: {half:.2g} at T/2"


@dataclass(frozen=True)
class Quantity:
    """One quantity over time.

    Attributes
    ----------
    name : str
        By which curves are known.
    value : callable
        Returns its values of an instance and the trajectory of its flow, shape (times,).
    label : str or mapping of str to str
        The label of its axis, in TeX; or one for each case.
    claim : str
        What the paper says of it.
    judged : callable
        Returns the :class:`Verdict` on the curves of a run and the values of this one.
    floor : float or None
        On its logarithmic axis, the part of the largest value below which there are only errors of
        the integration; None for an axis from zero on, with the limit of the reconstruction error.
    """

    name: str
    value: Callable[[Instance, Trajectory], Array]
    label: str | Mapping[str, str]
    claim: str
    judged: Callable[[Curves, Array], Verdict] = _tends_to_zero
    floor: float | None = _FLOOR

    def label_of(self, case: str) -> str:
        """Return the label of its axis in a case."""
        return self.label if isinstance(self.label, str) else self.label[case]


def _distances(flow: Trajectory, to: FixedRankPoint | None) -> Array:
    points: list[FixedRankPoint] = flow.points  # type: ignore[attr-defined]
    if to is None:
        return np.full(len(points), np.nan)
    return np.array([distance(point, to) for point in points])


def _to_final(instance: Instance, flow: Trajectory) -> Array:
    return _distances(flow, flow.points[-1])  # type: ignore[attr-defined]


DISTANCE_TO_LIMIT = Quantity(
    "distance_to_limit",
    lambda instance, flow: _distances(flow, instance.limit),
    {
        "supervised": r"\|W(t) - U_k \Sigma_k V_k^T (XX^T)^{-1/2}\|_F",
        "autoencoder": r"\|W(t) - U_r U_r^T\|_F",
    },
    "|W(t) - limit| -> 0",
)
DISTANCE_TO_TRUE = Quantity(
    "distance_to_true",
    lambda instance, flow: _distances(flow, instance.true),
    r"\|W(t) - \widetilde{W}\|_F",
    "|W(t) - true W| -> 0",
)
DISTANCE_TO_FINAL = Quantity(
    "distance_to_final",
    _to_final,
    r"\|W(t) - W(T)\|_F",
    "|W(t) - W(T)| falls",
    _falls,
)
LOSS = Quantity(
    "loss",
    lambda instance, flow: flow.loss,
    r"L^1(W(t)) = \frac{1}{2} \|Y - W(t) X\|_F^2",
    "the loss -> 0",
    floor=_FLOOR**2,
)
RECONSTRUCTION_ERROR = Quantity(
    "reconstruction_error",
    lambda instance, flow: np.sqrt(2 * flow.loss),
    r"\|X - W(t) X\|_F",
    "|X - W(t) X| -> (sum_{i>r} sigma_i^2)^(1/2)",
    _tends_to_its_limit,
    floor=None,
)
QUANTITIES = (DISTANCE_TO_LIMIT, DISTANCE_TO_TRUE, DISTANCE_TO_FINAL, LOSS, RECONSTRUCTION_ERROR)
