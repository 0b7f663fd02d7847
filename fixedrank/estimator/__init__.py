"""Tables of ratings, and others of row, column and value, with scikit-learn.

The estimator needs the extra ``fixedrank[data]``.
"""

from typing import TYPE_CHECKING, Any

from fixedrank.estimator.selection import one_standard_error

if TYPE_CHECKING:
    from fixedrank.estimator.regressor import MatrixCompletionRegressor

__all__ = ["MatrixCompletionRegressor", "one_standard_error"]


def __getattr__(name: str) -> Any:
    # Only now, so that the module can be looked at without scikit-learn.
    if name == "MatrixCompletionRegressor":
        from fixedrank.estimator.regressor import MatrixCompletionRegressor

        return MatrixCompletionRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
