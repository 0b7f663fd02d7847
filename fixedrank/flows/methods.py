"""What the loop asks of a method: which options it takes, of what order it is."""

from __future__ import annotations

import inspect
from typing import Any

from scipy.integrate import BDF, DOP853, LSODA, OdeSolver, Radau

from fixedrank.flows.switching import AutoSwitching

# What the loop hands in itself.
_OWN = frozenset(("self", "fun", "t0", "y0", "t_bound", "rtol", "atol"))
# Orders of the error estimate in the first step, where the class does not tell.
_ORDERS: dict[type[OdeSolver], int] = {
    AutoSwitching: DOP853.error_estimator_order,
    BDF: 1,
    LSODA: 1,
    Radau: 3,
}


def options_of(method: type[OdeSolver]) -> frozenset[str] | None:
    """Return the names of the options of a method, or None if it takes any.

    SciPy's methods, and those here, collect what they do not know and only warn.
    """
    parameters = inspect.signature(method).parameters
    collects = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    maker: Any = method.__init__
    if collects and maker.__module__.split(".")[0] not in ("scipy", "fixedrank"):
        return None
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(name for name, p in parameters.items() if p.kind in kinds) - _OWN


def check_options(method: type[OdeSolver], options: dict[str, Any]) -> None:
    """Raise a ValueError that names the options that a method does not have."""
    known = options_of(method)
    unknown = [] if known is None else [name for name in options if name not in known]
    if unknown:
        raise ValueError(
            f"method {method.__name__} has no option {', '.join(unknown)}: "
            f"it takes {', '.join(sorted(known or ()))}"
        )


def takes(method: type[OdeSolver], option: str) -> bool:
    """Whether a method is known to take an option."""
    return option in (options_of(method) or ())


def order_of(method: type[OdeSolver]) -> int:
    """Return the order of the error estimate in the first step."""
    told = getattr(method, "error_estimator_order", getattr(method, "error_order", 1))
    return _ORDERS.get(method, int(told))
