"""The step that the dynamics take where none is given: from the scale of the data and the start."""

from __future__ import annotations

import math

import numpy as np

from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tangent import project, retangentialise
from fixedrank.thermodynamics.law import Law
from fixedrank.thermodynamics.roots import Roots, lengths

# A step is this part of the shortest time scale: biases are then below a percent or so.
_PART = 0.05
# Products with the Hessian in the search for its largest eigenvalue, which need not be exact.
_PRODUCTS = 8


def default_step(law: Law, start: Roots) -> float:
    r"""Return a step, a twentieth of the shortest time scale.

    With the largest curvature h of the loss along M_k at the start, the scale of W is
    :math:`s = s_1 + \|P_T G\| / h + \sqrt{T / h}`: that of the start, the way to the minimum, and
    the width of the well at the temperature. The rates are :math:`N h s^{2 - 2/N}` of the gradient,
    :math:`(m + n) T / s^{2/N}` of the noise, and lambda of decay. Of many starts that with the
    median s_1 counts.
    """
    # Of many starts the middle one: single large ones among random points would set a tiny step.
    order = np.argsort(start.sigma[:, 0])
    middle = int(order[order.size // 2])
    curvature, slope = _curvature(law, Roots(*(part[middle] for part in start)))
    sigma = float(start.sigma[middle, 0])
    rate = law.weight_decay
    if curvature > 0:
        away = slope / curvature + math.sqrt(law.temperature) / math.sqrt(curvature)
        sigma = (sigma**law.depth + away) ** (1 / law.depth)
        # In this order numbers of any unit stay numbers.
        rate += law.depth * (curvature * sigma ** (law.depth - 1)) * sigma ** (law.depth - 1)
    rate += (law.m + law.n) * (math.sqrt(law.temperature) / sigma) ** 2
    return _PART / rate


def _curvature(law: Law, roots: Roots) -> tuple[float, float]:
    """Return the largest eigenvalue of P_T D^2 L P_T, by power iteration, and the norm of P_T G.

    Both are 0 where the loss has none.
    """
    u, sigma, v = roots
    point = FixedRankPoint(u, sigma**law.depth, v.T)
    gradient = project(point, law.problem.gradient(point))
    generator = np.random.default_rng(0)
    random = (generator.standard_normal(part.shape) for part in gradient)
    direction = retangentialise(point, tuple(random))
    value = 0.0
    for _ in range(_PRODUCTS):
        size = _norm(direction)
        direction = FixedRankTangentVector(*(part / size for part in direction))
        direction = project(point, law.problem.hessian_product(point, direction))
        value = _norm(direction)
        if not 0 < value < math.inf:
            return 0.0, 0.0
    return value, _norm(gradient)


def _norm(vector: FixedRankTangentVector) -> float:
    return float(lengths(*(part[None] for part in vector))[0])
