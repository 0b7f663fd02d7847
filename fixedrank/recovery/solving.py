"""How a recovery goes: up to the rank, and to the end there."""

from __future__ import annotations

import numpy as np

from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.alternating import AlternatingSweeps
from fixedrank.recovery.continuation import Continuation
from fixedrank.recovery.descent import descend
from fixedrank.recovery.entries import Entries
from fixedrank.recovery.rank import truncate
from fixedrank.recovery.record import Record

# Conjugate gradients are slow where twenty iterations leave more than this share of the residual;
# sweeps are where one leaves more than that.
_IMPATIENT, _WEARY = 0.1, 0.9
# Passes of a search for directions that is to be relied upon.
_THOROUGH = 10
# Singular values above so many times the tolerance are needed.
_IDLE = 100.0


def solve(record: Record, rank: int, depth: float, method: str, rng: np.random.Generator) -> str:
    """Go on until the end; return which it is, a word of `descend`."""
    problem = record.problem
    if method == "direct":
        point = problem.initial_point(rank)
        record.note(point)
        return "solved" if record.is_solved() else descend(record, point, depth)
    sweeps = None
    if isinstance(problem._measurements, Entries) and AlternatingSweeps.affordable(
        problem.shape, rank
    ):
        sweeps = AlternatingSweeps(
            problem._measurements, problem.values, problem.weights, record.ridge
        )
    way = Continuation(record, sweeps, rng, **({"at_once": 1} if method == "ranks" else {}))
    ending = _descended(record, way, way.run(rank), depth, rank)
    # With a ridge the rank is high enough where no other direction gains more than it costs.
    reached = 0
    while record.ridge > 0 and reached < record.point.s.size < rank:
        reached = record.point.s.size
        higher = way.raised(record.point, rank, passes=_THOROUGH)
        if higher is None:
            break
        ending = _descended(record, way, way.run(rank, higher), depth, rank)
    return ending


def _descended(
    record: Record, way: Continuation, point: FixedRankPoint, depth: float, rank: int
) -> str:
    """Go on from a point at the last rank; return which end it is."""
    if record.is_solved():
        return "solved"
    ending = descend(record, point, depth, impatient=_IMPATIENT if way.sweeps else None)
    if ending == "slow":
        # Where entries are spread unevenly sweeps are ahead: each row has its own small system.
        point = way.swept(record.point, _WEARY, rank)
        ending = "solved" if record.is_solved() else descend(record, point, depth)
    return ending


def without_idle_values(record: Record) -> FixedRankPoint:
    """Return the point without singular values that the data are fitted without."""
    point = record.point
    # Values that are far above the tolerance need no look at the entries.
    small = _IDLE * record.rtol * float(np.linalg.norm(point.s))
    while record.is_solved() and point.s.size > 1 and point.s[-1] < small:
        fewer = truncate(point, point.s.size - 1)
        if record.relative_residual(fewer) > record.rtol:
            break
        point = fewer
    return point
