r"""A step of Langevin dynamics in three parts: down the gradient, frames turn, radii diffuse.

All is done in the root chart R = U diag(sigma) V^T, sigma = s^(1/N), of many copies at once. No
gradient is divided by a singular value, and these are as far apart as their N-th roots only.

*Gradient.* Along W' = -A(G), with g = U^T G V, the root moves by U Z V^T + Up V^T + U Vp^T with

.. math:: Z_{ab} = -\frac{s_a + s_b}{\sigma_a + \sigma_b} \frac{g_{ab} + g_{ba}}{2}
    - \frac{s_a - s_b}{\sigma_a - \sigma_b} \frac{g_{ab} - g_{ba}}{2}

and with the columns of -(I - UU^T) G V and -(I - VV^T) G^T U times sigma_j^(N-1).

*Radii.* With r = sqrt(N) sigma, the singular values of a k x q matrix whose entries are independent
Ornstein-Uhlenbeck processes move as r does: exactly, for any step. First its square part,

    a diag(r) + noise = P diag(r') Q^T,

then the q - k columns beside it, [diag(r') noise] = P' diag(r'') (...)^T. Near a tie frames turn as
fast as r_a^2 - r_b^2 is small, and it is these decompositions that turn them: U by P P', V by Q P'.

*Frames.* They turn faster than P and Q by A and B, whose rates are bounded at ties: with the step
h and x = ln(sigma_a / sigma_b) / 2 they are skew matrices of Gaussian numbers,

.. math:: A_{ab} + B_{ab} \sim \sqrt{4 T h \frac{\coth N x - \coth(x) / N}{p_a - p_b}}\, \xi, \quad
    A_{ab} - B_{ab} \sim \sqrt{4 T h \frac{\tanh N x - \tanh(x) / N}{p_a - p_b}}\, \xi' .

Their columns leave their ranges by sqrt(2 T h) xi / sigma_j, by angles whose cosines have the mean
of Brownian motion on the sphere. Rates are geometric means of those before and after the radii have
moved.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.stacks import transposed
from fixedrank.thermodynamics.law import Law
from fixedrank.thermodynamics.roots import Roots, lengths, orientations, projected, root_weights
from fixedrank.thermodynamics.sphere import spread_out

# Up to this N x rates are what they are at a tie, to 1e-8; beyond, differences are as exact.
_TIE = 1e-4


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
    shortened : ndarray, shape (copies,)
        How many steps down the gradient of each copy would have gone further than sigma is long.
    """

    def __init__(self, law: Law, start: Roots) -> None:
        self.law = law
        self.rows, self.columns = np.triu_indices(law.k, 1)
        self.shortened = np.zeros(len(start.sigma), dtype=np.int64)
        self.signs = orientations(start) if law.k == law.m == law.n else None

    def step(self, roots: Roots, h: float, generator: np.random.Generator) -> Roots:
        """Return the roots after a step of size h."""
        u, before, v = self._descend(roots, h)
        turn_u, middle, turn_v = self._square(before, h, generator)
        sigma, turn = self._beside(middle, h, generator)
        unit = math.sqrt(self.law.temperature) * math.sqrt(h)
        with np.errstate(over="ignore"):
            spread = math.sqrt(2) * unit / np.sqrt(before) / np.sqrt(sigma)
        if self.rows.size:
            faster_u, faster_v = self._faster(before, sigma, unit, generator)
            turn_u, turn_v = turn_u @ faster_u @ turn, turn_v @ faster_v @ turn
        u = spread_out(u, spread, generator) @ turn_u
        v = spread_out(v, spread, generator) @ turn_v
        return Roots(u, sigma, v)

    # Down the gradient

    def _descend(self, roots: Roots, h: float) -> Roots:
        u, sigma, v = roots
        gv, gtu = self.law.gradient(u, sigma, v)
        middle = transposed(u) @ gv
        even, odd = root_weights(sigma, self.law.depth)
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
        self.shortened = self.shortened + (share < 1)
        for part in (core, up, vp):
            part *= share[:, None, None]
        diagonal += sigma
        moved = projected(u, v, core, up, vp)
        if self.signs is not None:
            # What a step takes through a singular matrix is reflected there.
            flipped = orientations(moved) != self.signs
            moved.u[flipped, :, -1] *= -1
        return moved

    # Radii, and frames

    def _square(
        self, sigma: Array, h: float, generator: np.random.Generator
    ) -> tuple[Array, Array, Array]:
        """Return the decomposition P, sigma', Q of the square part."""
        kept, scale = self._memory(h)
        square = scale * generator.standard_normal((*sigma.shape, sigma.shape[1]))
        np.einsum("cii->ci", square)[:] += kept * sigma
        left, sigma, right = np.linalg.svd(square)
        if self.signs is not None:
            crossed = np.sign(np.linalg.det(left)) * np.sign(np.linalg.det(right)) < 0
            left[crossed, :, -1] *= -1
        return left, sigma, transposed(right)

    def _beside(
        self, sigma: Array, h: float, generator: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return the singular values, and the left vectors, with the columns beside the square.

        Of these only the triangle of their QR decomposition matters: normal numbers below a
        diagonal of chi-distributed ones.
        """
        count, k = sigma.shape
        degrees = self.law.further_columns - np.arange(k)
        degrees = degrees[degrees > 0]
        if not degrees.size:
            return sigma, np.broadcast_to(np.eye(k), (count, k, k))
        beside = np.tril(generator.standard_normal((count, k, degrees.size)), -1)
        chosen = np.arange(degrees.size)
        beside[:, chosen, chosen] = np.sqrt(generator.chisquare(degrees, (count, degrees.size)))
        both = np.zeros((count, k, k + degrees.size))
        both[:, :, k:] = self._memory(h)[1] * beside
        np.einsum("cii->ci", both[:, :, :k])[:] = sigma
        left, sigma, _ = np.linalg.svd(both, full_matrices=False)
        return sigma, left

    def _memory(self, h: float) -> tuple[float, float]:
        """Return a, and the deviation of the noise of sigma."""
        kept, deviation = self.law.memory(h)
        return kept, deviation / math.sqrt(self.law.depth)

    def _faster(
        self, before: Array, after: Array, unit: float, generator: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return by what U and V turn beyond P and Q."""
        both, each = (
            unit * np.sqrt(a) * np.sqrt(b) * generator.standard_normal(a.shape)
            for a, b in zip(self._rates(before), self._rates(after), strict=True)
        )
        return self._rotation(both + each), self._rotation(both - each)

    def _rates(self, sigma: Array) -> tuple[Array, Array]:
        """Return the deviations of (A + B)/2 and (A - B)/2 over sqrt(T h), of all pairs a < b."""
        depth = self.law.depth
        larger, smaller = sigma[:, self.rows], sigma[:, self.columns]
        with np.errstate(divide="ignore", over="ignore"):
            # ln(sigma_a / sigma_b) / 2, to all digits near a tie.
            x = np.log1p((larger - smaller) / smaller) / 2
        far = np.maximum(x, _TIE / depth)
        gap = -np.expm1(-4 * far)
        both = (1 / np.tanh(depth * far) - 1 / (depth * np.tanh(far))) / gap
        each = (np.tanh(depth * far) - np.tanh(far) / depth) / gap
        return np.sqrt(np.maximum(both, 0)) / larger, np.sqrt(np.maximum(each, 0)) / larger

    def _rotation(self, angles: Array) -> Array:
        """Return rotations by small angles in all planes, as Cayley transforms."""
        count, k = len(angles), self.law.k
        skew = np.zeros((count, k, k))
        skew[:, self.rows, self.columns] = angles / 2
        skew[:, self.columns, self.rows] = angles / -2
        one = np.eye(k)
        return np.linalg.solve(one - skew, one + skew)
