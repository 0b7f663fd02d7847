"""What is recorded of a run."""

from __future__ import annotations

import math
from typing import NamedTuple

MINIMUM, REST, OPEN, FAILED = "global minimum", "at rest", "not decided", "failed"
CERTIFIED, OBSERVED, NOTHING = "critical values", "rest and rank", "nothing"
DUAL = "dual certificate"


class RunRecord(NamedTuple):
    """What is known of a run at its end.

    With weight decay all losses are those of the objective, with lambda / 2 times the sum of all
    ``|W_j|^2``.

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
        What the limit is told by: "critical values", which make it certain; "dual certificate", of
        two layers that decay in a regression, that it is the minimum of all matrices up to the
        tolerance; "rest and rank", which
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


def failed_run(seed: int, reason: str) -> RunRecord:
    """Return the record of a run that came to nothing."""
    nan = math.nan
    return RunRecord(seed, FAILED, -1, "", nan, nan, nan, nan, 0, nan, reason, nan, NOTHING)
