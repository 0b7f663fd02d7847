"""Gradient flows from several starts: how far the least singular value goes beyond its end.

A flow is the limit of small steps: what it overshoots is due to the metric, not to the steps.
"""

import numpy as np

import fixedrank
from fixedrank import FixedRankPoint

TIMES = np.r_[0.0, np.geomspace(1e-3, 1e3, 121)]
LONG = 1e5
CONDITIONS = (100, 1000)


def begin(task, which):
    """Return a start: spectral, or with other small singular values or the large parts known.

    A number is what the singular values but the first of the minimiser are multiplied by, in place
    of those of the spectral start. "large known" are the large parts of the minimiser, and for its
    last part vectors of the spectral start.
    """
    u, s, vt = task.start
    left, true, right = np.linalg.svd(task.minimiser, full_matrices=False)
    true, k = true[: task.k], task.k
    if which == "spectral":
        return task.start
    if which == "large known":
        sides = []
        for known, other in ((left[:, : k - 1], u), (right[: k - 1].T, vt.T)):
            # No part of the unknown vector: of the spectral start the last one, made orthogonal.
            last = other[:, -1] - known @ (known.T @ other[:, -1])
            sides.append(np.column_stack((known, last / np.linalg.norm(last))))
        return FixedRankPoint(sides[0], true, sides[1].T)
    return FixedRankPoint(u, np.r_[s[0], float(which) * true[1:]], vt)


STARTS = ("0.1", "1", "10", "spectral", "large known")


def overshoot(task, depth, rtol=1e-7):
    """Return the least singular value over that of the minimiser: first, largest, and last."""
    flow = fixedrank.riemannian_flow(task.loss, task.start, depth, TIMES, rtol=rtol)
    least = flow.singular_values[:, -1] / task.least
    return [float(f"{value:.4g}") for value in (least[0], least.max(), least[-1])]


def end(task, depth):
    """Return the least singular value after a long time, and the loss over that at the start."""
    times = np.r_[0.0, np.geomspace(1.0, LONG, 31)]
    flow = fixedrank.riemannian_flow(task.loss, task.start, depth, times, rtol=1e-6)
    ratios = flow.singular_values[-1, -1] / task.least, flow.loss[-1] / flow.loss[0]
    return [float(f"{value:.3g}") for value in ratios]


def curve(task, depth):
    """Return that ratio at every third time."""
    flow = fixedrank.riemannian_flow(task.loss, task.start, depth, TIMES[::3], rtol=1e-7)
    return [float(f"{value:.3g}") for value in flow.singular_values[:, -1] / task.least]
