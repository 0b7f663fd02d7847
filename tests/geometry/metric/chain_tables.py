"""Tables of divided differences, read off the sums over the middle index that a metric offers."""

import numpy as np


def table_of(chain, k):
    """Return t with chain(a, b) = sum over l of t[i, l, j] a_il b_lj."""
    table = np.empty((k, k, k))
    for l in range(k):
        column = np.zeros((k, k))
        column[:, l] = 1
        table[:, l, :] = chain(column, column.T)
    return table
