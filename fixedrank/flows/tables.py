"""What is read off a flow at each time: its effective rank, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import entr

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank._shown import Table, number, some
from fixedrank.networks.gradients import widths_of

# Rows and singular values of a table in a notebook.
_ROWS, _VALUES = 6, 4


def effective_ranks(singular_values: Array) -> Array:
    """Return exp of the entropy of s / sum(s) of each row s: 0 of zeros, NaN of what diverged."""
    largest = singular_values.max(axis=-1, keepdims=True, initial=0.0)
    # By the largest first: the sum of values that large may overflow.
    with np.errstate(invalid="ignore"):
        shares = singular_values / np.where(largest > 0, largest, 1.0)
    total = shares.sum(axis=-1, keepdims=True)
    ranks = np.exp(entr(shares / np.where(total > 0, total, 1.0)).sum(axis=-1))
    return np.where(total[..., 0] == 0, 0.0, ranks)


def data_frame(**columns: Any) -> Any:
    """Return a pandas.DataFrame of columns; of an array with two axes each column is one."""
    pandas = import_extra("pandas", "data", "to_dataframe()")
    flat: dict[str, Any] = {}
    for name, values in columns.items():
        if np.ndim(values) < 2:
            flat[name] = values
        else:
            flat |= {f"{name}_{i + 1}": values[:, i] for i in range(values.shape[1])}
    return pandas.DataFrame(flat)


def over_time(
    t: Array, loss: Array, gradient_norm: Array, singular_values: Array, first: str = "t"
) -> Table:
    """Return a few times with what is known there, to be shown in a notebook."""
    count = min(_VALUES, singular_values.shape[1])
    rows = np.linspace(0, len(t) - 1, min(_ROWS, len(t))).astype(int)
    return Table(
        [first, "loss", "gradient norm", *(f"s_{i + 1}" for i in range(count))],
        [
            [number(x) for x in (t[i], loss[i], gradient_norm[i], *singular_values[i, :count])]
            for i in rows
        ],
    )


def layers_shown(layers: Sequence[Array]) -> str:
    """Return the number of layers and their widths, in words."""
    if not layers:
        return "no layers"
    return f"N = {len(layers)}, widths {some([str(width) for width in widths_of(layers)], 8)}"
