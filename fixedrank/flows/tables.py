"""What is read off a flow at each time: its effective rank, and a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from fixedrank._checks import Array
from fixedrank._optional import import_extra


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
