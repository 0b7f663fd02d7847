"""Losses of a matrix, which the layers of a network share: the base class, regression, decay."""

from fixedrank.losses.adapted import as_loss
from fixedrank.losses.classification import Classification
from fixedrank.losses.hessian import NetworkHessian
from fixedrank.losses.loss import Loss
from fixedrank.losses.moment_regression import MomentRegression
from fixedrank.losses.regression import LinearRegression, require_data, require_regression
from fixedrank.losses.schatten import SchattenDecay, split_decay
from fixedrank.losses.schatten_roots import schatten_threshold
from fixedrank.losses.stability import edge_of_stability, sharpness

__all__ = [
    "Classification",
    "LinearRegression",
    "Loss",
    "MomentRegression",
    "NetworkHessian",
    "SchattenDecay",
    "as_loss",
    "edge_of_stability",
    "require_data",
    "require_regression",
    "schatten_threshold",
    "sharpness",
    "split_decay",
]
