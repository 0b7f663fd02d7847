"""Losses of a matrix, which the layers of a network share: the base class, and regression."""

from fixedrank.losses.adapted import as_loss
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.loss import Loss
from fixedrank.losses.moment_regression import MomentRegression
from fixedrank.losses.regression import LinearRegression, require_data, require_regression
from fixedrank.losses.stability import edge_of_stability, sharpness

__all__ = [
    "LinearRegression",
    "Loss",
    "MomentRegression",
    "NetworkHessian",
    "as_loss",
    "edge_of_stability",
    "require_data",
    "require_regression",
    "sharpness",
]
