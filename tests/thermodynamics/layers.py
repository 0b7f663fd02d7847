"""Balanced layers as functions of coordinates, and the volume of those with a product, directly."""

import itertools
import math

import numpy as np


def sphere(d):
    """ln of the volume of the unit sphere in R^d."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def turns(d, k):
    """Skew d x d matrices that move the first k axes: one for each entry of a tangent vector."""
    for a in range(k):
        for i in range(a + 1, d):
            turn = np.zeros((d, d))
            turn[i, a], turn[a, i] = 1, -1
            yield turn


def layers_of(s, frames):
    """W_j = O_j diag(s^(1/N)) O_(j-1)^T, of any number type."""
    roots = np.array(s) ** (1 / (len(frames) - 1))
    return [outer * roots @ inner.T for inner, outer in itertools.pairwise(frames)]


def log_volume_by_lifts(point, widths, seed=0):
    """ln of the volume of balanced layers: a Gram determinant times the volume of the orbit.

    The hidden groups act by isometries, so that the density is the same all over the fibre. Layers
    are moved by rotations of one hidden layer, and differences of them make the Gram matrix.
    """
    (u, s, vt), rng = point, np.random.default_rng(seed)
    k = s.size
    bases = [np.linalg.qr(rng.standard_normal((d, d)))[0] for d in widths[1:-1]]
    moved, h = [], 1e-5
    for j, basis in enumerate(bases):
        for turn in turns(len(basis), k):
            ends = []
            for t in (h, -h):
                # The Cayley transform of a skew matrix is a rotation.
                identity = np.eye(len(basis))
                rotated = basis @ np.linalg.solve(identity - t / 2 * turn, identity + t / 2 * turn)
                hidden = [*bases[:j], rotated, *bases[j + 1 :]]
                layers = layers_of(s, [vt.T, *(frame[:, :k] for frame in hidden), u])
                ends.append(np.concatenate([layer.ravel() for layer in layers]))
            moved.append((ends[0] - ends[1]) / (2 * h))
    orbit = sum(sphere(d - i) for d in widths[1:-1] for i in range(k))
    if not moved:  # a few points
        return orbit
    return np.linalg.slogdet(np.array(moved) @ np.array(moved).T)[1] / 2 + orbit
