"""Hypothesis strategies for shapes, depths, singular values, points and tangent vectors.

Most of them are those that `fixedrank.testing` gives to users.
"""

from hypothesis import strategies as st

from fixedrank.testing import strategies
from fixedrank.testing.strategies import frames, shapes, singular_values

__all__ = [
    "arrays",
    "depths",
    "entries",
    "frames",
    "points",
    "seeds",
    "shapes",
    "singular_values",
    "tangent_vectors",
    "well_conditioned_points",
]

seeds = st.integers(0, 2**32 - 1)
depths = strategies.usual_depths


@st.composite
def points(draw, shape=None, low=1e-12, high=1e6):
    """Draw a point (u, s, vt) with singular values in [low, high], of a given or any shape."""
    return draw(strategies.fixed_rank_points(shape or draw(shapes()), low, high))


def well_conditioned_points(shape=None):
    """Draw a point with singular values in [1/2, 2]."""
    return points(shape, low=0.5, high=2.0)


def entries(low=1e-30, high=1e30):
    """Draw a number: zero, or of either sign and any magnitude in [low, high]."""
    return strategies.entries(low, high)


def arrays(shape, low=1e-30, high=1e30):
    """Draw an array with entries of all magnitudes in [low, high], and zeros."""
    return strategies.arrays(shape, low, high)


def tangent_vectors(point, low=1e-30, high=1e30):
    """Draw a tangent vector (Up, M, Vp) at a point, with U^T Up = 0 and V^T Vp = 0."""
    return strategies.fixed_rank_tangent_vectors(point, low, high)
