"""Where networks have come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank.ensembles.stepping import Mask


@dataclass(frozen=True)
class Ends:
    """Where the networks have come.

    Attributes
    ----------
    state : ndarray, shape (entries, count)
        The layers at the end.
    t : ndarray, shape (count,)
        The time that was reached.
    steps : ndarray of int, shape (count,)
        Accepted steps.
    failed : ndarray of bool, shape (count,)
        Where a step size collapsed or values were not finite any more.
    """

    state: Array
    t: Array
    steps: NDArray[np.int64]
    failed: Mask
