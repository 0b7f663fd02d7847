"""Judge a Taylor model by the slope of its error and by measured derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fixedrank._checks import Array
from fixedrank.testing.curves import Samples
from fixedrank.testing.derivatives import Derivative, derivative
from fixedrank.testing.recording import Record
from fixedrank.testing.slopes import ModelError

# A slope may fall short of its order by so much.
_SLOPE_TOLERANCE = 0.25
# A derivative counts as measured if its uncertainty is at most this part of the numbers involved.
_RESOLVED = 1e-2
# At this part, an agreement is no accident.
_SHARP = 1e-4
# A difference counts if it is so many times the estimated uncertainty.
_SAFETY = 10.0


@dataclass(frozen=True)
class Comparison:
    """A measured derivative beside what the model says.

    Parameters
    ----------
    difference : float
        How far they are apart.
    tolerance : float
        How far apart they may be.
    resolved : bool
        Whether the tolerance is small in comparison with the numbers.
    sharp : bool
        Whether it is so small that a difference would be no wrong formula.
    """

    difference: float
    tolerance: float
    resolved: bool
    sharp: bool

    @property
    def agrees(self) -> bool:
        """Whether the two are equal up to the tolerance."""
        return self.difference <= self.tolerance

    @property
    def decided(self) -> bool:
        """Whether the two are different, or known to be equal."""
        return self.resolved or not self.agrees


def compare(
    measured: Derivative, model: Array, scale: float, rtol: float, negligible: float = 0.0
) -> Comparison:
    """Compare a measured derivative with that of the model.

    The tolerance is relative to the larger of them and `scale`. It resolves a difference if it is
    small beside these, or `negligible`.
    """
    difference = float(np.linalg.norm(measured.value - model))
    scale = max(scale, float(np.linalg.norm(measured.value)), float(np.linalg.norm(model)))
    tolerance = max(rtol * scale, _SAFETY * measured.error)
    return Comparison(
        difference,
        tolerance,
        resolved=tolerance <= max(_RESOLVED * scale, negligible),
        sharp=tolerance <= _SHARP * scale,
    )


def judge_slope(
    record: Record,
    name: str,
    error: ModelError,
    order: int,
    hint: Callable[[float], str],
    comparison: Comparison,
    *,
    decided: bool = True,
) -> bool | None:
    """Record the slope of log error over log step; say whether it has the order, if one can.

    Where the derivative is right, a straight part of that order is looked for, and without one the
    slope of a part that does not go on to the start says nothing: there the law is another one.
    """
    straight = error.straight_parts()
    fitting = [part for part in straight if part.slope >= order - _SLOPE_TOLERANCE]
    if comparison.agrees and comparison.resolved and fitting:
        straight = fitting
    if not straight:
        exact = error.is_round_off
        if exact:
            record.note(f"{name}: the error is round-off at all steps, the model is exact here")
        record.add(name, np.inf if exact else np.nan, ">=", order, decided=exact)
        return exact or None
    part = straight[0]
    short = part.slope < order - _SLOPE_TOLERANCE
    elsewhere = comparison.agrees and comparison.sharp and not part.at_start
    finding = record.add(
        name,
        part.slope,
        ">=",
        order,
        _SLOPE_TOLERANCE,
        decided=not short or (decided and not elsewhere),
        hint=hint(part.slope) if short else "",
    )
    record.note(f"{name}: over steps from {part.shortest:.1e} to {part.longest:.1e}")
    return finding.passed


def judge_model(
    record: Record,
    quantity: str,
    samples: Samples,
    derivatives: Sequence[float],
    scale: float,
    rtol: float,
    mistake: Callable[[float], str],
    *,
    known: bool = True,
) -> bool:
    """Judge the last of the derivatives of a number along a curve, of order 1 or 2.

    Parameters
    ----------
    record : Record
        Where to record slope and derivative.
    quantity : str
        What the derivative is, in symbols.
    samples : Samples
        The number along the curve.
    derivatives : sequence of float
        Those of the model, the first one first.
    scale : float
        The size of the derivative in other directions.
    rtol : float
        Relative tolerance of the derivative.
    mistake : callable
        Guesses what is wrong from the measured derivative.
    known : bool
        False where the curve may be one for which the model is not made, so that a model that
        does not fit may be right.

    Returns
    -------
    bool
        Whether the model fits.
    """
    order, t = len(derivatives), samples.steps
    measured = derivative(samples, order)
    number, model = float(measured.value[0]), derivatives[-1]
    comparison = compare(measured, np.array([model]), scale, rtol)
    terms = [d * t**p / math.factorial(p) for p, d in enumerate(derivatives, 1)]
    round_off = samples.round_off + np.finfo(float).eps * sum(np.abs(term) for term in terms)
    change = (samples.forward - samples.start)[:, 0]
    error = ModelError(t, np.abs(change - sum(terms)), samples.noise, round_off)
    which, next_one = (("first", "twice"), ("second", "three times"))[order - 1]

    def hint(slope: float) -> str:
        if slope < 0.5:
            return "the curve does not start at the point: check_retraction tells more"
        if comparison.agrees:
            return f"the derivative agrees: is the cost {next_one} differentiable at the point?"
        return f"the {which} derivative of the model is wrong"

    name = f"slope of the error of the {which}-order model"
    slope = judge_slope(record, name, error, order + 1, hint, comparison, decided=known)
    record.add(
        quantity,
        model,
        "=",
        number,
        comparison.tolerance,
        decided=comparison.decided and (known or comparison.agrees),
        hint="" if comparison.agrees else mistake(number),
    )
    if known:
        require_decision(record, slope, comparison)
    elif not slope and not (comparison.agrees and comparison.resolved):
        record.conclusive = False
        record.note(f"{quantity} is left open: nothing is known of the second order of the curve")
    return comparison.agrees and slope is not False


def require_decision(record: Record, slope: bool | None, comparison: Comparison) -> None:
    """Record a failure where neither the slope nor the derivative says anything."""
    if slope is None and not comparison.decided:
        record.add(
            "measurements above the round-off",
            0,
            ">=",
            1,
            hint="nothing can be said here: choose longest_step nearer to the length over which "
            "the values change, or another point",
        )
