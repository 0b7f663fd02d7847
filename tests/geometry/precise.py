"""Geodesics between matrices of rank one, with many digits."""

from types import SimpleNamespace

import mpmath
from mpmath import mpf


def polar(sizes, turns, depth):
    """What joins s_A e_1 e_1^T and the matrix s_B u v^T, with u and v turned by two angles.

    The points r_A and r_B e^(i theta) of the plane, theta = sqrt(turn_u^2 + turn_v^2) / sqrt(N) and
    r = sqrt(N) s^(1/N).
    """
    depth = mpf(depth)
    a, b = (mpf(size) for size in sizes)
    p, q = (mpf(float(turn)) for turn in turns)
    angle = mpmath.sqrt(p**2 + q**2) / mpmath.sqrt(depth)
    start, end = (mpmath.sqrt(depth) * s ** (1 / depth) for s in (a, b))
    there = end * mpmath.expjpi(angle / mpmath.pi)
    velocity = there - start
    # r' = sqrt(N) (1/N) s^(1/N - 1) s' and r theta' = r |u'| / sqrt(N), Up = s u'.
    core = velocity.real / start * depth * a
    across = velocity.imag / start * a / angle if angle else mpf(0)
    middle = (abs(start + there) / 2 / mpmath.sqrt(depth)) ** depth
    up, vp = across * p, across * q
    return SimpleNamespace(
        distance=abs(velocity),
        core=core,
        up=up,
        vp=vp,
        size=mpmath.norm([core, up, vp]),
        middle=middle,
    )
