"""Public names that go: for two minor releases they work as before, with a warning."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Old(NamedTuple):
    """A name that goes: what to use instead, since which release it warns, with which it goes."""

    instead: str
    since: str
    until: str


def warn_deprecated(name: str, old: Old, stacklevel: int = 3) -> None:
    """Warn whoever called the caller that a name, or a parameter, goes."""
    warnings.warn(
        f"{name} is deprecated since fixedrank {old.since} and goes with {old.until}: "
        f"use {old.instead}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def old_names(module: str, names: Mapping[str, Old]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module in which names are known by new ones.

    ``instead`` is a name of the module. For type checkers the old ones are gone at once: assign
    this under ``if not TYPE_CHECKING:``.
    """

    def getattr_of_module(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_deprecated(f"{module}.{name}", names[name])
        return getattr(importlib.import_module(module), names[name].instead)

    return getattr_of_module
