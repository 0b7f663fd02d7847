"""The manifold M_k of rank-k matrices and the depth-N metric g_W on it (section 3 of the paper)."""

from fixedrank._checks import RankLostError
from fixedrank.geometry.integral import integral_inner_product
from fixedrank.geometry.logarithm import GeodesicNotFoundError
from fixedrank.geometry.manifold import FixedRank
from fixedrank.geometry.operator import DepthOperator
from fixedrank.geometry.points import FactorDirections, FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.product import Product
from fixedrank.geometry.sums import MatrixSum

__all__ = [
    "DepthOperator",
    "FactorDirections",
    "FixedRank",
    "FixedRankPoint",
    "FixedRankTangentVector",
    "GeodesicNotFoundError",
    "MatrixSum",
    "Product",
    "RankLostError",
    "integral_inner_product",
]
