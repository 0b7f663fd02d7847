"""The layers of deep linear networks and their initialisation (section 2)."""

from fixedrank.networks.initial import balanced_factors, gaussian_factors, random_balanced_factors
from fixedrank.networks.layers import balancedness, layer_widths, product
from fixedrank.networks.models import factors_from
from fixedrank.networks.network_operator import NetworkOperator
from fixedrank.networks.unbalanced import Imbalances, imbalance, imbalanced_factors

__all__ = [
    "Imbalances",
    "NetworkOperator",
    "balanced_factors",
    "balancedness",
    "factors_from",
    "gaussian_factors",
    "imbalance",
    "imbalanced_factors",
    "layer_widths",
    "product",
    "random_balanced_factors",
]
