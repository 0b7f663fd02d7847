"""Tables of ratings, and others of row, column and value, with scikit-learn.

It needs the extra ``fixedrank[data]``.
"""

from fixedrank.estimator.regressor import MatrixCompletionRegressor
from fixedrank.estimator.selection import one_standard_error

__all__ = ["MatrixCompletionRegressor", "one_standard_error"]
