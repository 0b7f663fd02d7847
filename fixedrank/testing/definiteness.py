"""Check that an operator on tangent spaces is positive definite."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymanopt.manifolds.manifold import Manifold

from fixedrank._checks import Array, Seed, positive_integer
from fixedrank._shared_docs import describe
from fixedrank.testing.arguments import CHECKS
from fixedrank.testing.drawing import Draw
from fixedrank.testing.operators import Apply, Operator, begin_operator
from fixedrank.testing.recording import Record
from fixedrank.testing.reports import CheckReport
from fixedrank.testing.spaces import InnerProduct, TangentSpace

_EPS = float(np.finfo(float).eps)
# Each refinement of a basis resolves what is smaller by many powers of ten.
_REFINEMENTS = 4
# So many times the round-off of an inner product, a number is not zero.
_SAFETY = 10.0
# Random vectors whose Gram matrix has smaller eigenvalues, relative to the largest, are dependent.
_DEPENDENT = 1e-12


def check_positive_definite(
    manifold: Manifold,
    operator: Operator,
    *,
    point: Any = None,
    inner_product: InnerProduct | None = None,
    trials: int = 100,
    largest_dimension: int = 200,
    rng: Seed = None,
) -> CheckReport:
    r"""Check that an operator on tangent vectors is positive definite.

    :math:`\langle A(Z), Z \rangle > 0` for all Z except 0. On manifolds of moderate dimension all
    Z are covered: by the matrix of :math:`\langle A(E_i), E_j \rangle` in a basis of random
    vectors, refined until it is safe from round-off. Otherwise random Z are tried. The report
    says which.

    Parameters
    ----------
    operator : callable
        ``operator(point, tangent_vector)`` returns the image, a tangent vector at the point. It
        should be linear; of one that is not self-adjoint the symmetric part is judged.
    trials : int
        How many vectors to try, where a basis would be too large.
    largest_dimension : int
        Up to this dimension of the manifold, a basis is used.

    Returns
    -------
    CheckReport
        With a basis the smallest eigenvalue, up to the round-off of the largest one (that it is
        positive is certain also where it is smaller than that); else the smallest quotient
        <A(Z), Z> / <Z, Z> that was found.

    Raises
    ------
    CheckFailedError
        If the operator is not positive definite, or singular to round-off.

    Examples
    --------
    >>> import fixedrank
    >>> from fixedrank.testing import check_positive_definite, frobenius_inner_product
    >>> manifold = fixedrank.FixedRank(4, 3, 2, depth=3)
    >>> point = manifold.random_point(rng=0)
    >>> report = check_positive_definite(
    ...     manifold,
    ...     lambda point, Z: manifold.operator(point).apply(Z),
    ...     point=point,
    ...     inner_product=frobenius_inner_product,
    ... )
    >>> smallest = manifold.operator(point).eigenvalues()[0]
    >>> bool(abs(report["smallest eigenvalue"].measured - smallest) < 1e-12 * smallest)
    True
    """
    record, draw, space, apply = begin_operator(
        "check_positive_definite", manifold, operator, point, inner_product, rng
    )
    positive_integer("trials", trials)
    positive_integer("largest_dimension", largest_dimension)
    if manifold.dim <= largest_dimension:
        _judge_in_basis(record, draw, space, apply)
    else:
        _judge_by_trials(record, draw, space, apply, trials)
    return record.finish()


describe(check_positive_definite, CHECKS)


def _judge_by_trials(
    record: Record, draw: Draw, space: TangentSpace, apply: Apply, trials: int
) -> None:
    smallest, round_off = np.inf, 0.0
    for _ in range(trials):
        Z = draw.vector(space)
        value, uncertainty = _quotient(space, apply, Z)
        if value - uncertainty < smallest:
            smallest, round_off = value, uncertainty
    _record(record, "smallest quotient <A(Z), Z> / <Z, Z>", smallest, round_off)
    record.note(
        f"{trials} random vectors were tried, because the dimension {space.manifold.dim} is above "
        "largest_dimension: a negative direction may have been missed"
    )


def _judge_in_basis(record: Record, draw: Draw, space: TangentSpace, apply: Apply) -> None:
    """Decide by the matrix H_ij = <A(E_i), E_j> in a basis, scaled to unit diagonal.

    Its round-off is that of each inner product. Where that leaves the sign of the smallest
    eigenvalue open, Gaussian elimination gives a basis in which the matrix is diagonal but for
    round-off, and where what is small no longer stands beside what is large.
    """
    basis = _orthonormal_basis(draw, space)
    record.note(f"a basis of {len(basis)} vectors covers all directions")
    found: list[Any] = []
    positive = False
    for _ in range(_REFINEMENTS):
        images = [apply(E) for E in basis]
        H = np.array([[space.inner(image, E) for E in basis] for image in images])
        H = (H + H.T) / 2
        found = found or _combinations(space, np.linalg.eigh(H)[1], basis)
        sizes = np.outer([space.norm(a) for a in images], [space.norm(E) for E in basis])
        round_off = _SAFETY * _EPS * sizes
        scale = np.sqrt(np.maximum(np.abs(np.diagonal(H)), np.diagonal(round_off)))
        scale[scale == 0] = 1.0
        values, vectors = np.linalg.eigh(H / np.outer(scale, scale))
        uncertainty = float(np.linalg.norm(round_off / np.outer(scale, scale)))
        positive = values[0] > uncertainty
        if positive or values[0] < -uncertainty:
            found += _combinations(space, vectors[:, :1] / scale[:, None], basis)
            break
        basis = _combinations(space, _elimination(H), basis)
    smallest, of_it = min(_quotient(space, apply, E) for E in found + basis)
    _record(record, "smallest eigenvalue", smallest, 0.0 if positive else max(of_it, smallest))


def _orthonormal_basis(draw: Draw, space: TangentSpace) -> list[Any]:
    """Return an orthonormal basis from random vectors."""
    metric = TangentSpace(space.manifold, space.point)
    vectors = [draw.vector(space) for _ in range(space.manifold.dim)]
    values, directions = np.linalg.eigh(_gram(metric, vectors))
    # Some manifolds of pymanopt have fewer dimensions than they say.
    kept = values > _DEPENDENT * values[-1]
    vectors = _combinations(metric, directions[:, kept] / np.sqrt(values[kept]), vectors)
    if space.has_metric:
        return vectors
    # In another inner product they may be almost dependent: again where round-off has spoilt it.
    for _ in range(_REFINEMENTS):
        gram = _gram(space, vectors)
        if np.abs(gram - np.eye(len(gram))).max() < _DEPENDENT:
            break
        transformation = _elimination(gram)
        lengths = np.sqrt(np.abs(np.diagonal(transformation.T @ gram @ transformation)))
        lengths[lengths == 0] = 1.0
        vectors = _combinations(space, transformation / lengths, vectors)
    return vectors


def _elimination(matrix: Array) -> Array:
    """Return T, triangular but for a permutation, for which T^T M T is diagonal."""
    rest, result = matrix.copy(), np.eye(len(matrix))
    left = np.ones(len(matrix), dtype=bool)
    for _ in range(len(matrix)):
        pivot = int(np.argmax(np.where(left, np.abs(np.diagonal(rest)), -1.0)))
        left[pivot] = False
        if rest[pivot, pivot]:
            factors = np.where(left, rest[pivot] / rest[pivot, pivot], 0.0)
            rest -= np.outer(rest[:, pivot], factors)
            result -= np.outer(result[:, pivot], factors)
    return result


def _combinations(space: TangentSpace, matrix: Array, vectors: list[Any]) -> list[Any]:
    """Return linear combinations, of which the round-off is tangent as well."""
    result = space.combinations(matrix, vectors)
    return [E if (image := space.projection(E)) is None else image for E in result]


def _gram(space: TangentSpace, vectors: list[Any]) -> Array:
    gram = np.zeros((len(vectors), len(vectors)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors[: i + 1]):
            gram[i, j] = gram[j, i] = space.inner(a, b)
    return gram


def _quotient(space: TangentSpace, apply: Apply, Z: Any) -> tuple[float, float]:
    """Return <A(Z), Z> / <Z, Z> and its round-off."""
    image, norm = apply(Z), space.norm(Z)
    if not norm:
        return np.inf, 0.0
    return space.inner(image, Z) / norm**2, _SAFETY * _EPS * space.norm(image) / norm


def _record(record: Record, name: str, smallest: float, round_off: float) -> None:
    indefinite = smallest < -round_off
    hint = "A is not positive definite" if indefinite else "A is singular, to round-off"
    record.add(name, smallest, ">", round_off, hint=hint)
