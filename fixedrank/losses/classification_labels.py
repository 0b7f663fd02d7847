"""Data and labels of classes, as a user hands them in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import finite_array, number_of_axes, positive_integer, real_array
from fixedrank.losses.classification_scores import Labels
from fixedrank.losses.data import finite_matrix

# Whole numbers of double precision are known up to here.
_LARGEST = 2**53


class Labelled(NamedTuple):
    """Data, their labels and the number of classes."""

    X: Any
    targets: Labels
    classes: int


def labelled(X: Any, labels: Any, classes: Any) -> Labelled:
    """Return data with labels, checked.

    Raises
    ------
    TypeError, ValueError
        If X is no finite real matrix, or there is not one label of a class for each of its columns.
    """
    data = finite_matrix("X", X)
    if 0 in data.shape:
        raise ValueError(f"X must not be empty, got shape {data.shape}")
    values = _whole_numbers(labels)
    if values.size != data.shape[1]:
        hint = "; X has one sample a column, so X.T may be meant"
        raise ValueError(
            f"there must be one label for each of the {data.shape[1]} samples in the columns of X, "
            f"got {values.size} labels for X of shape {data.shape}"
            + (hint if values.size == data.shape[0] else "")
        )
    found = np.unique(values)
    if found.size == 1:
        raise ValueError(
            f"all {values.size} labels are {found[0]}, but there must be two classes at least"
        )
    if found[0] < 0:
        return Labelled(data, _signs(values, found, classes), 2)
    count = int(found[-1]) + 1
    if classes is None and found[0] > 0:
        raise ValueError(
            f"the classes are numbered from 0 on, but the least label is {found[0]}: take labels - "
            f"{found[0]}, or say classes={count} if class 0 just has no samples"
        )
    if classes is not None and positive_integer("classes", classes) < count:
        raise ValueError(
            f"labels must lie between 0 and classes - 1 = {classes - 1}, but the largest is "
            f"{found[-1]}"
        )
    count = count if classes is None else int(classes)
    if classes is None and count > 10 * values.size:
        raise ValueError(
            f"the largest label is {found[-1]}, but there are {values.size} samples: number the "
            "classes from 0 on, as numpy.unique(labels, return_inverse=True)[1] does, or say "
            f"classes={count}"
        )
    return Labelled(data, Labels(values, count), count)


def _whole_numbers(labels: Any) -> NDArray[np.intp]:
    if number_of_axes(labels) == 2:
        raise ValueError(
            f"labels must have 1 axis, one label a sample, but have shape {np.shape(labels)}; "
            "of columns with a single one labels.argmax(axis=0) are the labels"
        )
    values = finite_array("labels", real_array("labels", labels), 1)
    broken = np.flatnonzero((values != np.rint(values)) | (np.abs(values) > _LARGEST))
    if broken.size:
        raise ValueError(
            "labels must be whole numbers, 0 to K - 1 or -1 and +1, but at index "
            f"{broken[0]} there is {values[broken[0]]}"
        )
    return values.astype(np.intp)


def _signs(values: NDArray[np.intp], found: NDArray[np.intp], classes: Any) -> Labels:
    if found.tolist() != [-1, 1]:
        shown = np.array2string(found, threshold=6, separator=", ")
        raise ValueError(
            "labels must be whole numbers from 0 on, or -1 and +1 and nothing else, but they are "
            f"{shown}"
        )
    if classes not in (None, 2):
        raise ValueError(f"labels -1 and +1 are 2 classes, but classes={classes!r}")
    return Labels(values, 1)
