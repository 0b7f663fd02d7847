r"""Where layers meet the kink of a penalty on the singular values of their product.

Of layers that are balanced a singular value of the product decays as long as it is pushed down. Its
parts in the two outer layers, :math:`|W_N^T u|` and :math:`|W_1 v|`, differ where layers are not
balanced, if by errors only, and what their squares differ by is conserved: one of them reaches zero
in finite time, as it does of a single layer. There the gradient of the penalty changes its sign,
and steps across become tiny.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint

# One part is so many times the other.
_APART = 100.0


def outer_parts(layers: Sequence[Array], point: FixedRankPoint) -> tuple[Array, Array]:
    """Return what each singular value of the product has in the last and in the first layer."""
    u, _, vt = point
    return np.linalg.norm(layers[-1].T @ u, axis=0), np.linalg.norm(layers[0] @ vt.T, axis=0)


def least_part(layers: Sequence[Array], point: FixedRankPoint) -> float:
    """Return the least that a singular value of the product has in any layer.

    Where layers are not balanced it may be one between, and zero before the product is small.
    """
    frame, parts = point.vt.T, [*outer_parts(layers, point)]
    for layer in layers:
        frame = layer @ frame
        parts.append(np.linalg.norm(frame, axis=0))
        frame = frame / np.where(parts[-1] > 0, parts[-1], 1)
    return float(np.min(parts))


def kink(layers: Sequence[Array], point: FixedRankPoint, peak: float, rtol: float) -> str | None:
    """Say which singular value of the product of layers, at this point, is at zero, or None.

    That is judged beside the largest singular value on the way, the peak.
    """
    outer, inner = outer_parts(layers, point)
    less, more = np.minimum(outer, inner), np.maximum(outer, inner)
    # What is below the tolerances in both is nothing that anybody follows.
    felt = more > rtol / (10 * len(layers)) * more.max()
    # Between them, too, may be a layer that has less.
    between = less ** len(layers) > _APART * point.s
    apart = (more > _APART * less) | between | (len(layers) == 1)
    found = np.flatnonzero((point.s <= rtol * peak) & felt & apart)
    if not found.size:
        return None
    at = found[0]
    unbalanced = (
        ", since the layers are not balanced in it (its parts in the outer ones are "
        f"{more[at]:.1e} and {less[at]:.1e})"
    )
    return (
        f"a singular value of the product fell to {point.s[at]:.1e}, and from there to zero"
        + unbalanced * (len(layers) > 1)
        + ": the penalty on singular values has a kink there; "
        "riemannian_flow(problem, point, depth, t) goes on"
    )
