"""Random points, with frames of the Haar distribution."""

from __future__ import annotations

import numpy as np

from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.geometry.factored.points import FixedRankPoint


def random_point(m: int, n: int, k: int, generator: np.random.Generator) -> FixedRankPoint:
    """Return a point with Haar distributed u and vt, and s uniform in (0, 1], sorted."""
    return FixedRankPoint(
        orthonormal_columns(generator.standard_normal((m, k))),
        np.sort(1 - generator.random(k))[::-1].copy(),
        orthonormal_columns(generator.standard_normal((n, k))).T.copy(),
    )
