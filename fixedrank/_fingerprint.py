"""A hash of everything that decides the results of an experiment."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from fixedrank._version import version

# Metadata of a field that was added later: at its default what it belongs to is what it was before.
LATER = {"later": True}


def fingerprint(*parts: Any, versioned: bool = True) -> str:
    """Return a hash of some values, of objects of all attributes, and of the library's version.

    Of functions and classes it takes the source, so that an edited one is another one; not of what
    they call. Unless it is to be `versioned`, those of the library are taken by name.

    Raises
    ------
    TypeError
        If a value is of a kind that is not known to be hashed whole.
    """
    of_library = version() if versioned else ""
    text = "\n".join([of_library, *(_text(part, "a part", versioned) for part in parts)])
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any, name: str, versioned: bool) -> str:
    """Return a text that two values share if they are the same and not otherwise."""
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, numbers.Real):
        return float(value).hex()
    if isinstance(value, (tuple, list)):
        return f"({','.join(_text(item, name, versioned) for item in value)})"
    if isinstance(value, Mapping):
        return _text([(key, value[key]) for key in sorted(value)], name, versioned)
    if isinstance(value, np.ndarray) and value.dtype != object:
        whole = np.ascontiguousarray(value).tobytes()
        return f"{value.dtype}{value.shape}{hashlib.sha256(whole).hexdigest()}"
    if scipy.sparse.issparse(value):
        entries = value.tocoo()
        return _text([entries.shape, entries.row, entries.col, entries.data], name, versioned)
    if isinstance(digest := getattr(value, "digest", None), str):
        return digest
    if isinstance(value, functools.partial):
        return _text([value.func, value.args, value.keywords], name, versioned)
    if inspect.ismethod(value):
        return _text([value.__func__, value.__self__], name, versioned)
    kind = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    named = not versioned and kind.__module__.partition(".")[0] == __package__
    source = f"{kind.__module__}.{kind.__qualname__}:{'' if named else _source(kind)}"
    if kind is value:
        return source
    if dataclasses.is_dataclass(value):
        state = {
            field.name: part
            for field in dataclasses.fields(value)
            for part in [getattr(value, field.name)]
            if not (field.metadata.get("later") and part == field.default)
        }
    elif hasattr(value, "__dict__"):
        # What was computed of the rest tells nothing new: as it was first asked for, or as what
        # does not travel with a pickle.
        state = value.__getstate__()
        state = {
            key: part
            for key, part in (state if isinstance(state, dict) else vars(value)).items()
            if not isinstance(getattr(kind, key, None), functools.cached_property)
        }
    else:
        raise TypeError(
            f"{name} of the experiment is of the kind {kind.__name__}, of which no fingerprint "
            "can be made: run it without a store"
        )
    texts = (f"{key}={_text(state[key], key, versioned)}" for key in sorted(state))
    return f"{source}({','.join(texts)})"


@functools.cache
def _source(kind: Any) -> str:
    """Return the source of a function or a class."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        # Built in, or typed into an interpreter: its name has to do.
        return ""
