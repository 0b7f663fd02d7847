"""Check that an operator on tangent spaces is linear and self-adjoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.costs import require_positive
from fixedrank.testing.drawing import Draw
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import (
    InnerProduct,
    TangentSpace,
    frobenius_inner_product,
    judge_tangent,
)

Operator = Callable[[Any, Any], Any]
Apply = Callable[[Any], Any]


def check_self_adjoint(
    manifold: Manifold,
    operator: Operator,
    *,
    point: Any = None,
    inner_product: InnerProduct | None = None,
    trials: int = 10,
    rng: Seed = None,
    rtol: float = 1e-10,
) -> CheckReport:
    r"""Check that an operator on tangent vectors is linear and self-adjoint.

    For random pairs of tangent vectors a, b, :math:`\langle A(a), b \rangle = \langle a, A(b)
    \rangle`, and A maps linear combinations of them to those of the images. Images are tangent.

    Parameters
    ----------
    trials : int
        How many pairs of vectors to draw.
    rtol : float
        Largest asymmetry, relative to the lengths of A(a) times b and of a times A(b), and
        largest defect of linearity and tangency.

    Returns
    -------
    CheckReport
        The largest defects that were found.

    Raises
    ------
    CheckFailedError
        If the operator is not what it should be.

    Examples
    --------
    The operator A_{W,N} is self-adjoint for the metric, adding up the columns of M is not.

    >>> import fixedrank
    >>> from fixedrank.testing import CheckFailedError, check_self_adjoint
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
    >>> check_self_adjoint(manifold, lambda point, Z: manifold.operator(point).apply(Z)).passed
    True
    >>> def added_up(point, Z):
    ...     return Z._replace(M=Z.M.cumsum(axis=1))
    >>> try:
    ...     check_self_adjoint(manifold, added_up)
    ... except CheckFailedError:
    ...     print("caught")
    caught
    """
    record, draw, space, apply = begin_operator(
        "check_self_adjoint", manifold, operator, point, inner_product, rng
    )
    positive_integer("trials", trials)
    require_positive(rtol=rtol)
    pairs = [(draw.vector(space), draw.vector(space)) for _ in range(trials)]
    judge_tangent(record, space, "A(Z)", apply(pairs[0][0]), rtol)
    judge_linear(record, space, "A", apply, pairs, rtol)
    judge_self_adjoint(record, space, "A", apply, pairs, rtol)
    return record.finish()


describe(check_self_adjoint, CHECKS)


def begin_operator(
    check: str,
    manifold: Manifold,
    operator: Operator,
    point: Any,
    inner_product: InnerProduct | None,
    rng: Seed,
) -> tuple[Record, Draw, TangentSpace, Apply]:
    """Check the arguments that all checks of an operator share."""
    draw = Draw(manifold, rng)
    product = manifold.inner_product if inner_product is None else inner_product
    for name, function in (("operator", operator), ("inner_product", product)):
        if not callable(function):
            raise TypeError(f"{name} must be callable, got {type(function).__name__}")
    record = Record(check, str(manifold), draw.seed)
    space = TangentSpace(manifold, draw.point(point), product)

    def apply(vector: Any) -> Any:
        return space.returned(record, "A(Z)", operator(space.point, vector))

    return record, draw, space, apply


def judge_linear(
    record: Record,
    space: TangentSpace,
    name: str,
    apply: Apply,
    pairs: Sequence[tuple[Any, Any]],
    rtol: float,
) -> None:
    """Record the largest defect |A(2 a - 3 b) - 2 A(a) + 3 A(b)|, relative to its terms."""
    worst = 0.0
    for a, b in pairs:
        image_a, image_b = apply(a), apply(b)
        image = apply(space.combine([2, -3], [a, b]))
        defect = space.combine([1, -2, 3], [image, image_a, image_b])
        size = space.norm(image) + 2 * space.norm(image_a) + 3 * space.norm(image_b)
        worst = max(worst, space.norm(defect) / size if size else 0.0)
    record.add(f"defect of linearity of {name}", worst, "<=", rtol, hint=f"{name} is not linear")


def judge_self_adjoint(
    record: Record,
    space: TangentSpace,
    name: str,
    apply: Apply,
    pairs: Sequence[tuple[Any, Any]],
    rtol: float,
) -> None:
    """Record the largest asymmetry, relative to |A(a)| |b| + |a| |A(b)|."""
    images = [(a, b, apply(a), apply(b)) for a, b in pairs]
    worst = max(_asymmetry(space, *image) for image in images)
    hint = ""
    if worst > rtol:
        hint = f"{name} is not self-adjoint in this inner product"
        frobenius = TangentSpace(space.manifold, space.point, frobenius_inner_product)
        if max(_asymmetry(frobenius, *image) for image in images) <= rtol:
            hint += (
                "; it is in the Frobenius inner product: should it be composed with the inverse "
                "of the metric, or did you want inner_product=frobenius_inner_product?"
            )
    record.add(f"asymmetry of {name}", worst, "<=", rtol, hint=hint)


def _asymmetry(space: TangentSpace, a: Any, b: Any, image_a: Any, image_b: Any) -> float:
    left, right = space.inner(image_a, b), space.inner(a, image_b)
    size = space.norm(image_a) * space.norm(b) + space.norm(a) * space.norm(image_b)
    return abs(left - right) / size if size else 0.0
