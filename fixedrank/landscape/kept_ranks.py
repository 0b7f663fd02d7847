r"""Ranks of products of layers that their imbalances keep for all times, and pivots kept loose.

The flow keeps D_j = W_{j+1}^T W_{j+1} - W_j W_j^T, so that W_{j+1}^T W_{j+1} >= D_j and
W_j W_j^T >= -D_j for all times and in the limit. Where v lies in the span of eigenvectors of D_j to
eigenvalues >= e > 0, |W_{j+1} v|^2 >= e |v|^2; and |W_{j+1}^T w|^2 >= e |w|^2 for w = W_{j+1} v,
so that |W_{j+2} w|^2 >= (e + the least eigenvalue of D_{j+1}) |w|^2, and so on while the sums stay
positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from fixedrank._checks import Array
from fixedrank.landscape.pivots import covered
from fixedrank.losses.regression import LinearRegression
from fixedrank.networks.gradients import widths_of
from fixedrank.networks.layers import BALANCED, differences, largest_norm


def kept_loose_pivot(layers: Sequence[Array]) -> tuple[int, int] | None:
    """Return a pivot (i, j) that no rank-deficient critical point on this leaf tightens, if any.

    Both its blocks have at least the rank r, the smallest width, wherever the imbalances are those
    of the layers and X Y^T has full rank. An eigenvalue counts as positive above 1e-10 of the
    square of the largest layer, so that balanced layers have none.
    """
    size = largest_norm(layers)
    if size == 0:
        return None
    widths, depth = widths_of(layers), len(layers)
    first, last = widths[0], widths[-1]
    spectra = [np.linalg.eigvalsh(d) for d in differences([layer / size for layer in layers])]

    @cache
    def kept(low: int, high: int) -> int:
        """Bound the rank of W_high ... W_low from below."""
        if low > high:
            return widths[high]
        bounds = [0]
        if low > 1:
            up = [spectrum[0] for spectrum in spectra[low - 1 : high - 1]]
            bounds.append(_count(spectra[low - 2], up))
        if high < depth:
            down = [-spectrum[-1] for spectrum in reversed(spectra[low - 1 : high - 1])]
            bounds.append(_count(-spectra[high - 1], down))
        # Sylvester: rank(A B) >= rank A + rank B - the width between.
        bounds += [kept(low, c) + kept(c + 1, high) - widths[c] for c in range(low, high)]
        return max(bounds)

    for j in range(1, depth):
        for i in range(depth, j, -1):
            # By Sylvester too, as X Y^T has rank min(d_x, d_y).
            outer = kept(1, j - 1) + kept(i + 1, depth) - max(first, last)
            if min(kept(j + 1, i - 1), outer) >= min(widths):
                return i, j
    return None


def _count(spectrum: Array, steps: Sequence[float]) -> int:
    """Count the eigenvalues that stay positive, each with all partial sums of the steps."""
    return int((spectrum + np.cumsum([0.0, *steps]).min() > BALANCED).sum())


def partial_answer(problem: LinearRegression, layers: Sequence[Array]) -> tuple[bool, str]:
    """Say whether the partial answer to the conjecture covers layers, and what it promises."""
    if not covered(problem):
        fails = "X Y^T has not full rank, or singular values of Q are equal"
        return False, f"{fails}; for N >= 3 the paper conjectures a global minimum"
    promise = (
        "so that for almost all starts near this one the layers converge to a global minimum of "
        "L^N (not refereed)"
    )
    pivot = kept_loose_pivot(layers)
    if pivot:
        return True, f"the imbalances keep the pivot {pivot} loose, {promise}"
    if _tightened_next_to_best_only(layers):
        rank = len(layers[1]) - 1
        saddles = f"saddles that are not strict have rank {rank} with imbalances like these"
        return True, f"{saddles}, and attract a set of measure zero, {promise}"
    return False, "the imbalances keep no pivot from being tightened"


def _tightened_next_to_best_only(layers: Sequence[Array]) -> bool:
    """Say whether all tightened points near this leaf have rank h - 1, as theorem 2 asks for.

    That of rank rho has a D_2 of rank at most 2 rho, with three layers and equal hidden widths h.
    """
    widths, size = widths_of(layers), largest_norm(layers)
    first, h, *_ = widths
    if widths != [first, h, h, first] or h > min(first, 3) or size == 0:
        return False
    spectrum = np.linalg.eigvalsh(differences([layer / size for layer in layers])[1])
    return bool((abs(spectrum) > BALANCED).all())
