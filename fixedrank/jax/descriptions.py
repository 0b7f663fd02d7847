"""What the docstrings of this package say of the same parameter, written once."""

DEPTHS = """
Parameters
----------
depth : float or scalar array
    The depth N >= 1. As a Python number it is static; a traced one may be differentiated and mapped
    over.

Raises
------
TypeError, ValueError
    If shapes do not fit together, or the depth is known and not a finite number >= 1.
"""

POINTS = """
Parameters
----------
point : Point or CorePoint
    The point W, with u of shape (m, k) and v of shape (n, k).
tangent, a, b : Tangent
    Tangent vectors at W, in its frames.

Raises
------
TypeError, ValueError
    If they are no point or no tangent vectors at it, or shapes do not fit together.
"""

LOSSES = """
Parameters
----------
loss : callable
    The loss, a function of JAX. With one positional parameter, ``loss(W)``, it gets the dense
    m x n matrix; with two, ``loss(L, R)``, thin factors with W = L R^T, and no m x n array is made.

Raises
------
TypeError
    If the loss is not callable, or does not have one or two positional parameters.
"""

FIELDS = """
Parameters
----------
weight_decay : float or scalar array
    The rate lambda >= 0 at which each layer decays.

Raises
------
TypeError, ValueError
    If the weight decay is negative or not finite, or shapes do not fit together.
"""
