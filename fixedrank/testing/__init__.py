"""Checks and Hypothesis strategies for the tests of your own costs, manifolds and operators.

The checks work on any pymanopt manifold, return a report, and raise `CheckFailedError` where
something is wrong. The strategies draw the manifold, its points and tangent vectors; they need
the extra ``fixedrank[testing]``.
"""

from typing import TYPE_CHECKING, Any

from fixedrank.testing.cone import check_cone
from fixedrank.testing.connection import check_connection
from fixedrank.testing.curvature import check_curvature
from fixedrank.testing.definiteness import check_positive_definite
from fixedrank.testing.gradient import check_gradient
from fixedrank.testing.hessian import check_hessian
from fixedrank.testing.operators import check_self_adjoint
from fixedrank.testing.parallel_transport import check_parallel_transport
from fixedrank.testing.reports import CheckFailedError, CheckReport, Finding
from fixedrank.testing.retraction import check_retraction
from fixedrank.testing.root_bounds import check_root_bounds
from fixedrank.testing.spaces import frobenius_inner_product

if TYPE_CHECKING:
    from fixedrank.testing.strategies import manifolds, points, tangent_vectors

__all__ = [
    "CheckFailedError",
    "CheckReport",
    "Finding",
    "check_cone",
    "check_connection",
    "check_curvature",
    "check_gradient",
    "check_hessian",
    "check_parallel_transport",
    "check_positive_definite",
    "check_retraction",
    "check_root_bounds",
    "check_self_adjoint",
    "frobenius_inner_product",
    "manifolds",
    "points",
    "tangent_vectors",
]


def __getattr__(name: str) -> Any:
    # Only now, so that the checks work without Hypothesis.
    if name in {"manifolds", "points", "tangent_vectors"}:
        from fixedrank.testing import strategies

        return getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
