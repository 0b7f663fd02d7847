"""Row and column ids, numbered from 0."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import scipy.sparse

from fixedrank.recovery.entries import Indices

# Kinds of ids that make an array of their own kind.
_PLAIN = {int: "i", float: "f", str: "U"}


class Labels:
    """The different ids of rows or of columns, ascending where they can be ordered.

    Parameters
    ----------
    name : str
        What they are ids of, for errors.
    ids : list
        Hashable objects, in any order and number.
    """

    def __init__(self, name: str, ids: list[Any]) -> None:
        self.name = name
        different = list(dict.fromkeys(hashable(name, ids)))
        # Those of several kinds stay in the order in which they came.
        with contextlib.suppress(TypeError):
            different.sort()
        self.ids = different
        self._places = {one: place for place, one in enumerate(different)}

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: list[Any]) -> Indices:
        """Return the number of each id, -1 where it is unknown."""
        get = self._places.get
        return np.array([get(one, -1) for one in hashable(self.name, ids)], dtype=np.intp)

    def as_array(self) -> Any:
        """Return the ids as an array, of objects where they are of several kinds."""
        kinds = {type(one) for one in self.ids}
        if len(kinds) == 1:
            array = np.array(self.ids) if kinds <= _PLAIN.keys() else None
            # Some integers do not fit, and would be floats.
            if array is not None and array.dtype.kind == _PLAIN[kinds.pop()]:
                return array
        objects = np.empty(len(self.ids), dtype=np.object_)
        objects[:] = self.ids
        return objects


def hashable(name: str, ids: list[Any]) -> list[Any]:
    """Return the ids if they are hashable and none is missing."""
    for place, one in enumerate(ids):
        try:
            hash(one)
        except TypeError as error:
            raise TypeError(
                f"the {name} ids must be hashable, but the one at index {place} is the "
                f"{type(one).__name__} {one!r}"
            ) from error
        if _is_missing(one):
            raise ValueError(
                f"the {name} id at index {place} is {one!r}: leave out rows of X without an id"
            )
    return ids


def _is_missing(one: Any) -> bool:
    if one is None:
        return True
    try:
        return bool(one != one)  # noqa: PLR0124
    except (TypeError, ValueError):
        # The sign of pandas for what is missing is neither equal to itself nor different.
        return True


def two_columns(X: Any) -> tuple[list[Any], list[Any]]:
    """Return the row ids and the column ids of a table of two columns.

    Raises
    ------
    TypeError, ValueError
        If X is not a data frame, an array or a sequence of pairs with two columns.
    """
    if scipy.sparse.issparse(X):
        raise TypeError(
            f"X must have two columns of ids, got a sparse {X.shape} matrix: the indices of its "
            "entries, np.column_stack(X.nonzero()), are ids"
        )
    if hasattr(X, "iloc"):
        _require_two(X.shape)
        return X.iloc[:, 0].tolist(), X.iloc[:, 1].tolist()
    if isinstance(X, (list, tuple)):
        return _of_pairs(X)
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: ids of dtype {array.dtype} have no order")
    _require_two(array.shape)
    return array[:, 0].tolist(), array[:, 1].tolist()


def _of_pairs(X: Any) -> tuple[list[Any], list[Any]]:
    # Not by way of an array, in which a pair of a text and a number would be two texts.
    for place, pair in enumerate(X):
        if isinstance(pair, (str, bytes)) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise ValueError(
                f"X must hold pairs of a row id and a column id, but at index {place} it has "
                f"{pair!r}"
            )
    pairs = [tuple(pair) for pair in X]
    plain = [[one.item() if isinstance(one, np.generic) else one for one in pair] for pair in pairs]
    return [pair[0] for pair in plain], [pair[1] for pair in plain]


def _require_two(shape: tuple[int, ...]) -> None:
    if len(shape) == 2 and shape[1] < 2:
        # In the words of scikit-learn.
        raise ValueError(
            f"Found array with {shape[1]} feature(s) (shape={shape}) while a minimum of 2 is "
            "required: X must have two columns, the ids of rows and of columns"
        )
    if len(shape) != 2 or shape[1] != 2:
        raise ValueError(
            "X must have two columns, the ids of rows and of columns (such as users and films), "
            f"but has shape {shape}"
        )


def column_names(X: Any) -> Any:
    """Return the names of the two columns of a data frame, an array, or None."""
    names = list(getattr(X, "columns", ()))
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=np.object_)
