"""Data for the commands: the digits of scikit-learn, the paper's Gaussian setting, own files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank.command.tables import read_table
from fixedrank.networks import gaussian_factors, layer_widths, product

# The loss and its curvature are of the second degree in the data, and steps look at their squares.
_SMALLEST = 1e-70


class Data(NamedTuple):
    """Data X, labels Y, one sample a column, and a line that says what they are.

    With classes, Y is one row of labels.
    """

    X: Array
    Y: Array
    description: str


def digits(*, classes: bool = False) -> Data:
    """Return 1797 images of digits, centred and scaled to spectral norm 1, and their labels.

    These are the images themselves, or the digits.
    """
    datasets = import_extra("sklearn.datasets", "data", "the digits data set")
    found = datasets.load_digits()
    images = np.asarray(found.data, dtype=float).T
    X = images - images.mean(axis=1, keepdims=True)
    X /= np.linalg.norm(X, 2)
    constant = int((X == 0).all(axis=1).sum())
    what = "ten classes of digits" if classes else "digits as a linear autoencoder"
    return Data(
        X,
        np.asarray(found.target, dtype=float)[None] if classes else X,
        f"{what}: {X.shape[1]} images of {X.shape[0]} pixels, centred, "
        f"scaled to spectral norm 1; {constant} pixels are always zero",
    )


def gaussian(dim: int, rank: int, depth: int, rng: np.random.Generator) -> Data:
    """Return the general supervised setting of appendix A: Y = W X with a true W of low rank."""
    X = rng.standard_normal((dim, 3 * dim)) / np.sqrt(dim)
    widths = layer_widths(dim, rank, max(depth, 2))
    true = product(gaussian_factors(widths, rng=rng))
    return Data(
        X,
        true @ X,
        f"Gaussian data (appendix A): {3 * dim} samples in dimension {dim}, "
        f"labels by a network of widths {widths}",
    )


def from_files(x: str, y: str | None, *, samples_in_rows: bool, classes: bool = False) -> Data:
    """Return the user's own data; without labels they are an autoencoder."""
    X = _read(x)
    if classes:
        if y is None:
            raise ValueError("--loss softmax needs --y: a file with the label of each sample")
        return _with_classes(X.T if samples_in_rows else X, x, y)
    Y = X if y is None else _read(y)
    if samples_in_rows:
        X, Y = X.T, Y.T
    kind = "as a linear autoencoder" if y is None else f"with labels {y}"
    return Data(X, Y, f"{x} {kind}: {X.shape[1]} samples, {X.shape[0]} to {Y.shape[0]} dimensions")


def _with_classes(X: Array, x: str, y: str) -> Data:
    """Return data with one label a sample, of a file that has them in a row or in a column."""
    labels = _read(y, sizes=False)
    if 1 not in labels.shape:
        raise ValueError(
            f"{y}: with --loss softmax it must hold one label a sample, in a row or a column, got "
            f"a matrix {labels.shape}"
        )
    many = np.unique(labels).size
    description = f"{x} with labels {y}: {X.shape[1]} samples of {many} classes in dimension "
    return Data(X, labels.reshape(1, -1), f"{description}{X.shape[0]}")


def _read(name: str, *, sizes: bool = True) -> Array:
    path = Path(name)
    if not path.is_file():
        raise OSError(f"{name}: {'is a directory' if path.is_dir() else 'no such file'}")
    ending = path.suffix.lower()
    if ending not in (".npy", ".csv"):
        raise ValueError(f"{name}: files must end in .npy or .csv")
    try:
        array = read_table(path) if ending == ".csv" else _read_npy(path)
    except (ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{name}: not a readable array of numbers: {error}") from error
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name}: must hold a matrix, one sample a column, got {array.shape}")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{name}: {int((~np.isfinite(array)).sum())} entries are NaN or infinite, the first in "
            f"row {row + 1}, column {column + 1}"
        )
    largest = float(np.abs(array).max())
    if sizes and largest and not _SMALLEST < largest < 1 / _SMALLEST:
        raise ValueError(
            f"{name}: the largest entry is {largest:.3g} in size, and the loss, made of squares, "
            "would leave floating point; choose other units"
        )
    return array


def _read_npy(path: Path) -> Array:
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive of several arrays; save one array with numpy.save")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"its values are of the type {array.dtype}, which are no real numbers")
    return np.asarray(array, dtype=float)
