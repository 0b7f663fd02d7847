"""The tangent space at a point of any pymanopt manifold, whatever its vectors are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymanopt.manifolds import Product
from pymanopt.manifolds.manifold import Manifold, RetrAsExpMixin

from fixedrank.testing.recording import Record

Layout = int | Sequence[Any]
InnerProduct = Callable[[Any, Any, Any], float]


def parts(value: Any, layout: Layout) -> list[NDArray[Any]]:
    """Return the arrays of which a point or a vector consists, given pymanopt's `point_layout`."""
    if isinstance(layout, int):
        if layout == 1:
            return [np.asarray(value)]
        layout = (1,) * layout
    if not isinstance(value, (tuple, list)) or len(value) != len(layout):
        raise TypeError(f"{len(layout)} parts are needed, got {type(value).__name__}")
    return [array for v, sub in zip(value, layout, strict=True) for array in parts(v, sub)]


def size_of(value: Any, layout: Layout) -> float:
    """Return the root of the sum of all squared entries of a point or a vector."""
    return math.sqrt(sum(float(np.linalg.norm(array)) ** 2 for array in parts(value, layout)))


def _rebuild(like: Any, arrays: list[NDArray[Any]], layout: Layout) -> Any:
    """Arrange arrays as a point or vector of the type of `like`; the inverse of `parts`."""
    if isinstance(layout, int):
        if layout == 1:
            return arrays.pop(0)
        layout = (1,) * layout
    items = [_rebuild(v, arrays, sub) for v, sub in zip(like, layout, strict=True)]
    return type(like)._make(items) if hasattr(like, "_make") else type(like)(items)


def frobenius_inner_product(point: Any, a: Any, b: Any) -> float:
    """Return the sum of the products of all entries of two tangent vectors.

    For ``(Up, M, Vp)`` it is the Frobenius inner product of the matrices, because u and vt are
    orthonormal; for a matrix manifold whose vectors are arrays, the ordinary one.

    Parameters
    ----------
    point : Any
        The point; it does not matter.
    a, b : array, or tuple or list of arrays
        Tangent vectors, their parts of equal shapes.

    Returns
    -------
    float
        The inner product.

    Raises
    ------
    ValueError
        If shapes differ.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import check_self_adjoint, frobenius_inner_product
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
    >>> check_self_adjoint(
    ...     manifold,
    ...     lambda point, Z: manifold.operator(point).apply(Z),
    ...     inner_product=frobenius_inner_product,
    ... ).passed
    True
    """
    if isinstance(a, (tuple, list)):
        return sum(frobenius_inner_product(point, x, y) for x, y in zip(a, b, strict=True))
    return float(np.vdot(a, b).real)


class TangentSpace:
    """Linear algebra on the tangent vectors at one point."""

    def __init__(
        self, manifold: Manifold, point: Any, inner_product: InnerProduct | None = None
    ) -> None:
        self.manifold, self.point = manifold, point
        self._inner_product = inner_product or manifold.inner_product
        self.zero = manifold.zero_vector(point)
        self._shapes = [part.shape for part in parts(self.zero, manifold.point_layout)]

    @property
    def has_metric(self) -> bool:
        """Whether the inner product is the metric of the manifold."""
        return bool(self._inner_product == self.manifold.inner_product)

    def parts(self, vector: Any) -> list[NDArray[Any]]:
        """Return the arrays of a vector; raise unless they have the shapes of a zero vector."""
        try:
            arrays = parts(vector, self.manifold.point_layout)
        except TypeError as error:
            raise TypeError(f"{self.wanted}: {error}") from None
        if [array.shape for array in arrays] != self._shapes:
            raise ValueError(
                f"{self.wanted}, got {', '.join(str(array.shape) for array in arrays)}"
            )
        if not all(np.issubdtype(array.dtype, np.number) for array in arrays):
            raise TypeError(f"{self.wanted}, got other things than numbers")
        return arrays

    @property
    def wanted(self) -> str:
        """What a tangent vector looks like, in words."""
        return f"a tangent vector consists of arrays of shapes {', '.join(map(str, self._shapes))}"

    def vector(self, value: Any) -> Any:
        """Return a vector that was handed in, in the type of the manifold."""
        arrays = self.parts(value)
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("the tangent vector has NaN or infinite entries")
        return _rebuild(self.zero, arrays, self.manifold.point_layout)

    def returned(self, record: Record, name: str, value: Any) -> Any:
        """Return what a function under test returned; the check fails unless it is a vector."""
        try:
            arrays = self.parts(value)
        except (TypeError, ValueError) as error:
            record.stop(f"parts of {name} with a wrong shape", 1, str(error))
        bad = int(sum(np.count_nonzero(~np.isfinite(array)) for array in arrays))
        if bad:
            record.stop(f"entries of {name} that are NaN or infinite", bad, "")
        return _rebuild(self.zero, arrays, self.manifold.point_layout)

    def combine(self, coefficients: Sequence[float], vectors: Sequence[Any]) -> Any:
        """Return the linear combination of some vectors."""
        layout = self.manifold.point_layout
        columns = zip(*(parts(vector, layout) for vector in vectors), strict=True)
        arrays = [
            sum(c * array for c, array in zip(coefficients, column, strict=True))
            for column in columns
        ]
        return _rebuild(self.zero, arrays, layout)

    def combinations(self, matrix: NDArray[np.float64], vectors: Sequence[Any]) -> list[Any]:
        """Return one linear combination for each column of a matrix."""
        layout = self.manifold.point_layout
        columns = zip(*(parts(vector, layout) for vector in vectors), strict=True)
        stacks = [np.tensordot(matrix.T, np.stack(column), axes=1) for column in columns]
        return [
            _rebuild(self.zero, [stack[i] for stack in stacks], layout)
            for i in range(matrix.shape[1])
        ]

    def inner(self, a: Any, b: Any) -> float:
        """Return the inner product of two vectors."""
        value = np.asarray(self._inner_product(self.point, a, b))
        if value.ndim or not np.isfinite(value):
            raise ValueError(f"the inner product must be a finite number, got {value}")
        return float(value.real)

    def norm(self, a: Any) -> float:
        """Return the length of a vector."""
        return math.sqrt(max(self.inner(a, a), 0.0))

    def relative_norm(self, coefficients: Sequence[float], vectors: Sequence[Any]) -> float:
        """Return the length of a linear combination over the sum of those of its terms."""
        size = sum(abs(c) * self.norm(v) for c, v in zip(coefficients, vectors, strict=True))
        return self.norm(self.combine(coefficients, vectors)) / size if size else 0.0

    def provides(self, method: str, vector: Any) -> bool:
        """Whether the manifold implements a method of a point and a tangent vector."""
        if method == "exp" and _exp_is_a_retraction(self.manifold):
            return False
        try:
            getattr(self.manifold, method)(self.point, vector)
        except (AttributeError, NotImplementedError):
            return False
        return True

    def projection(self, vector: Any) -> Any:
        """Return the tangent vector nearest to what may not be one; None if it cannot be told."""
        for method in ("to_tangent_space", "projection"):
            try:
                image = getattr(self.manifold, method)(self.point, vector)
                self.parts(image)
            except (AttributeError, NotImplementedError, TypeError, ValueError):
                continue
            return image
        return None

    def tangent_defect(self, vector: Any) -> float | None:
        """Return by how much, relatively, a vector is not tangent; None if it cannot be told."""
        image = self.projection(vector)
        if image is None:
            return None
        size = size_of(vector, self.manifold.point_layout)
        defect = size_of(self.combine([1, -1], [image, vector]), self.manifold.point_layout)
        return defect / size if size else 0.0


def of_manifold(
    manifold: Manifold, name: str, given: Callable[..., Any] | None, arguments: str
) -> Callable[..., Any]:
    """Return the function that was given, or the method of that name."""
    if given is not None and not callable(given):
        raise TypeError(f"{name} must be callable, got {type(given).__name__}")
    # No method of pymanopt's base class: a manifold of any class may have it.
    method = getattr(manifold, name, None) if given is None else given
    if not callable(method):
        raise TypeError(f"the {manifold} has no {name}: give one, as a function of {arguments}")
    return method


def judge_tangent(record: Record, space: TangentSpace, name: str, vector: Any, rtol: float) -> None:
    """Record whether a vector is tangent, where the manifold can tell."""
    defect = space.tangent_defect(vector)
    if defect is None:
        record.note(f"whether {name} is tangent was not checked: the manifold cannot tell")
        return
    hint = f"project {name} to the tangent space"
    record.add(f"part of {name} that is not tangent", defect, "<=", rtol, hint=hint)


def _exp_is_a_retraction(manifold: Manifold) -> bool:
    """Say whether a manifold hands out its retraction as its exponential map."""
    if isinstance(manifold, Product):
        return any(_exp_is_a_retraction(factor) for factor in manifold.manifolds)
    return getattr(type(manifold), "exp", None) is RetrAsExpMixin.exp
