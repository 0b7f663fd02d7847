"""A hash of everything that decides the results of an experiment."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import numbers
import pickle
from collections.abc import Mapping
from typing import Any

from fixedrank._version import version


def fingerprint(*parts: Any) -> str:
    """Return a hash of some values, of dataclasses of all fields, and of the library's version.

    Of a function it takes the source, so that an edited one is another one; not of what it calls.

    Raises
    ------
    TypeError
        If a value is of a kind that is not known to be hashed whole.
    """
    text = "\n".join([version(), *(_text(part, "a part") for part in parts)])
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any, name: str) -> str:
    """Return a text that two values share if they are the same and not otherwise."""
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, numbers.Real):
        return float(value).hex()
    if isinstance(value, (tuple, list)):
        return f"({','.join(_text(item, name) for item in value)})"
    if isinstance(value, Mapping):
        return _text([(key, value[key]) for key in sorted(value)], name)
    if isinstance(digest := getattr(value, "digest", None), str):
        return digest
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        parts = [f"{name}={_text(getattr(value, name), name)}" for name in names]
        return f"{type(value).__qualname__}({','.join(parts)})"
    if callable(value):
        return f"{_pickled(value)}:{_source(value)}"
    raise TypeError(
        f"{name} of the experiment is of the kind {type(value).__name__}, of which no fingerprint "
        "can be made: run it without a store"
    )


def _pickled(value: Any) -> str:
    """Return a function by its name, and an object that is called with what it holds."""
    if inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    return pickle.dumps(value, protocol=4).hex()


def _source(function: Any) -> str:
    """Return the source of a function, or of the class of a callable object."""
    function = getattr(function, "func", function)  # of a functools.partial
    written = inspect.isroutine(function) or inspect.isclass(function)
    try:
        return inspect.getsource(function if written else type(function))
    except (OSError, TypeError):
        # Built in, or typed into an interpreter: its name has to do.
        return ""
