"""From few measurements to a matrix of low rank, in one call."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Seed, nonnegative_number, positive_integer, real_depth
from fixedrank._memory import free_memory
from fixedrank._progress import Progress, Shown
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.units import exponent_of, restored_values, unit_array
from fixedrank.geometry.manifold import FixedRank
from fixedrank.recovery.completion import MatrixCompletion
from fixedrank.recovery.entries import Entries
from fixedrank.recovery.measurements import ScaledMeasurements
from fixedrank.recovery.occurring import OccurringPart
from fixedrank.recovery.problem import RecoveryProblem
from fixedrank.recovery.record import Record
from fixedrank.recovery.recovered import Recovery
from fixedrank.recovery.solving import solve, without_idle_values
from fixedrank.recovery.words import status_in_words

_METHODS = ("auto", "ranks", "direct")
# Sizes of measurement matrices whose squares need no care, as exponents of two.
_MODERATE = 100


def recover(
    problem: RecoveryProblem,
    rank: int,
    *,
    depth: float = 1,
    rtol: float = 1e-6,
    ridge: float = 0.0,
    method: str = "auto",
    held_out: float | RecoveryProblem = 0.0,
    progress: Shown = False,
    rng: Seed = None,
) -> Recovery:
    r"""Recover a matrix of low rank from some of its entries, or from linear measurements.

    The recommended way from data to a point. It minimises
    :math:`\frac12 \sum_i w_i (\langle A_i, W \rangle - y_i)^2 + \rho \sum_j s_j` over matrices
    of a rank: singular values are added where the residual shows them, the largest first and near
    ones together, each time with a few sweeps of alternating least squares for entries, or
    iterations of conjugate gradients for other measurements. At the last rank conjugate gradients
    on the manifold go on until the values are fitted, or nothing fits better. Units do not matter.

    Parameters
    ----------
    problem : MatrixCompletion or MatrixSensing
        The data, and their weights if they have some. Of a problem with a ridge that is the
        :math:`\rho`.
    rank : int
        The rank, at most min(m, n).
    depth : float
        The depth N of the metric in which the last descent is made, a real number of at least 1.
    rtol : float
        The norm of the residual, over that of the values, both weighted, at which the problem is
        solved. Where no matrix of the rank fits as well, the relative excess of the loss is of
        this, squared.
    ridge : float
        The weight :math:`\rho \ge 0` of the sum of the singular values, in the unit of the
        values for entries: over the factors of W = L R^T this is the least
        :math:`\rho (\|L\|_F^2 + \|R\|_F^2) / 2`. Against noise, and for rows with few entries. Not
        for a problem that has one of its own.
    method : {"auto", "ranks", "direct"}
        How to get to the rank: "auto" as above; "ranks" adds one singular value at a time;
        "direct" starts from the spectral initialisation with all at once.
    held_out : float or problem
        The share of the values that is kept for a test, or a problem with others.
    progress : bool or "lines"
        Whether to show the residual on its way to ``rtol``; a bar needs the extra ``progress``.
    rng : numpy.random.Generator, int or None
        For random blocks of directions, and for what is held out.

    Returns
    -------
    Recovery
        With ``point``, ``residuals``, ``held_out``, ``converged``, ``status``, and the rows and
        columns that the entries do not determine. An interrupt from the keyboard ends it with the
        last point.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or all values are zero.
    OverflowError
        If the matrix is beyond the range of floating point.
    MemoryError
        If the matrix is too large even in factors; ``problem.occurring()`` leaves out rows and
        columns without entries.

    Notes
    -----
    Rows and columns without entries cost nothing but their zeros in the result. Sweeps form
    arrays of size max(m, n) x k x k; beyond 2^25 numbers conjugate gradients take their place.

    References
    ----------
    A. Uschmajew and B. Vandereycken, "Greedy rank updates combined with Riemannian descent methods
    for low-rank optimization", SampTA 2015. P. Jain, P. Netrapalli and S. Sanghavi, "Low-rank
    matrix completion using alternating minimization", STOC 2013.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.standard_normal((60, 3)) * [1.0, 1e-2, 1e-4] @ rng.standard_normal((3, 50))
    >>> rows, cols = np.nonzero(rng.random(truth.shape) < 0.4)
    >>> problem = fixedrank.MatrixCompletion(rows, cols, truth[rows, cols], truth.shape)
    >>> found = fixedrank.recover(problem, 3, rtol=1e-8, rng=0)
    >>> found.status.partition(":")[0]
    'solved'
    >>> bool(np.allclose(found.point.u * found.point.s @ found.point.vt, truth, atol=1e-5))
    True
    """
    rank = _checked(problem, rank, rtol, ridge, method)
    depth, generator = real_depth(depth), np.random.default_rng(rng)
    FixedRank(*problem.shape, rank, depth=depth)
    training, test = _with_held_out(problem, held_out, generator)
    part = training.occurring() if isinstance(training, MatrixCompletion) else None
    unit = _in_units(training if part is None else part.problem, ridge or problem.ridge)
    possible = min(rank, *unit.problem.shape)
    with Progress(-math.log10(rtol), progress, unit="decade") as bar:
        record = Record(unit.problem, rtol, bar)
        try:
            ending = solve(record, possible, depth, method, generator)
        except KeyboardInterrupt:
            if not record.points:
                raise
            ending = "interrupted"
    point = without_idle_values(record)
    status, rows, cols = status_in_words(record, ending, point, rank, part)
    point = point._replace(s=restored_values("the matrix", point.s, unit.of_point))
    if part is not None:
        point = _embedded(part, point)
    return Recovery(
        point=point,
        residuals=np.array(record.residuals),
        held_out=None if test is None else test.root_mean_square_error(point),
        converged=ending in ("solved", "stationary"),
        status=status,
        undetermined_rows=rows,
        undetermined_cols=cols,
    )


def _embedded(part: OccurringPart, point: FixedRankPoint) -> FixedRankPoint:
    needed, memory = 8 * sum(part.shape) * point.s.size, free_memory()
    if needed > memory:
        raise MemoryError(
            f"the factors of a {part.shape} matrix of rank {point.s.size} take "
            f"{needed / 2**30:.3g} GiB, and {memory / 2**30:.3g} are free: "
            f"recover(problem.occurring().problem, ...) is about the {part.problem.shape} part "
            "that has entries"
        )
    return part.embed(point)


def _checked(problem: Any, rank: Any, rtol: Any, ridge: Any, method: Any) -> int:
    if not isinstance(problem, RecoveryProblem):
        raise TypeError(
            "recover takes a MatrixCompletion or a MatrixSensing, got a "
            f"{type(problem).__name__}; other losses go to the optimizers by to_pymanopt"
        )
    rank, most = positive_integer("rank", rank), min(problem.shape)
    if rank > most:
        raise ValueError(f"the rank {rank} exceeds min(m, n) = {most} of {problem.shape} matrices")
    if isinstance(rtol, bool) or not isinstance(rtol, (int, float, np.number)):
        raise TypeError(f"rtol must be a number, got {rtol!r}")
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must be between 0 and 1, got {rtol!r}")
    if nonnegative_number("ridge", ridge) > 0 and problem.ridge > 0:
        raise ValueError(
            f"the problem has a ridge of {problem.ridge} already, so recover(..., ridge={ridge}) "
            "would be a second one: leave one of them out"
        )
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
    if not problem.values.any():
        raise ValueError("all values are zero: the matrix that fits them is zero, without any rank")
    return rank


def _with_held_out(
    problem: RecoveryProblem, held_out: Any, rng: np.random.Generator
) -> tuple[RecoveryProblem, RecoveryProblem | None]:
    if isinstance(held_out, RecoveryProblem):
        if held_out.shape != problem.shape:
            raise ValueError(
                f"what is held out is of {held_out.shape} matrices, the problem of {problem.shape}"
            )
        return problem, held_out
    if isinstance(held_out, bool) or not isinstance(held_out, (int, float, np.floating)):
        raise TypeError(f"held_out must be a share of the values or a problem, got {held_out!r}")
    if not 0 <= held_out < 1:
        raise ValueError(
            f"held_out must be a share of the values, at least 0 and below 1, got {held_out!r}"
        )
    if held_out == 0:
        return problem, None
    return problem.split(float(held_out), rng=rng)


class _InUnits(NamedTuple):
    """A problem with all data near one, and 2 to which power makes W of its W."""

    problem: RecoveryProblem
    of_point: int


def _in_units(problem: RecoveryProblem, ridge: float) -> _InUnits:
    values, of_values = unit_array("the values", problem.values)
    measurements, of_measurements = problem._measurements, 0
    if not isinstance(measurements, Entries):
        rng = np.random.default_rng(0)
        left, right = (rng.standard_normal((size, 1)) for size in problem.shape)
        size = exponent_of("the measurements", measurements.of_product(left, right))
        if abs(size) > _MODERATE:
            measurements, of_measurements = ScaledMeasurements(measurements, size), size
    scaled = copy.copy(problem)
    weights, of_weights = None, 0
    if problem.weights is not None:
        weights, of_weights = unit_array("the weights", problem.weights)
    scaled._hold(measurements, values, weights)
    of_point = of_values - of_measurements
    scaled.ridge = math.ldexp(ridge, of_point - 2 * of_values - of_weights)
    return _InUnits(scaled, of_point)
