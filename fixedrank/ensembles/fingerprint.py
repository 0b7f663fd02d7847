"""A hash of everything that decides the results of an experiment."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import numbers
import pickle
from typing import Any

from fixedrank._version import version
from fixedrank.losses.regression import LinearRegression


def fingerprint(experiment: Any) -> str:
    """Return a hash of all fields of a dataclass and of the version of the library.

    Of a function it takes the source, so that an edited one is another one; not of what it calls.

    Raises
    ------
    TypeError
        If a field is of a kind that is not known to be hashed whole.
    """
    names = [field.name for field in dataclasses.fields(experiment)]
    values = [f"{name}={_text(getattr(experiment, name), name)}" for name in names]
    text = "\n".join([version(), type(experiment).__qualname__, *values])
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any, name: str) -> str:
    """Return a text that two values share if they are the same and not otherwise."""
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, numbers.Real):
        return float(value).hex()
    if isinstance(value, (tuple, list)):
        return f"({','.join(_text(item, name) for item in value)})"
    if isinstance(value, LinearRegression):
        return value.digest
    if callable(value):
        return f"{pickle.dumps(value, protocol=4).hex()}:{_source(value)}"
    raise TypeError(
        f"{name} of the experiment is of the kind {type(value).__name__}, of which no fingerprint "
        "can be made: run it without a store"
    )


def _source(function: Any) -> str:
    """Return the source of a function, or of the class of a callable object."""
    function = getattr(function, "func", function)  # of a functools.partial
    written = inspect.isroutine(function) or inspect.isclass(function)
    try:
        return inspect.getsource(function if written else type(function))
    except (OSError, TypeError):
        # Built in, or typed into an interpreter: its name has to do.
        return ""
