"""Whether samples can be told apart by linear scores: a linear program."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.optimize import linprog

from fixedrank._checks import Array
from fixedrank.losses.classification_scores import Labels


def are_separable(X: Any, targets: Labels) -> bool:
    """Return whether some W has a positive margin at every sample.

    It searches for margins of at least one, of samples divided by their largest entry, which
    changes no sign; and what it finds has to have positive ones in floating point.
    """
    largest = np.asarray(
        abs(X).max(axis=0).toarray() if scipy.sparse.issparse(X) else abs(X).max(0)
    )
    largest = np.ravel(largest).astype(np.float64)
    if not largest.all():
        return False
    if scipy.sparse.issparse(X):
        unit = scipy.sparse.csr_array(X @ scipy.sparse.diags_array(1 / largest))
    else:
        unit = X / largest
        if _margin(_least_squares(unit, targets), unit, targets) > 0:
            return True
    constraints = _constraints(unit, targets)
    found = linprog(
        np.zeros(constraints.shape[1]),
        A_ub=constraints,
        b_ub=np.full(constraints.shape[0], -1.0),
        bounds=(None, None),
        method="highs",
    )
    if found.x is None:
        return False
    return _margin(found.x.reshape(targets.rows, -1), unit, targets) > 0


def _margin(W: Array, X: Any, targets: Labels) -> float:
    gaps = targets.gaps(np.asarray((X.T @ W.T).T))
    return float(-targets.wrong(gaps).max())


def _least_squares(X: Array, targets: Labels) -> Array:
    """Return the W that fits W X to the labels: all of them where samples are independent."""
    wanted = -targets.slopes(np.ones((targets.rows, targets.values.size)))
    return np.asarray(np.linalg.lstsq(X.T, wanted.T, rcond=None)[0].T)


def _constraints(X: Any, targets: Labels) -> Any:
    """Return the matrix that takes the rows of W, one after another, to the gaps."""
    rows = scipy.sparse.csr_array(X.T)
    if targets.signs:
        return scipy.sparse.diags_array(-targets.values.astype(np.float64)) @ rows
    blocks = []
    for wrong in range(targets.rows):
        others = np.flatnonzero(targets.values != wrong)
        signs = np.zeros((targets.rows, others.size))
        signs[wrong], signs[targets.values[others], np.arange(others.size)] = 1.0, -1.0
        parts = [scipy.sparse.diags_array(sign) @ rows[others] for sign in signs]
        blocks.append(scipy.sparse.hstack(parts, format="csr"))
    return scipy.sparse.vstack(blocks, format="csr")
