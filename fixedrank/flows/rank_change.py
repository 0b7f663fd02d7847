"""A record of the times at which the Riemannian flow loses rank."""

from __future__ import annotations

from typing import NamedTuple


class RankChange(NamedTuple):
    """A singular value that reached zero or round-off, where the flow went on at a lower rank.

    Parameters
    ----------
    t : float
        When. Zero is reached at depths N < 2 only; the time is right to the tolerance, and the
        singular value is given up a little before, where it is below tolerance or round-off.
    rank : int
        The rank from there on.
    singular_value : float
        The largest of those given up.
    reason : str
        Why, in words.
    """

    t: float
    rank: int
    singular_value: float
    reason: str
