r"""Singular values over time, by quadrature: solutions of s' = N s^{2-2/N} (b - c s) - N lambda s.

Each takes a variable of s that grows with time, in which the time is an integral of something
smooth and positive, which Brent's method inverts.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, exprel

# Exponents of e at which s has come to its limit, and at which it is below floating point.
_CLOSE, _TINIEST = 50.0, 690.0
# The logarithm of the least positive number, and an exponent of a growth that takes no time.
_LEAST, _FAST = -744.4, 700.0


def below(start: float, b: float, c: float, depth: float, time: float) -> float:
    """Return s at a time, from the time as a function of y = ln(s / (b/c - s)).

    There y' = N b s^{1-2/N}: smooth, and linear in the end.
    """
    target = b / c
    initial = math.log(start) - math.log(target - start)

    def slowness(y: float) -> float:
        return math.exp((2 / depth - 1) * (math.log(target) - float(np.logaddexp(0, -y))))

    y = reached(slowness, initial, depth * b * time, max(initial + 1, _CLOSE))
    return target * float(expit(y))


def above(start: float, b: float, c: float, depth: float, time: float) -> float:
    """Return s at a time, from the time as a function of x = -ln(1 - b / (c s)) / b.

    There x' = N s^{1-2/N} and s = 1 / (c x phi(-b x)) with phi(z) = (e^z - 1) / z, also for b = 0
    and b < 0.
    """
    initial = -math.log1p(-b / (c * start)) / b if b else 1 / (c * start)

    def log_value(x: float) -> float:
        z = -b * x
        phi = math.log(exprel(z)) if z < 30 else z - math.log(z)
        return -math.log(c * x) - phi

    def slowness(x: float) -> float:
        return math.exp((2 / depth - 1) * log_value(x))

    # As far as s has come to b / c, or is below floating point.
    last = (
        _CLOSE / b if b > 0 else min(_TINIEST / -b, math.exp(700) / c) if b else math.exp(700) / c
    )
    if depth > 2 and b < 0:
        last = min(last, 690 / ((1 - 2 / depth) * -b))
    x = reached(slowness, initial, depth * time, last)
    return 0.0 if b < 0 and x == last else math.exp(log_value(x))


def reached(slowness: Any, initial: float, time: float, last: float) -> float:
    """Return where the integral of the slowness reaches a time, or `last`."""
    if time == 0 or initial >= last:
        return initial

    def left(x: float) -> float:
        options = {"epsabs": 0, "epsrel": 1e-13, "limit": 200}
        return float(quad(slowness, initial, x, **options)[0]) - time

    step = time / slowness(initial)
    while initial + step < last:
        if left(initial + step) >= 0:
            break
        step *= 2
    end = min(initial + step, last)
    if left(end) < 0:
        return last
    return float(brentq(left, initial, end, xtol=1e-300, rtol=1e-14, maxiter=200))


class _Rate(NamedTuple):
    """The growth rate (ln s)' / N = b s^alpha - c s^{1+alpha} - lambda, alpha = 1 - 2/N.

    It is known by its terms at a place s, of which one may be told that the rate is zero there, and
    read off at s e^y.
    """

    place: float
    gain: float
    loss: float
    decay: float
    power: float
    zero: bool = False

    @property
    def here(self) -> float:
        """The rate at the place."""
        return 0.0 if self.zero else self.gain - self.loss - self.decay

    def __call__(self, y: float) -> float:
        """Return the rate at s e^y, without cancellation near a zero."""
        gain = self.gain * math.expm1(min(self.power * y, _FAST))
        return self.here + gain - self.loss * math.expm1(min((1 + self.power) * y, _FAST))

    def terms(self, y: float) -> float:
        """Return the rate at s e^y, without cancellation far away."""
        gain = self.gain * math.exp(self.power * y)
        return gain - self.loss * math.exp((1 + self.power) * y) - self.decay

    def rest(self, low: float, high: float) -> _Rate:
        """Return it at its zero, between s e^low and s e^high."""
        y = float(brentq(self.terms, low, high, xtol=1e-300, rtol=1e-15, maxiter=500))
        gain = self.gain * math.exp(self.power * y)
        loss = self.loss * math.exp((1 + self.power) * y)
        return _Rate(self.place * math.exp(y), gain, loss, self.decay, self.power, zero=True)

    def distance(self, s: float) -> float:
        """Return ln of s over the place."""
        ratio = s / self.place
        return math.log1p((s - self.place) / self.place) if 0.5 < ratio < 2 else math.log(ratio)


def decaying(start: float, b: float, c: float, depth: float, decay: float, time: float) -> float:
    """Return s at a time, with weight decay, for N other than 1 and 2."""
    power, spent = 1 - 2 / depth, depth * time

    def at(place: float) -> _Rate:
        return _Rate(place, b * place**power, c * place ** (1 + power), decay, power)

    if time == 0:
        return start
    if b <= 0:
        return _past(at(start), start, spent)
    if power < 0:
        # Between where either loss is half of the gain, and where it is all of it, and beyond.
        logs = math.log(b / c), math.log(b / decay) / -power
        base = at(math.exp(min(logs)))
        halves = logs[0] - math.log(2), logs[1] + math.log(2) / power
        return _towards(base.rest(min(halves) - min(logs) - 1, 1.0), start, spent)
    fastest = at(power * b / ((1 + power) * c))
    if fastest.here <= 0:
        return _past(fastest, start, spent)
    upper = fastest.rest(0.0, math.log((1 + power) / power) + 1)
    if start >= upper.place:
        return _towards(upper, start, spent)
    least = math.log(decay / fastest.gain / 2) / power
    if math.log(fastest.place) + least < _LEAST:
        # The lower zero is below floating point.
        return _towards(upper, start, spent)
    lower = fastest.rest(least, 0.0)
    if start <= lower.place:
        return _away(lower, start, spent)
    return _between(lower, upper, start, spent)


def _towards(rest: _Rate, start: float, time: float) -> float:
    """Return s on its way to a stable rest point, by z = -ln |ln(s / rest)|."""
    initial = rest.distance(start)
    if initial == 0:
        return start
    sign = math.copysign(1.0, initial)

    def slowness(z: float) -> float:
        distance = math.exp(-z)
        return distance / abs(rest(sign * distance))

    first = -math.log(abs(initial))
    z = reached(slowness, first, time, max(first + 1, _CLOSE))
    return rest.place * math.exp(sign * math.exp(-z))


def _away(rest: _Rate, start: float, time: float) -> float:
    """Return s on its way from an unstable rest point down to zero, by z = ln(-ln(s / rest))."""
    initial = -rest.distance(start)
    if initial == 0:
        return start

    def slowness(z: float) -> float:
        distance = math.exp(z)
        return distance / -rest(-distance)

    last = math.log(math.log(rest.place) - _LEAST)
    z = reached(slowness, math.log(initial), time, last)
    return 0.0 if z >= last else rest.place * math.exp(-math.exp(z))


def _between(lower: _Rate, upper: _Rate, start: float, time: float) -> float:
    """Return s on its way from one rest point up to the other, by the logit of ln s."""
    length = lower.distance(upper.place)
    initial = math.log(lower.distance(start)) - math.log(-upper.distance(start))

    def slowness(z: float) -> float:
        gone, left = length * float(expit(z)), length * float(expit(-z))
        return gone * left / (length * (lower(gone) if z < 0 else upper(-left)))

    z = reached(slowness, initial, time, max(initial + 1, _CLOSE))
    if z < 0:
        return lower.place * math.exp(length * float(expit(z)))
    return upper.place * math.exp(-length * float(expit(-z)))


def _past(slowest: _Rate, start: float, time: float) -> float:
    """Return s on its way to zero where it nowhere rests, by z with ln(s / slowest) = -w sinh z.

    Where it is slow it is so over a width w.
    """
    curvature, width = slowest.power * slowest.gain, 1.0
    # Right at a double root it would stand still, by how the data are rounded.
    least = 1e-16 * max(slowest.gain, 0.0)
    if curvature > 0:
        width = min(1.0, math.sqrt(2 * max(-slowest.here, least) / curvature))
    initial = -math.asinh(slowest.distance(start) / width)

    def slowness(z: float) -> float:
        return width * math.cosh(z) / max(-slowest(-width * math.sinh(z)), least)

    last = math.asinh((math.log(slowest.place) - _LEAST) / width)
    z = reached(slowness, initial, time, last)
    return 0.0 if z >= last else slowest.place * math.exp(-width * math.sinh(z))
