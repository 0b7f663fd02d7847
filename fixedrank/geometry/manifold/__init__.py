"""The public face of the geometry: one class, its methods in groups, a file each."""

from fixedrank.geometry.manifold.fixed_rank import FixedRank

__all__ = ["FixedRank"]
