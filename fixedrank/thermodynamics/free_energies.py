"""The free energy of a matrix under isotropic noise on its layers: L - T S."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fixedrank._aliases import LossLike, PointLike
from fixedrank._checks import positive_number
from fixedrank._shared_docs import LAYERS, describe
from fixedrank._shown import number, some
from fixedrank.flows.many.starts import flattened_points
from fixedrank.losses import as_loss
from fixedrank.losses.loss import Loss, LossSum
from fixedrank.losses.schatten import _Zero
from fixedrank.thermodynamics.fibre_entropy import FibreEntropy, log_fibre_volume

_FREE_ENERGIES = """
Parameters
----------
problem : Loss, or object with methods loss(W) and gradient(W)
    The loss L.
widths : sequence of int
    The widths [d_0, ..., d_N] of N layers, with d_0 = n and d_N = m.
temperature : float
    T > 0, in the unit of the loss.
"""


class FreeEnergy(LossSum):
    r"""The free energy L - T S of a matrix, with the entropy S of :func:`log_fibre_volume`.

    Balanced layers under gradient descent with isotropic noise of the temperature T have the law
    exp(-L/T) on the balanced manifold, and their product W the law exp(-(L - T S)/T) dvol_g on
    M_k. Beside weight decay the entropy keeps singular values from zero. It goes wherever a problem
    does.

    Attributes
    ----------
    terms : tuple of (float, Loss)
        The problem, and T times the :class:`FibreEntropy`.
    temperature : float
        The temperature T.
    widths : tuple of int
        The widths.

    Raises
    ------
    TypeError, ValueError
        If the problem is none or is about matrices of another shape, widths are not at least two
        positive integers, or the temperature is no positive number.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> decay = fixedrank.SchattenDecay(1.0, 2)
    >>> energy = fixedrank.FreeEnergy(decay, [3, 4, 3], temperature=0.1)
    >>> start = fixedrank.FixedRank(3, 3, 1, depth=2).point(np.eye(3, 1) @ np.eye(1, 3))
    >>> flow = fixedrank.riemannian_flow(energy, start, 2, [0, 50])
    >>> flow.singular_values[-1].round(6)  # s = T (d_1 - k) / (2 lambda)
    array([0.15])
    """

    def __init__(self, problem: LossLike, widths: Sequence[int], temperature: float) -> None:
        self.temperature = positive_number("temperature", temperature)
        entropy = FibreEntropy(widths)
        self.widths = entropy.widths
        total = as_loss(problem) + self.temperature * entropy
        super().__init__(*total.terms)  # type: ignore[attr-defined]

    def _shown_title(self) -> str:
        sizes = f"{self.widths[-1]}x{self.widths[0]}"
        return f"{self._name}: L - T S of {sizes} matrices, N = {len(self.widths) - 1} layers"

    def _shown_facts(self) -> dict[str, str]:
        facts = {
            "widths": some([str(width) for width in self.widths]),
            "temperature": number(self.temperature),
        }
        return {**super()._shown_facts(), **facts}


describe(FreeEnergy, _FREE_ENERGIES)


def free_energy(
    problem: LossLike, point: PointLike, widths: Sequence[int], temperature: float
) -> Any:
    """Return the free energy L - T S of a matrix W.

    Parameters
    ----------
    point : FixedRankPoint or tuple (u, s, vt)
        The point W; or many, with axes in front, as of :func:`log_fibre_volume`.

    Returns
    -------
    float, or ndarray of shape (...)
        The loss less T times the entropy of :func:`log_fibre_volume`.

    Raises
    ------
    TypeError, ValueError
        If the problem is none, the point is not one or disagrees with the problem or the widths,
        or the temperature is no positive number.

    Examples
    --------
    >>> import math, numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
    >>> point = fixedrank.FixedRank(1, 1, 1, depth=2).point([[1.0]])
    >>> energy = fixedrank.free_energy(problem, point, [1, 2, 1], 0.5)  # a circle: S = ln 2^1.5 pi
    >>> round(energy + 0.5 * math.log(2**1.5 * math.pi), 12)
    0.0
    """
    loss = as_loss(problem)
    FreeEnergy(loss, widths, temperature)  # checks that all fits together
    points, axes = flattened_points(point)
    entropies = log_fibre_volume(points, widths)
    values = loss._losses(points) - temperature * entropies
    return values.reshape(axes) if axes else float(values[0])


describe(free_energy, _FREE_ENERGIES, LAYERS)


def split_entropy(
    problem: Loss, depth: float, temperature: float
) -> tuple[Loss, tuple[int, ...] | None]:
    """Return a loss without T times the entropy of layers of this depth, and their widths or None.

    Steps of dynamics that know the entropy are longer: its curvature grows towards zero.
    """
    terms = problem.terms if isinstance(problem, LossSum) else ((1.0, problem),)
    for index, (factor, loss) in enumerate(terms):
        if isinstance(loss, FibreEntropy) and loss.depth == depth and factor == temperature:
            rest = terms[:index] + terms[index + 1 :]
            if len(rest) == 1 and rest[0][0] == 1:
                return rest[0][1], loss.widths
            return LossSum(*rest) if rest else _Zero(), loss.widths
    return problem, None
