r"""How steps change the imbalances D_j = W_{j+1}^T W_{j+1} - W_j W_j^T of the layers, exactly.

Along gradients g_j of a function of the product, D_j stands still to first order. So a step
v <- mu v - eta (g + lambda W), W <- W + v changes D_j, and its derivative E_j along v, by

    A_j = mu E_j - 2 eta lambda D_j,   D_j <- D_j + A_j + V_j,   E_j <- A_j + 2 V_j,

with V_j = v_{j+1}^T v_{j+1} - v_j v_j^T of the new v. Without momentum mu this is
D_j <- (1 - eta lambda)^2 D_j + eta^2 (g_{j+1}^T g_{j+1} - g_j g_j^T).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.networks.layers import differences


class ImbalanceLaw:
    """Adds up what the law says of the imbalances, from those of the start and the moves.

    Attributes
    ----------
    state : tuple of two lists of ndarray
        The imbalances D_j, and their derivatives E_j along the last step.
    """

    def __init__(self, layers: Sequence[Array], step: float, momentum: float, decay: float) -> None:
        start = differences(layers)
        self.momentum, self.shrinking = momentum, 2 * step * decay
        self.state = start, [np.zeros_like(part) for part in start]

    def advance(self, moves: Sequence[Array]) -> None:
        """Take in a step v."""
        moved, along = [], []
        for D, E, V in zip(*self.state, differences(moves), strict=True):
            A = self.momentum * E - self.shrinking * D
            moved.append(D + A + V)
            along.append(A + 2 * V)
        self.state = moved, along
