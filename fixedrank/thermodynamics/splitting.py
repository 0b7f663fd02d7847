r"""A step of Langevin dynamics in three parts: down the gradient, frames turn, radii diffuse.

All is done in the root chart R = U diag(sigma) V^T, sigma = s^(1/N), of many copies at once. No
gradient is divided by a singular value, and these are as far apart as their N-th roots only.

*Gradient.* Along W' = -A(G), with g = U^T G V, the root moves by U Z V^T + Up V^T + U Vp^T with

.. math:: Z_{ab} = -\frac{s_a + s_b}{\sigma_a + \sigma_b} \frac{g_{ab} + g_{ba}}{2}
    - \frac{s_a - s_b}{\sigma_a - \sigma_b} \frac{g_{ab} - g_{ba}}{2}

and with the columns of -(I - UU^T) G V and -(I - VV^T) G^T U times sigma_j^(N-1).

*Radii.* With frames that stand still, r = sqrt(N) sigma moves as the singular values of a
k x q matrix whose entries are independent Ornstein-Uhlenbeck processes: exactly, for any step.

*Frames.* With radii that stand still, U turns by A and V by B within their ranges, where

.. math:: A_{ab} + B_{ab} \sim \sqrt{4 T h \frac{\coth N x}{p_a - p_b}}\, \xi, \quad
    A_{ab} - B_{ab} \sim \sqrt{4 T h \frac{\tanh N x}{p_a - p_b}}\, \xi', \quad
    x = \tfrac12 \ln \frac{\sigma_a}{\sigma_b},

and columns leave these by sqrt(2 T h) xi / sigma_j. The rates are the geometric means of those
before and after the radii have moved, so that both parts together are reversible.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.thermodynamics.law import Law

# An angle that is spread so widely is uniform on the circle, to exp(-50).
_WIDE = 20.0
# Half a turn less 2e-6, up to which I - tan(angle / 2) is well enough conditioned.
_STEEP = 1e6


class Roots(NamedTuple):
    """The roots W^(1/N) of many matrices: U, sigma and V, with copies along the first axis."""

    u: Array
    sigma: Array
    v: Array

    @property
    def finite(self) -> bool:
        """Whether all singular values are numbers."""
        return math.isfinite(float(self.sigma.sum()))


class Splitting:
    """Steps of the dynamics of a law by the splitting.

    Parameters
    ----------
    law : Law
        The law.
    start : Roots
        The roots at the start, whose determinants keep their signs where k = m = n.

    Attributes
    ----------
    shortened : int
        How many steps down the gradient, of all copies, would have gone further than sigma is long.
    """

    def __init__(self, law: Law, start: Roots) -> None:
        self.law = law
        self.rows, self.columns = np.triu_indices(law.k, 1)
        self.shortened = 0
        self.signs = _orientations(start) if law.k == law.m == law.n else None

    def step(self, roots: Roots, h: float, generator: np.random.Generator) -> Roots:
        """Return the roots after a step of size h."""
        roots = self._descend(roots, h)
        sigma = self._radii(roots.sigma, h, generator)
        return self._turned(roots, sigma, h, generator)

    # Down the gradient

    def _descend(self, roots: Roots, h: float) -> Roots:
        u, sigma, v = roots
        gv, gtu = self.law.gradient(u, sigma, v)
        middle = transposed(u) @ gv
        even, odd = _root_weights(sigma, self.law.depth)
        core = (-h / 2 * even) * (middle + transposed(middle))
        core -= (h / 2 * odd) * (middle - transposed(middle))
        powers = h * sigma[:, None, :] ** (self.law.depth - 1)
        up, vp = powers * (u @ middle - gv), powers * (v @ transposed(middle) - gtu)
        diagonal = np.einsum("cii->ci", core)
        force = self.law.pair_force(sigma)
        if force is not None:
            diagonal += h * force
        # Without a bound a rare large W, where gradients grow faster than W, would go to infinity.
        longest = lengths(sigma)
        share = longest / np.maximum(lengths(core, up, vp), longest)
        self.shortened += int((share < 1).sum())
        for part in (core, up, vp):
            part *= share[:, None, None]
        diagonal += sigma
        moved = _projected(u, v, core, up, vp)
        if self.signs is not None:
            # What a step takes through a singular matrix is reflected there.
            flipped = _orientations(moved) != self.signs
            moved.u[flipped, :, -1] *= -1
        return moved

    # Radii

    def _radii(self, sigma: Array, h: float, generator: np.random.Generator) -> Array:
        """Return singular values of a k x q matrix of Ornstein-Uhlenbeck processes, over sqrt(N).

        Of the q - k further columns, which are zero before, only the triangle of their
        QR decomposition matters: normal numbers below a diagonal of chi-distributed ones.
        """
        law = self.law
        kept, spread = law.memory(h)
        count, k = sigma.shape
        noise = generator.standard_normal((count, k, k))
        free = law.further_columns
        width = min(k, free)
        beside = np.zeros((count, k, width))
        if width:
            degrees = free - np.arange(width)
            np.einsum("cii->ci", beside[:, :width])[:] = np.sqrt(
                generator.chisquare(degrees, (count, width))
            )
            below = np.tril_indices(k, -1, width)
            beside[:, below[0], below[1]] = generator.standard_normal((count, below[0].size))
        scale = spread / math.sqrt(law.depth)
        square = scale * noise
        np.einsum("cii->ci", square)[:] += kept * sigma
        both = np.concatenate((square, scale * beside), axis=2)
        return np.linalg.svd(both, compute_uv=False)

    # Frames

    def _turned(
        self, roots: Roots, sigma: Array, h: float, generator: np.random.Generator
    ) -> Roots:
        """Return frames that have turned while the radii moved, with the new ones."""
        u, before, v = roots
        unit = math.sqrt(self.law.temperature) * math.sqrt(h)
        with np.errstate(over="ignore"):
            spread = math.sqrt(2) * unit / np.sqrt(before) / np.sqrt(sigma)
        u = _spread(u, spread, generator)
        v = _spread(v, spread, generator)
        if self.rows.size:
            first, second = self._rates(before), self._rates(sigma)
            # The mean of infinity and anything is infinity: a tie before or after is one.
            with np.errstate(over="ignore"):
                both, each = (
                    np.minimum(2 * unit * np.sqrt(a) * np.sqrt(b), _WIDE)
                    for a, b in zip(first, second, strict=True)
                )
            draws = generator.standard_normal((2, *both.shape))
            both, each = both * draws[0] / 2, each * draws[1] / 2
            u = u @ self._rotation(both + each)
            v = v @ self._rotation(both - each)
        return Roots(u, sigma, v)

    def _rates(self, sigma: Array) -> tuple[Array, Array]:
        """Return sqrt(coth Nx / (p_a - p_b)) and sqrt(tanh Nx / (p_a - p_b)) of all pairs a < b."""
        larger, smaller = sigma[:, self.rows], sigma[:, self.columns]
        with np.errstate(divide="ignore", over="ignore"):
            # ln(sigma_a / sigma_b), to all digits near a tie.
            y = np.maximum(np.log1p((larger - smaller) / smaller), 1e-100)
            tangent, gap = np.tanh(self.law.depth / 2 * y), -np.expm1(-2 * y)
            return 1 / np.sqrt(tangent * gap) / larger, np.sqrt(tangent / gap) / larger

    def _rotation(self, angles: Array) -> Array:
        """Return rotations by angles in all planes: Cayley transforms.

        With the tangents of half the angles, so that a pair whose angle is large, as near a tie,
        turns by just this angle if the others are small.
        """
        count, k = len(angles), self.law.k
        tangents = np.clip(np.tan(angles / 2), -_STEEP, _STEEP)
        skew = np.zeros((count, k, k))
        skew[:, self.rows, self.columns] = tangents
        skew[:, self.columns, self.rows] = -tangents
        one = np.eye(k)
        return np.linalg.solve(one - skew, one + skew)


def _root_weights(sigma: Array, depth: float) -> tuple[Array, Array]:
    """Return (s_a + s_b) / (sigma_a + sigma_b) and (s_a - s_b) / (sigma_a - sigma_b)."""
    first, second = sigma[:, :, None], sigma[:, None, :]
    larger, smaller = np.maximum(first, second), np.minimum(first, second)
    with np.errstate(divide="ignore", over="ignore"):
        y = -np.maximum(np.log1p((larger - smaller) / smaller), 1e-100)
    unit = larger ** (depth - 1)
    even = unit * (1 + np.exp(depth * y)) / (1 + np.exp(y))
    return even, unit * (np.expm1(depth * y) / np.expm1(y))


def _projected(u: Array, v: Array, core: Array, up: Array, vp: Array) -> Roots:
    """Return U core V^T + Up V^T + U Vp^T in the spaces that it maps V and its transpose U to.

    It agrees with the nearest matrix of rank k to the second order in Up and Vp.
    """
    left, on_left = np.linalg.qr(u @ core + up)
    right, on_right = np.linalg.qr(v @ transposed(core) + vp)
    from_u, from_v = transposed(left) @ u, transposed(v) @ right
    middle = on_left @ from_v + from_u @ (transposed(on_right) - core @ from_v)
    first, sigma, second = np.linalg.svd(middle)
    return Roots(left @ first, sigma, right @ transposed(second))


def _spread(frame: Array, spread: Array, generator: np.random.Generator) -> Array:
    """Return frames whose columns have left their range, by so much each."""
    if frame.shape[1] > frame.shape[2]:
        away = generator.standard_normal(frame.shape)
        away -= frame @ (transposed(frame) @ away)
        frame = frame + spread[:, None, :] * away
    # Column after column, the least noisy first; and what rounding has moved is put right.
    frame, triangle = np.linalg.qr(frame)
    return frame * np.copysign(1.0, np.einsum("cii->ci", triangle))[:, None, :]


def lengths(*parts: Array) -> Array:
    """Return the lengths of vectors in parts, of numbers of any size, of each copy."""
    rows = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
    largest = np.abs(rows).max(1)
    unit = np.where(largest > 0, largest, 1.0)
    return np.asarray(unit * np.linalg.norm(rows / unit[:, None], axis=1))


def _orientations(roots: Roots) -> Array:
    """Return the signs of the determinants of square matrices of full rank."""
    return np.sign(np.linalg.det(roots.u)) * np.sign(np.linalg.det(roots.v))


def as_roots(points: FixedRankPoint, depth: float) -> Roots:
    """Return the roots of points, with descending singular values."""
    order = np.argsort(-points.s, axis=1, kind="stable")
    u = np.take_along_axis(points.u, order[:, None, :], 2)
    vt = np.take_along_axis(points.vt, order[:, :, None], 1)
    s = np.take_along_axis(points.s, order, 1)
    return Roots(u, s ** (1 / depth), np.ascontiguousarray(transposed(vt)))


def as_points(roots: Roots, depth: float) -> FixedRankPoint:
    """Return the matrices of some roots."""
    return FixedRankPoint(roots.u, roots.sigma**depth, np.ascontiguousarray(transposed(roots.v)))
