"""The geometry and the flows for JAX: differentiable, batched, on any device.

Pure functions on pytrees, to be compiled, mapped and differentiated: ``jax.jit``, ``jax.vmap`` and
``jax.grad`` apply to all of them. They need the extra ``fixedrank[jax]``. The flows of
:mod:`fixedrank` remain the robust ones: they change the rank, renew their frames and find rest.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fixedrank._optional import import_extra

import_extra("jax", "jax", "fixedrank.jax")

# What follows imports jax itself.
from fixedrank.jax.connection import christoffel  # noqa: E402
from fixedrank.jax.fields import factored_field, riemannian_field  # noqa: E402
from fixedrank.jax.gradients import riemannian_gradient  # noqa: E402
from fixedrank.jax.operator import (  # noqa: E402
    apply_operator,
    inner_product,
    norm,
    solve_operator,
)
from fixedrank.jax.points import (  # noqa: E402
    CorePoint,
    Point,
    Tangent,
    core_point,
    from_fixedrank,
    to_fixedrank,
    to_matrix,
)
from fixedrank.jax.retraction import retract, retract_orthographic  # noqa: E402
from fixedrank.jax.tangent import project, transport  # noqa: E402
from fixedrank.jax.weights import normal_weights, tangential_weights  # noqa: E402

if TYPE_CHECKING:
    from fixedrank.jax.integration import integrate
    from fixedrank.jax.optimizer import riemannian_sgd
    from fixedrank.jax.rock import ROCK4

__all__ = [
    "ROCK4",
    "CorePoint",
    "Point",
    "Tangent",
    "apply_operator",
    "christoffel",
    "core_point",
    "factored_field",
    "from_fixedrank",
    "inner_product",
    "integrate",
    "norm",
    "normal_weights",
    "project",
    "retract",
    "retract_orthographic",
    "riemannian_field",
    "riemannian_gradient",
    "riemannian_sgd",
    "solve_operator",
    "tangential_weights",
    "to_fixedrank",
    "to_matrix",
    "transport",
]

# Where to find what needs a package beside jax, and which.
_LATER = {
    "ROCK4": ("diffrax", "rock"),
    "integrate": ("diffrax", "integration"),
    "riemannian_sgd": ("optax", "optimizer"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        package, module = _LATER[name]
        import_extra(package, "jax", f"fixedrank.jax.{name}")
        return getattr(importlib.import_module(f"fixedrank.jax.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
