"""What all checks say of their arguments.

Points and tangent vectors are those of any pymanopt manifold, so that their type is `Any`.
"""

from __future__ import annotations

CHECKS = """
Parameters
----------
manifold : pymanopt manifold
    Any manifold.
operator : callable
    ``operator(point, tangent_vector)`` returns the image, a tangent vector at the point.
point : point of the manifold, optional
    Where to check; by default a random point.
direction : tangent vector, optional
    The direction Z, of any length but zero; by default a random one. Needs `point`.
inner_product : callable, optional
    ``inner_product(point, a, b)``; by default the metric of the manifold. For that of the
    Frobenius norm there is :func:`frobenius_inner_product`.
rng : numpy.random.Generator, int or None
    The generator, a seed, or None for fresh entropy. The report tells the seed.
retraction : callable, optional
    ``retraction(point, tangent_vector)``; by default that of the manifold.
longest_step : float
    Length, in the metric, of the longest step; each of the others is half the one before.

Raises
------
TypeError, ValueError
    If an argument is of the wrong kind, shape or sign.
"""
