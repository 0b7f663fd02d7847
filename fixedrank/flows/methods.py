"""What the loop asks of a method: its properties, its options, the order of its estimate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from scipy.integrate import DOP853, RK23, RK45, OdeSolver, Radau

from fixedrank._checks import Array
from fixedrank._shown import name_of
from fixedrank.flows.inside import by_interpolation, by_parts

# What the loop hands in itself.
_OWN = frozenset(("self", "fun", "t0", "y0", "t_bound", "rtol", "atol"))


@dataclass(frozen=True)
class MethodProperties:
    """What a method says of itself to the flows; the defaults suit every OdeSolver.

    A class of your own states them, where others are true, in a class attribute `properties`.

    Parameters
    ----------
    error_order : int, optional
        The order of the error estimate, for the choice of the first step; if left out, the class
        attribute `error_estimator_order` as SciPy's methods have it, and else 1.
    damps : bool
        Whether each step damps all directions, the fast ones too, so that steps of any length come
        as near to rest as one likes.
    tries_again : bool
        Whether it takes a shorter step where the velocity is NaN or infinite.
    carried : tuple of str
        Attributes of the solver that go, as options of these names, to the next one where the loop
        begins anew from another state.
    stored : tuple of str, optional
        Attributes of the solver, beside t and y, on which its next steps hang: what a flow with a
        store writes, and sets in a new solver where it goes on, so that its steps are the same.
        Arrays among them are not written over by later steps. If left out, a flow goes on to the
        tolerance only.
    states_inside : callable
        Returns the list of the states at increasing times within the last step, of the solver, the
        times and the relative tolerance; by default what `dense_output` says.

    Examples
    --------
    >>> from scipy.integrate import RK45
    >>> import numpy as np, fixedrank
    >>> class Mine(RK45):
    ...     properties = fixedrank.MethodProperties(tries_again=True)
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> flow = fixedrank.factored_flow(problem, [[[1.0]], [[1.0]]], [0, 1, 5], method=Mine)
    >>> flow.status
    'reached the last time t = 5'
    """

    error_order: int | None = None
    damps: bool = False
    tries_again: bool = False
    carried: tuple[str, ...] = ()
    stored: tuple[str, ...] | None = None
    states_inside: Callable[[Any, Array, float], list[Array]] = by_interpolation

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = {**values, "states_inside": name_of(self.states_inside)}
        return f"MethodProperties({', '.join(f'{name}={shown[name]}' for name in shown)})"


_EXPLICIT = MethodProperties(tries_again=True, stored=("h_abs", "f"), states_inside=by_parts)
# What SciPy's classes would say.
_SCIPY: dict[type, MethodProperties] = {
    RK23: _EXPLICIT,
    RK45: _EXPLICIT,
    DOP853: _EXPLICIT,
    Radau: MethodProperties(error_order=3),
    OdeSolver: MethodProperties(),
}


def properties_of(method: type[OdeSolver]) -> MethodProperties:
    """Return the properties of a method: its own, or those of the next class above it."""
    stated = (vars(base).get("properties", _SCIPY.get(base)) for base in method.__mro__)
    return next(found for found in stated if isinstance(found, MethodProperties))


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
    stated = properties_of(method).error_order
    return int(getattr(method, "error_estimator_order", 1)) if stated is None else stated


def remembered(owner: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return attributes of an object, or of its parts, by their names."""
    return {name: attrgetter(name)(owner) for name in names}


def put_back(owner: Any, content: dict[str, Any]) -> None:
    """Set attributes of an object, or of its parts, that :func:`remembered` returned."""
    for name, value in content.items():
        part, _, attribute = name.rpartition(".")
        setattr(attrgetter(part)(owner) if part else owner, attribute, value)
