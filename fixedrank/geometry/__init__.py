"""The manifold M_k of rank-k matrices and the depth-N metric g_W on it (section 3 of the paper)."""

from fixedrank._checks import RankLostError
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
)
from fixedrank.geometry.factored.sums import MatrixSum
from fixedrank.geometry.geodesics.logarithm import GeodesicNotFoundError
from fixedrank.geometry.manifold import FixedRank
from fixedrank.geometry.metric.depth import DepthMetric
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.integral import integral_inner_product
from fixedrank.geometry.metric.operator import DepthOperator
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.product import Product

__all__ = [
    "DepthMetric",
    "DepthOperator",
    "FactorDirections",
    "FixedRank",
    "FixedRankPoint",
    "FixedRankTangentVector",
    "GeodesicNotFoundError",
    "ImbalancedMetric",
    "MatrixSum",
    "Product",
    "RankLostError",
    "SpectralMetric",
    "integral_inner_product",
]
