"""The layers of deep linear networks and their initialisation (section 2)."""

from fixedrank.networks.initial import balanced_factors, gaussian_factors, random_balanced_factors
from fixedrank.networks.layers import balancedness, layer_widths, product
from fixedrank.networks.models import factors_from

__all__ = [
    "balanced_factors",
    "balancedness",
    "factors_from",
    "gaussian_factors",
    "layer_widths",
    "product",
    "random_balanced_factors",
]
