"""A rank that the data speak for: the lowest that is as good as the best within its error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def one_standard_error(results: Mapping[str, Any]) -> int:
    """Return which candidate has the lowest rank and a score within one error of the best.

    It is what ``refit`` of scikit-learn's ``GridSearchCV`` takes. The error is the standard error
    of the best mean score over the folds.

    Parameters
    ----------
    results : mapping
        What the search calls ``cv_results_``: with ``mean_test_score``, ``std_test_score``, the
        scores of at least two folds, and a parameter ``rank`` or, in a pipeline, ``..__rank``.

    Returns
    -------
    int
        The place of the candidate. Of those with the same rank it is the one with the best score.

    Raises
    ------
    ValueError
        If there is no such parameter or only one fold.

    References
    ----------
    L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, Classification and Regression Trees,
    1984, section 3.4.3.

    Examples
    --------
    >>> from fixedrank.estimator import one_standard_error
    >>> one_standard_error(
    ...     {
    ...         "param_rank": [1, 2, 3],
    ...         "mean_test_score": [0.30, 0.49, 0.50],
    ...         "std_test_score": [0.02, 0.02, 0.02],
    ...         "split0_test_score": [0.28, 0.47, 0.48],
    ...         "split1_test_score": [0.32, 0.51, 0.52],
    ...     }
    ... )
    1
    """
    names = [name for name in results if name == "param_rank" or name.endswith("__rank")]
    if len(names) != 1:
        raise ValueError(
            "the search must have one parameter rank, but its parameters are "
            + (", ".join(name for name in results if name.startswith("param_")) or "none")
        )
    folds = sum(name.startswith("split") and name.endswith("_test_score") for name in results)
    if folds < 2:
        raise ValueError(f"a standard error needs at least two folds, got {folds}")
    ranks = np.asarray(results[names[0]], dtype=np.float64)
    scores = np.asarray(results["mean_test_score"], dtype=np.float64)
    best = int(np.nanargmax(scores))
    # The deviation that scikit-learn tells is that of the folds, divided by their number.
    error = float(results["std_test_score"][best]) / np.sqrt(folds - 1)
    good = np.flatnonzero(scores >= scores[best] - error)
    lowest = good[ranks[good] == ranks[good].min()]
    return int(lowest[np.argmax(scores[lowest])])
