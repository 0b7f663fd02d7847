"""Steps of many networks, compiled: those of `stepping.Stepper`, with the sums in the same order.

All that is computed with lies in the rows of one array, and an entry of all networks is a row. The
innermost loops run over the networks, so that they are compiled to vector instructions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank._compiled import compiled

Integers = NDArray[np.int64]


@compiled("(f8[:, ::1], i8[:, ::1], f8)")
def operate(work: Array, operations: Integers, rate: float) -> None:
    """Multiply matrices A and B, or subtract B from A, or B times a rate.

    An operation says whether it is a difference, 1 or with a rate 2, the three sizes of a product,
    and for A, B and the result the row of the first entry and how far apart rows and columns lie.
    """
    for p in operations:
        for i in range(p[1]):
            for k in range(p[3]):
                out = work[p[10] + i * p[11] + k * p[12]]
                if p[0] == 2:
                    left, right = work[p[4] + i * p[5] + k * p[6]], work[p[7] + i * p[8] + k * p[9]]
                    for n in range(out.size):
                        out[n] = left[n] - rate * right[n]
                    continue
                if p[0]:
                    left, right = work[p[4] + i * p[5] + k * p[6]], work[p[7] + i * p[8] + k * p[9]]
                    for n in range(out.size):
                        out[n] = left[n] - right[n]
                    continue
                a, b = p[4] + i * p[5], p[7] + k * p[9]
                left, right = work[a], work[b]
                for n in range(out.size):
                    out[n] = left[n] * right[n]
                # Two at a time, in the order of one at a time: the sums are written half as often.
                for j in range(2, p[2], 2):
                    first, second = work[a + (j - 1) * p[6]], work[b + (j - 1) * p[8]]
                    left, right = work[a + j * p[6]], work[b + j * p[8]]
                    for n in range(out.size):
                        out[n] = (out[n] + first[n] * second[n]) + left[n] * right[n]
                if p[2] % 2 == 0:
                    left, right = work[a + (p[2] - 1) * p[6]], work[b + (p[2] - 1) * p[8]]
                    for n in range(out.size):
                        out[n] += left[n] * right[n]


@compiled("(f8[::1], f8[::1], i8, f8[:, ::1], i8, i8)")
def combine(out: Array, weights: Array, count: int, work: Array, first: int, entries: int) -> None:
    """Write the sum of an entry of some velocities with weights."""
    part = work[first]
    for n in range(out.size):
        out[n] = weights[0] * part[n]
    for s in range(2, count, 2):
        part, other = work[first + (s - 1) * entries], work[first + s * entries]
        for n in range(out.size):
            out[n] = (out[n] + weights[s - 1] * part[n]) + weights[s] * other[n]
    if count % 2 == 0:
        part = work[first + (count - 1) * entries]
        for n in range(out.size):
            out[n] += weights[count - 1] * part[n]


@compiled("(f8[:, ::1], i8, i8[:, ::1], f8[:, :, ::1], f8[::1], f8)")
def recur(
    work: Array, entries: int, operations: Integers, table: Array, h: Array, rate: float
) -> None:
    """Take the stages (mu, nu, mu~, gamma~) of steps of `stabilised`.

    The rows are those of the state, of its velocity, of the state before, and of the state and the
    velocity at the beginning of the step.
    """
    for stage in table:
        operate(work, operations, rate)
        mu, nu, weight, correction = stage
        for e in range(entries):
            at, out, older = work[e], work[entries + e], work[2 * entries + e]
            y, f = work[3 * entries + e], work[4 * entries + e]
            for n in range(at.size):
                new = (1 - mu[n] - nu[n]) * y[n] + mu[n] * at[n] + nu[n] * older[n]
                new = new + (weight[n] * h[n]) * out[n] + (correction[n] * h[n]) * f[n]
                older[n] = at[n]
                at[n] = new


@compiled(
    "(f8[:, ::1], i8, i8[:, ::1], i8[::1], f8[:, ::1], f8[::1], f8[::1], i8[::1],"
    " b1[::1], b1[::1], b1[::1], f8[::1])"
)
def advance(
    work: Array,
    entries: int,
    operations: Integers,
    starts: Integers,
    tableau: Array,
    h: Array,
    t: Array,
    steps: Integers,
    live: NDArray[np.bool_],
    done: NDArray[np.bool_],
    lost: NDArray[np.bool_],
    rules: Array,
) -> None:
    """Take steps until some live lanes end, and write which have, and which failed.

    The rules are those of `compiled.CompiledStepper`. Operations start with those of the first
    stage, and end with those of the misfits W Z - Q, of which the last one writes them.
    """
    end, rtol, atol, unreached, close = rules[0], rules[1], rules[2], rules[3], rules[4]
    safety, shrink, grow, part_of_size = rules[5], rules[6], rules[7], rules[8]
    smallest, tiniest, most, rate = rules[9], rules[10], rules[11], rules[12]
    lanes, last = h.size, operations[-1]
    absolute, errors, gaps = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    accepted, ended = np.empty(lanes, np.bool_), False
    while not ended:
        absolute[:] = 0
        for e in range(entries):
            y = work[e]
            for n in range(lanes):
                absolute[n] += y[n] * y[n]
        for n in range(lanes):
            h[n] = min(h[n], end - t[n])
            absolute[n] = max(part_of_size * rtol * np.sqrt(absolute[n] / entries), smallest)
            if atol >= 0:
                absolute[n] = atol
        for stage in range(6):
            for e in range(entries):
                y, new = work[e], work[8 * entries + e]
                combine(new, tableau[stage], stage + 1, work, entries + e, entries)
                for n in range(lanes):
                    new[n] = new[n] * h[n] + y[n]
            operate(work, operations[starts[stage] : starts[stage + 1]], rate)
        errors[:] = 0
        for e in range(entries):
            y, new, error = work[e], work[8 * entries + e], work[9 * entries + e]
            combine(error, tableau[6], 7, work, entries + e, entries)
            for n in range(lanes):
                scale = max(abs(y[n]), abs(new[n])) * rtol + absolute[n]
                part = error[n] * h[n] / scale
                errors[n] += part * part
        operate(work, operations[starts[6] :], rate)
        gaps[:] = 0
        for i in range(last[1]):
            for k in range(last[3]):
                y = work[last[10] + i * last[11] + k * last[12]]
                for n in range(lanes):
                    gaps[n] += y[n] * y[n]
        if rate > 0:
            absolute[:] = 0
            for e in range(entries):
                new = work[8 * entries + e]
                for n in range(lanes):
                    absolute[n] += new[n] * new[n]
            for n in range(lanes):
                gaps[n] += rate * absolute[n]
        for n in range(lanes):
            size = np.sqrt(errors[n] / entries)
            good, near = size < 1, h[n] >= end - t[n]
            factor = min(max(safety * size**-0.2, shrink), grow) if size < np.inf else shrink
            accepted[n] = good
            if good:
                t[n] = end if near else t[n] + h[n]
                steps[n] += 1
            h[n] *= factor if good else min(factor, 1.0)
            at_end = good and near
            lost[n] = not at_end and (t[n] + h[n] == t[n] or h[n] < tiniest * end)
            done[n] = at_end or lost[n] or steps[n] >= most
            done[n] |= good and gaps[n] / 2 - unreached <= close
            ended |= done[n] and live[n]
        for e in range(entries):
            y, speed = work[e], work[entries + e]
            new, new_speed = work[8 * entries + e], work[7 * entries + e]
            for n in range(lanes):
                if accepted[n]:
                    y[n], speed[n] = new[n], new_speed[n]
