r"""
Property testing of your own operators
======================================

**You learn** to have the point found at which an operator of yours breaks a law, before
your users find it.

**You need** tangent vectors, as in the
:ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`; to run it, matplotlib and
hypothesis.

An operator on tangent vectors, a preconditioner say, has to obey laws: it is linear,
self-adjoint and positive definite. ``fixedrank.testing`` has checks of such laws, each
with a report of what it measured, and strategies for `Hypothesis
<https://hypothesis.readthedocs.io>`_ that look for the manifold and the point where
they break: all shapes, ranks and depths, singular values that are distinct, tied, or
almost tied. Here they are set on two operators that look right on paper.

The textbook quotient
---------------------

In the frame of the singular value decomposition, the operator :math:`\mathcal{A}_{W,N}`
multiplies the entries of M by :math:`c_{ij} = \sum_{l<N} p_i^{N-1-l} p_j^l` with
:math:`p_i = \sigma_i^{2/N}`, and the columns of Up and Vp by :math:`\sigma_j^{2-2/N}`.
The sum is a geometric one, so why not use that?
"""

import textwrap
from decimal import Decimal, localcontext

import matplotlib.pyplot as plt
import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

import fixedrank
from fixedrank.testing import (
    CheckFailedError,
    check_positive_definite,
    check_self_adjoint,
    frobenius_inner_product,
    manifolds,
    points,
)


def quotient(s, depth):
    """Return c_ij as (s_i^2 - s_j^2) / (p_i - p_j), and its limit on the diagonal."""
    p = s ** (2 / depth)
    with np.errstate(all="ignore"):
        c = np.subtract.outer(s**2, s**2) / np.subtract.outer(p, p)
    np.fill_diagonal(c, depth * p ** (depth - 1))
    return c


def by_quotient(manifold, weights=quotient):
    """Return A_{W,N} as a function of a point and a tangent vector."""

    def operator(point, Z):
        normal = point.s ** (2 - 2 / manifold.depth)
        return fixedrank.FixedRankTangentVector(
            Z.Up * normal, Z.M * weights(point.s, manifold.depth), Z.Vp * normal
        )

    return operator


# %%
# At a random point all is well. The check also finds the smallest eigenvalue.

manifold = fixedrank.FixedRank(6, 5, 3, depth=3)
point = manifold.random_point(rng=0)
print(check_self_adjoint(manifold, by_quotient(manifold), point=point, rng=1))
print(check_positive_definite(manifold, by_quotient(manifold), point=point, rng=1))

# %%
# Now for all manifolds and points, within reason: without ``low`` and ``high``,
# singular values range from 1e-12 to 1e6. In your own tests the decorator ``settings``
# is not needed; here it makes the search the same in every build of this page.

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=20)
some_manifolds = manifolds(max_size=4, depths=[2, 3, 10])


@repeatable
@given(data=st.data(), manifold=some_manifolds)
def test_positive_definite(data, manifold):
    point = data.draw(points(manifold, low=1e-3, high=1e3), label="point")
    note(f"singular values {point.s.tolist()}")
    check_positive_definite(manifold, by_quotient(manifold), point=point, rng=0)


def search(test):
    """Run a property test, and print what it finds."""
    try:
        test()
    except AssertionError as error:
        print(error)
        for line in error.__notes__:
            if "manifold=" in line or "singular values" in line:
                print(textwrap.indent(line, "  "))
    else:
        print(f"{test.__name__}: nothing found")


search(test_positive_definite)

# %%
# Where two singular values tie, the quotient is 0/0. Hypothesis has reduced the failing
# example to the smallest one. The limit is known, so put it in wherever the denominator
# vanishes:


def patched(s, depth):
    """Return the quotient, and its limit where singular values tie."""
    p = s ** (2 / depth)
    tied = np.subtract.outer(p, p) == 0
    limit = depth * np.broadcast_to(p, tied.shape) ** (depth - 1)
    return np.where(tied, limit, quotient(s, depth))


@repeatable
@given(data=st.data(), manifold=some_manifolds)
def test_patched(data, manifold):
    point = data.draw(points(manifold, low=1e-3, high=1e3), label="point")
    note(f"singular values {point.s.tolist()}")
    operator = by_quotient(manifold, patched)
    check_self_adjoint(manifold, operator, point=point, rng=0)
    check_positive_definite(manifold, operator, point=point, rng=0)


search(test_patched)

# %%
# It is self-adjoint and positive definite now, everywhere. Is it
# :math:`\mathcal{A}_{W,N}`? That is another law: by equation (8) the metric is made of
# its inverse, so that :math:`g_W(\mathcal{A}_{W,N}(Z), Y) = \langle Z, Y \rangle_F`.


@settings(repeatable, max_examples=500)
@given(data=st.data(), manifold=some_manifolds)
def test_inverse_of_the_metric(data, manifold):
    point = data.draw(points(manifold, low=1e-3, high=1e3), label="point")
    note(f"singular values {point.s.tolist()}")
    operator = by_quotient(manifold, patched)
    for seed in range(3):
        Z, Y = (manifold.random_tangent_vector(point, rng=[seed, i]) for i in range(2))
        value = manifold.inner_product(point, operator(point, Z), Y)
        expected = frobenius_inner_product(point, Z, Y)
        size = np.sqrt(
            frobenius_inner_product(point, Z, Z) * frobenius_inner_product(point, Y, Y)
        )
        error = abs(value - expected) / size
        assert error < 1e-9, f"g(A(Z), Y) is off by {error:.1e}"


search(test_inverse_of_the_metric)

# %%
# Near a tie both differences cancel. Of the 16 digits as many are lost as the two
# singular values have in common; the exact weight, for comparison, is computed with 60
# digits.


def exact(first, second, depth):
    """Return c_12 with many digits."""
    with localcontext() as context:
        context.prec = 60
        a, b = Decimal(first), Decimal(second)
        power = Decimal(2) / depth
        return (a * a - b * b) / (a**power - b**power)


def relative_error(value, first, second, depth):
    """Return the relative error of a c_12, at least 1e-17 to be seen in the picture."""
    reference = exact(first, second, depth)
    return max(float(abs(Decimal(float(value)) / reference - 1)), 1e-17)


depth = 3
gaps = np.geomspace(3e-16, 1, 400)
errors = {"quotient": [], "sum of positive terms": []}
unit = (np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros((2, 2)))
for gap in gaps:
    s = np.array([1.7 * (1 + gap), 1.7])
    operator = fixedrank.DepthOperator((np.eye(2), s, np.eye(2)), depth)
    for name, weight in (
        ("quotient", patched(s, depth)[0, 1]),
        ("sum of positive terms", operator.apply(unit).M[0, 1]),
    ):
        errors[name].append(relative_error(weight, *s, depth))

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (name, values), color, marker in zip(
    errors.items(), ("#d1495b", "#0b3c5d"), ("o", "s"), strict=True
):
    label = {
        "quotient": r"$(\sigma_1^2 - \sigma_2^2) / (p_1 - p_2)$",
        "sum of positive terms": r"$\sum_{l<N} p_1^{N-1-l} p_2^l$, as in fixedrank",
    }[name]
    axes.loglog(gaps, values, marker, color=color, ms=3, alpha=0.7, label=label)
axes.loglog(
    gaps,
    np.finfo(float).eps / gaps,
    "k--",
    lw=1,
    label=r"$2^{-52} \sigma_2 / (\sigma_1 - \sigma_2)$",
)
axes.set(
    xlabel=r"relative gap $(\sigma_1 - \sigma_2) / \sigma_2$",
    ylabel=r"relative error of $c_{12}$",
    title=f"depth $N = {depth}$",
    ylim=(5e-18, 5),
)
axes.legend(frameon=False)
figure.suptitle("Near a tie the quotient loses digits, the sum of positive terms none")
plt.show()

# %%
# ``DepthOperator`` adds up positive terms, and loses nothing.
#
# A preconditioner
# ----------------
#
# Trust regions take a preconditioner that approximates the inverse of the Hessian. For
# linear regression, with :math:`C = XX^T`, the Hessian is
# :math:`Z \mapsto \mathcal{A}_{W,N}(P_T(Z C))`, and terms that vanish with the gradient
# of the loss; :math:`P_T` is the projection to the tangent space. To invert it, undo
# :math:`\mathcal{A}_{W,N}` and multiply by :math:`C^{-1}`. In which order?

rng = np.random.default_rng(0)
manifold = fixedrank.FixedRank(4, 3, 2, depth=2)
C = np.cov(rng.standard_normal((3, 50)) * np.array([[1], [2], [3]]))


def undo_C(point, Z):
    return manifold.projection(
        point, np.linalg.solve(C, manifold.tangent_to_matrix(point, Z).T).T
    )


def undo_A(point, Z):
    return manifold.operator(point).solve(Z)


def first_C(point, Z):
    return undo_A(point, undo_C(point, Z))


def first_A(point, Z):
    return undo_C(point, undo_A(point, Z))


point = manifold.random_point(rng=0)
for preconditioner in (first_C, first_A):
    try:
        check_self_adjoint(manifold, preconditioner, point=point, rng=1)
    except CheckFailedError as error:
        print(f"{preconditioner.__name__}: {error}")
    else:
        print(f"{preconditioner.__name__}: all is well at this point")

# %%
# No need to search for the mistake in the first of them. The second one passes
# everywhere.


@repeatable
@given(point=points(manifold, low=1e-2, high=1e2))
def test_first_A(point):
    note(f"singular values {point.s.tolist()}")
    check_self_adjoint(manifold, first_A, point=point, rng=0)
    check_positive_definite(manifold, first_A, point=point, rng=0)


search(test_first_A)

# %%
# With :math:`\mathcal{A}_{W,N}` undone first,
#
# .. math:: g_W(P_T(\mathcal{A}^{-1}(Z)\, C^{-1}), Y)
#     = \langle \mathcal{A}^{-1}(Z)\, C^{-1}, \mathcal{A}^{-1}(Y) \rangle_F
#
# is symmetric in Z and Y. In the other order it is not, and a solver that trusts in it
# may go astray without a word.
#
# Costs, gradients and Hessians are checked in the same way, by
# :func:`fixedrank.testing.check_gradient` and :func:`fixedrank.testing.check_hessian`,
# retractions and connections of your own manifolds by
# :func:`fixedrank.testing.check_retraction` and
# :func:`fixedrank.testing.check_connection`, what follows from a connection by
# :func:`fixedrank.testing.check_parallel_transport` and
# :func:`fixedrank.testing.check_curvature`.
