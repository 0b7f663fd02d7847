"""Where errors, not the flow, decide the fate of a singular value of the product of layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array, round_off
from fixedrank.flows.scales import SMALLEST
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.metric.imbalanced import layer_offsets
from fixedrank.networks.unbalanced import imbalance


def keep_rank(layers: Sequence[Array]) -> bool:
    """Say whether the exact flow of layers is known to keep the rank of their product.

    It does where two layers share the smallest singular values, as balanced ones do. Others may
    pass through matrices of lower rank.
    """
    found = imbalance(layers).homogeneous
    return len(layers) == 1 or (found is not None and layer_offsets(found).count(0) > 1)


def fate(times: Array, values: Array, shape: tuple[int, int], signs: Sequence[float]) -> str:
    """Say where errors decided the fate of a singular value of the product, if they did.

    The exact flow keeps the rank. Where a singular value decays to zero, that of the layers does
    so by two numbers that tend to zero together and whose difference errors make grow.
    """
    # Where all of W has decayed out of floating point, nothing is known of its singular values.
    there = values[:, 0] > SMALLEST / np.finfo(float).eps
    small = values <= round_off(max(shape), 1.0) * values[:, :1]
    lost = (small & ~small[0]).any(axis=1) & there
    if lost.any():
        return (
            f"; at t = {times[lost.argmax()]:.6g} a singular value of the product was "
            "round-off of the largest: from there on errors, not the flow, decide where it goes"
        )
    crossed = np.array([sign != signs[0] for sign in signs], dtype=bool) & there[: len(signs)]
    if crossed.any() and not small[0].any():
        return (
            f"; before t = {times[crossed.argmax()]:.6g} the determinant of the product "
            "changed its sign, which it never does in the exact flow: a singular value had "
            "decayed so far that errors carried it across zero"
        )
    return ""


def sign_of(point: FixedRankPoint) -> float:
    """Return the sign of the determinant of a square matrix."""
    return float(np.linalg.slogdet(point.u)[0] * np.linalg.slogdet(point.vt)[0])
