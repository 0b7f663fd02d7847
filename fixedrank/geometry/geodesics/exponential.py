r"""Geodesics of a metric and parallel transport along them, by integration in factors.

A geodesic that starts at W with velocity Z stays in the ranges of [U, Up] and [V, Vp], because g
is invariant under orthogonal changes of both sides: all is done in matrices of at most 2k rows
and columns. With W = U C V^T, a full k x k core C, and U^T U' = 0, V^T V' = 0, a vector field
Z = U M V^T + Up V^T + U Vp^T along the curve with velocity Y is parallel if

    M' = -Gamma_M + U'^T Up + Vp^T V',     Up' = -Gamma_Up - U' M - U U'^T Up,

and likewise Vp, where Gamma = Gamma(Y, Z), U' = Y.Up C^{-1} and V' = Y.Vp C^{-T}; a geodesic is a
curve whose own velocity is parallel. The core is diagonalised inside the right-hand side only; the
frames turn so that it stays graded.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._linear_algebra import tall_qr
from fixedrank._packing import bounds_of, joined, split
from fixedrank.geometry.factored.orthonormal import point_of, small_svd
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tangent import retangentialise, transport
from fixedrank.geometry.factored.units import restored, unit_vector
from fixedrank.geometry.geodesics import cones, picard, rank_one
from fixedrank.geometry.metric.christoffel import christoffel
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

# Singular values below this times the largest are round-off: there the manifold ends.
_ROUND_OFF = 1e-14
# A minimum of the smallest one that is found to be below this times the largest one at the start
# is zero: it is found by interpolation between steps.
_TOUCH = 1e-9
# Evaluations of the rates: 100 to 1000 are usual. Where roots are similar, but singular values 1e-8
# of the largest, round-off may ask for more than any number.
_EVALUATIONS = 20_000
# The error of a solution is some times that of a step.
_SAFETY = 0.1
# Of the first step: a time in which its velocity is compared, and the share by which it may change
# (2026-11, k = 20, N from 1 to 20: steps that are accepted change it by 0.05 to 0.2).
_TRIAL, _TURNED = 1e-4, 0.12
_SMALLEST_RTOL, _LARGEST_RTOL = 1e-12, 0.1


class TooManyStepsError(ArithmeticError):
    """The geodesic equation can't be solved with a bounded number of evaluations."""


class Frame:
    """Orthonormal bases of small subspaces that hold some points and tangent vectors."""

    def __init__(self, left: list[Array], right: list[Array]) -> None:
        self.left = tall_qr(np.hstack(left))[0]
        self.right = tall_qr(np.hstack(right))[0]

    def point(self, point: FixedRankPoint) -> FixedRankPoint:
        """Return the coordinates of a point."""
        return FixedRankPoint(self.left.T @ point.u, point.s, point.vt @ self.right)

    def vector(self, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the coordinates of a tangent vector."""
        return FixedRankTangentVector(self.left.T @ vector.Up, vector.M, self.right.T @ vector.Vp)

    def lift_point(self, point: FixedRankPoint) -> FixedRankPoint:
        """Return the point with these coordinates."""
        return FixedRankPoint(self.left @ point.u, point.s, point.vt @ self.right.T)

    def lift_vector(self, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the tangent vector with these coordinates."""
        return FixedRankTangentVector(self.left @ vector.Up, vector.M, self.right @ vector.Vp)


def checked_tolerance(rtol: float) -> float:
    """Return the tolerance of a geodesic, if it is one that can be kept."""
    if not _SMALLEST_RTOL <= rtol <= _LARGEST_RTOL:
        raise ValueError(
            f"rtol must lie between {_SMALLEST_RTOL:.0e} and {_LARGEST_RTOL:g}, got {rtol!r}"
        )
    return float(rtol)


def exponential(
    point: FixedRankPoint, vector: FixedRankTangentVector, metric: SpectralMetric, rtol: float
) -> FixedRankPoint:
    """Return the end of the geodesic with the given start and velocity, at time 1."""
    rtol = checked_tolerance(rtol)
    cone = rank_one.Cone.of(metric) if point.s.size == 1 else None
    if cone is not None:
        return rank_one.exponential(point, vector, cone)
    start, there, exponent = point_in_unit(point, metric)
    direction, size = unit_vector(vector)
    line = _line(start, direction, size - exponent, there)
    frame = Frame([start.u, direction.Up], [start.vt.T, direction.Vp])
    chord = frame.vector(line.chord(start.s, direction))
    seen = functools.partial(line.seen, exponent=exponent)
    end = frame.lift_point(reached(frame.point(start), chord, there, rtol, seen))
    return end._replace(s=line.grown(end.s, exponent))


def reached(
    point: FixedRankPoint,
    velocity: FixedRankTangentVector,
    metric: SpectralMetric,
    rtol: float,
    seen: Callable[[float], tuple[float, float]] = lambda t: (t, 1.0),
) -> FixedRankPoint:
    """Return the end of the geodesic, in a small space, by the way that is faster there.

    It raises what :func:`follow` does.
    """
    end = picard.reached(point, velocity, metric, rtol)
    return follow(point, [velocity], metric, rtol, seen)[0] if end is None else end


def parallel_transport(
    point: FixedRankPoint,
    direction: FixedRankTangentVector,
    vector: FixedRankTangentVector,
    metric: SpectralMetric,
    rtol: float,
) -> FixedRankTangentVector:
    """Return the vector transported along the geodesic, in the factors of its `exponential`."""
    rtol = checked_tolerance(rtol)
    start, there, exponent = point_in_unit(point, metric)
    direct, size = unit_vector(direction)
    carried, unit = unit_vector(vector)
    line = _line(start, direct, size - exponent, there)
    frame = Frame([start.u, direct.Up, carried.Up], [start.vt.T, direct.Vp, carried.Vp])
    chord = frame.vector(line.chord(start.s, direct))
    seen = functools.partial(line.seen, exponent=exponent)
    vectors = [chord, frame.vector(carried)]
    end, _, moved = follow(frame.point(start), vectors, there, rtol, seen)
    # The two ends agree to the tolerance, but the factors of the same matrix may differ.
    factors = exponential(point, direction, metric, rtol)
    result = transport(frame.lift_point(end), factors, frame.lift_vector(moved))
    # Along the ray to the end of the geodesic lengths stay the same.
    factor, exponent = line.dilation(lost=1).shifted(unit)
    return restored("the transported vector", result, exponent, factor, may_vanish=True)


def _line(
    start: FixedRankPoint, direction: FixedRankTangentVector, exponent: int, metric: SpectralMetric
) -> cones.Line:
    line = cones.Line.along(start.s, direction, exponent, metric)
    if line.time_at_apex is not None:
        raise cones.rank_lost(line.time_at_apex, np.zeros_like(start.s), _TOUCH)
    return line


def follow(
    point: FixedRankPoint,
    vectors: list[FixedRankTangentVector],
    metric: SpectralMetric,
    rtol: float,
    seen: Callable[[float], tuple[float, float]] = lambda t: (t, 1.0),
) -> tuple[Any, ...]:
    """Return the end of the geodesic along the first vector, and all vectors transported there.

    Raises
    ------
    RankLostError
        If the geodesic leaves the manifold before time 1, with the time in the message. `seen`
        gives it from the time here, and the unit of the singular values at that time.
    TooManyStepsError
        If the equation is too hard to solve to this tolerance.
    """
    largest = float(point.s.max())
    if not any(part.any() for part in vectors[0]):
        return (point, *vectors)
    # Where the metric is homogeneous c W and c Z lead to c times the geodesic.
    size = 1.0 if metric.homogeneity is None else largest
    blocks = [point.u, np.diag(point.s / size), point.vt.T]
    sizes = [float(max(np.abs(part).max() for part in vector)) or 1.0 for vector in vectors]
    units = [size, *sizes[1:]]
    scales = [1.0, largest / size, 1.0]
    for vector, length, unit in zip(vectors, sizes, units, strict=True):
        blocks += [part / unit for part in vector]
        scales += [max(length / unit, np.finfo(float).tiny)] * 3
    shapes = [block.shape for block in blocks]
    bounds = bounds_of(shapes)
    atol = _SAFETY * rtol * np.repeat(scales, np.diff(bounds))

    def parts_of(y: Array) -> list[Array]:
        return split(y, shapes, bounds)

    evaluations = itertools.count(1)

    def rate(time: float, y: Array) -> Array:
        result = joined(_rates(parts_of(y), metric))
        # A first step that is not a number would never be found too long.
        if next(evaluations) > _EVALUATIONS or (time == 0 and not np.isfinite(result).all()):
            raise TooManyStepsError(
                f"the geodesic from singular values between {point.s.min():.3g} and "
                f"{largest:.3g} turns too fast to be followed: it comes as far as t = "
                f"{seen(time)[0]:.3g} of 1 within {_EVALUATIONS} evaluations; take a shorter "
                "vector, or a larger rtol"
            )
        return result

    def margin(_: float, y: Array) -> float:
        core = parts_of(y)[1]
        s = small_svd(core)[1]
        return float(np.linalg.slogdet(core)[0] * s[-1] / s[0] - _ROUND_OFF)

    def turn(_: float, y: Array) -> float:
        """The rate of the smallest singular value."""
        state = parts_of(y)
        left, right = small_svd(state[1])[::2]
        return float(left[:, -1] @ state[4] @ right[-1])

    from scipy.integrate import solve_ivp

    margin.terminal = True  # type: ignore[attr-defined]
    turn.direction = 1  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        solution = solve_ivp(
            rate,
            (0.0, 1.0),
            joined(blocks),
            method="DOP853",
            first_step=_first_step(rate, joined(blocks), np.repeat(scales, np.diff(bounds))),
            rtol=_SAFETY * rtol,
            atol=atol,
            events=(margin, turn),
        )
    ends = [(solution.t[-1], solution.y[:, -1])] if solution.status != 0 else []
    # At even depth a singular value that falls to zero rises again without a change of sign.
    ends += [
        (time, state)
        for time, state in zip(solution.t_events[1], solution.y_events[1], strict=True)
        if small_svd(parts_of(state)[1])[1][-1] <= _TOUCH * largest / size
    ]
    if ends:
        time, state = min(ends, key=lambda end: float(end[0]))
        s = small_svd(parts_of(state)[1])[1] * size
        time, unit = seen(float(time))
        raise cones.rank_lost(time, s * unit, _TOUCH * largest * unit)
    parts = parts_of(solution.y[:, -1])
    return _factored(parts, size, units)


def _first_step(rate: Callable[[float, Array], Array], start: Array, scales: Array) -> float | None:
    """Return a step in which the velocity changes by a part that DOP853 allows, at most 1.

    SciPy's own choice is such that a short geodesic takes three steps where one is enough.
    """
    velocity = rate(0.0, start)
    change = (rate(_TRIAL, start + _TRIAL * velocity) - velocity) / scales
    turning = float(np.linalg.norm(change) / np.linalg.norm(velocity / scales)) / _TRIAL
    return min(1.0, _TURNED / turning) if turning > 0 else None


def _rates(parts: list[Array], metric: SpectralMetric) -> list[Array]:
    """Return the derivatives of U, C, V and of the parts (Up, M, Vp) of all vectors."""
    u, core, v, *rest = parts
    try:
        p, s, qt = small_svd(core)
    except ValueError:
        return [np.full(part.shape, np.nan) for part in parts]
    q = qt.T
    vectors = [
        FixedRankTangentVector(rest[i] @ q, p.T @ rest[i + 1] @ q, rest[i + 2] @ p)
        for i in range(0, len(rest), 3)
    ]
    y = vectors[0]
    u_rate, v_rate = y.Up / s, y.Vp / s
    u_frame, v_frame = u @ p, v @ q
    u_turn, v_turn = _turns(s, y.M)
    left, right = p @ u_turn @ p.T, q @ v_turn @ qt
    result = [
        u_rate @ p.T + u @ left,
        rest[1] - left @ core + core @ right,
        v_rate @ qt + v @ right,
    ]
    frame = FixedRankPoint(u_frame, s, v_frame.T)
    for z in vectors:
        up_gram, vp_gram = u_rate.T @ z.Up, v_rate.T @ z.Vp
        up = -(u_rate @ z.M) - u_frame @ up_gram
        vp = -(v_rate @ z.M.T) - v_frame @ vp_gram
        middle = up_gram + vp_gram.T
        bent = christoffel(frame, y, z, metric)
        up -= bent.Up
        vp -= bent.Vp
        middle -= bent.M
        up += z.Up @ v_turn
        vp += z.Vp @ u_turn
        middle += z.M @ v_turn - u_turn @ z.M
        result += [up @ qt, p @ middle @ qt, vp @ p.T]
    return result


def _turns(s: Array, middle: Array) -> tuple[Array, Array]:
    """Return rotation rates of the frames that keep the core near the diagonal, smooth at ties.

    Those of the singular vectors, (s_j M_ij + s_i M_ji) / (s_j^2 - s_i^2) for U, are infinite at
    ties. Times ((s_j^2 - s_i^2) / (s_j^2 + s_i^2))^2 they are not, and nearly the same where the
    two are far apart: a core that is graded stays graded, and no large entry hides a small one.
    """
    larger = np.maximum(s[:, None], s)
    rows, columns = s[:, None] / larger, s / larger
    squares = rows * rows + columns * columns
    factor = (columns - rows) * (columns + rows) / (squares * squares * larger)
    return (columns * middle + rows * middle.T) * factor, (
        rows * middle + columns * middle.T
    ) * factor


def _factored(parts: list[Array], size: float, units: list[float]) -> tuple[Any, ...]:
    """Return the point and the vectors in the frame of the singular value decomposition."""
    u, core, v, *rest = parts
    point = point_of(u, core, v, small_svd)
    point = point._replace(s=point.s * size)
    # Rotations from the frames U, V that the vectors refer to, orthonormal to the tolerance.
    left, right = u.T @ point.u, v.T @ point.vt.T
    vectors = []
    for i, unit in enumerate(units):
        up, middle, vp = (part * unit for part in rest[3 * i : 3 * i + 3])
        vectors.append(
            retangentialise(
                point, FixedRankTangentVector(up @ right, left.T @ middle @ right, vp @ left)
            )
        )
    return (point, *vectors)
