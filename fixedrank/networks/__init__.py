"""Deep linear networks: the regression problem, layers and their initialisation (section 2)."""

from fixedrank.networks.hessian import NetworkHessian
from fixedrank.networks.initial import balanced_factors, gaussian_factors, random_balanced_factors
from fixedrank.networks.layers import balancedness, layer_widths, product
from fixedrank.networks.regression import LinearRegression

__all__ = [
    "LinearRegression",
    "NetworkHessian",
    "balanced_factors",
    "balancedness",
    "gaussian_factors",
    "layer_widths",
    "product",
    "random_balanced_factors",
]
