"""The inverse of P(y) = prod_j (y + offset_j) in many digits."""

from itertools import accumulate

import mpmath
from mpmath import mpf


def offsets(imbalance):
    """mu_j - min mu."""
    mu = list(accumulate((mpf(float(value)) for value in imbalance), initial=mpf(0)))
    return [value - min(mu) for value in mu]


def inverse_of_product(imbalance):
    """The function x -> y with P(y) = x and y > 0, which has one value only."""
    of_layers, known = offsets(imbalance), {}

    def solved(x):
        y, digits = x ** (mpf(1) / len(of_layers)), mpf(10) ** (10 - mpmath.mp.dps)
        for _ in range(200):
            factors = [y + value for value in of_layers]
            quotient = mpmath.fprod(factors) / x
            if abs(quotient - 1) < digits:
                break
            y *= mpmath.exp(-mpmath.log(quotient) / mpmath.fsum(y / factor for factor in factors))
        assert y > 0
        assert abs(quotient - 1) < digits
        return y

    def inverse(x):
        if x not in known:
            known[x] = solved(x)
        return known[x]

    return inverse
