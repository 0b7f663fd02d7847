"""Brownian motion of balanced layers: its product has the drift of W and that of the entropy."""

import mpmath
import numpy as np
import pytest

from fixedrank import FibreEntropy, FixedRank, FixedRankPoint
from tests.thermodynamics.layers import layers_of, turns

# Second differences of what is known to 50 digits, with steps of 1e-12.
DIGITS, STEP = 50, 12


def exact(array):
    return np.array([mpmath.mpf(float(x)) for x in np.ravel(array)]).reshape(np.shape(array))


def inverse(matrix):
    return np.array((mpmath.matrix(matrix.tolist()) ** -1).tolist()).reshape(matrix.shape)


def determinant(matrix):
    return mpmath.det(mpmath.matrix(matrix.tolist()))


class BalancedManifold:
    """Coordinates of balanced layers near given ones: roots, and rotations of all frames."""

    def __init__(self, s, widths):
        self.s, self.k = exact(s), len(s)
        self.turns = [[exact(turn) for turn in turns(d, self.k)] for d in widths]
        self.dim = self.k + sum(map(len, self.turns))

    def layers(self, x):
        roots, *angles = np.split(
            x, np.cumsum([self.k, *(len(turns) for turns in self.turns[:-1])])
        )
        frames = []
        for coordinates, generators in zip(angles, self.turns, strict=True):
            # In R^1 nothing turns.
            zero = exact(np.zeros((1, 1)))
            skew = sum((c * turn for c, turn in zip(coordinates, generators, strict=True)), zero)
            identity = exact(np.eye(len(skew)))
            rotation = inverse(identity - skew / 2) @ (identity + skew / 2)
            frames.append(rotation[:, : self.k])
        power = mpmath.mpf(1) / (len(frames) - 1)
        s = (self.s**power + roots) ** (1 / power)
        return layers_of(s, frames)

    def metric(self, x, h):
        """The Gram matrix of the derivatives of all entries of the layers."""
        rows = []
        for unit in exact(np.eye(self.dim)) * h:
            ends = [
                np.concatenate([layer.ravel() for layer in self.layers(y)])
                for y in (x + unit, x - unit)
            ]
            rows.append((ends[0] - ends[1]) / (2 * h))
        return np.array(rows) @ np.array(rows).T

    def laplacian(self, function):
        """det^(-1/2) d_i (det^(1/2) g^ij d_j f) at the base point."""
        h, zero = mpmath.mpf(10) ** -STEP, exact(np.zeros(self.dim))
        units = exact(np.eye(self.dim)) * h

        def flux(x, i):
            metric = self.metric(x, h)
            slopes = [(function(x + unit) - function(x - unit)) / (2 * h) for unit in units]
            return mpmath.sqrt(determinant(metric)) * np.tensordot(
                inverse(metric)[i], np.array(slopes), (0, 0)
            )

        total = sum((flux(unit, i) - flux(-unit, i)) / (2 * h) for i, unit in enumerate(units))
        return total / mpmath.sqrt(determinant(self.metric(zero, h)))


@pytest.mark.parametrize(
    ("s", "widths"),
    [
        ((2.0,), [1, 2, 1]),
        ((2.0,), [2, 1, 1]),
        ((0.7,), [1, 2, 3, 1]),
        ((2.0, 1.0), [2, 3, 2]),
        ((1.0, 0.3), [2, 2, 2, 2]),
    ],
)
def test_laplacian_of_the_product(s, widths):
    """Lap_M W = Lap_g W + grad S: isotropic noise on balanced layers adds the entropy's drift."""
    k, depth, m, n = len(s), len(widths) - 1, widths[-1], widths[0]
    with mpmath.workdps(DIGITS):
        above = BalancedManifold(s, widths)

        def matrix(x):
            layers = above.layers(x)
            W = layers[0]
            for layer in layers[1:]:
                W = layer @ W
            return W

        found = above.laplacian(matrix).astype(float)
    manifold = FixedRank(m, n, k, depth=depth)
    point = FixedRankPoint(np.eye(m, k), np.array(s), np.eye(k, n))
    ascent = -FibreEntropy(widths).riemannian_gradient(point, manifold.metric)
    drift = manifold.brownian_drift(point, 1.0) + ascent
    expected = manifold.tangent_to_matrix(point, drift)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
