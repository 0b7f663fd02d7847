"""A loss of a matrix: two methods that one writes, and all that follows from them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import pymanopt
from numpy.typing import ArrayLike
from pymanopt.manifolds.manifold import Manifold

from fixedrank._aliases import AmbientLike, LayersLike, PointLike
from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank._shown import Displayed, number, some
from fixedrank.geometry.factored.ambient import as_ambient, times, transposed_times
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.metric import derivatives
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.losses.combinations import combined_matrix
from fixedrank.losses.differences import hessian_by_differences
from fixedrank.losses.layer_products import LayerProducts, ProductsOfGradients
from fixedrank.losses.pymanopt_problem import Preconditioner, pymanopt_problem
from fixedrank.networks.gradients import narrow_partial_products, network_gradient
from fixedrank.networks.layers import checked_layers

MATRICES = """
Parameters
----------
W : tuple (u, s, vt), or ndarray, shape (m, n)
    The matrix.
Z : tangent vector (Up, M, Vp), array, sparse array, low-rank pair or LinearOperator
    The direction, m x n. At a point a triple is a tangent vector; at an array it stands for
    the low-rank matrix L S R^T. Write this one as a pair (L S, R) at a point.

Raises
------
TypeError, ValueError
    If what should be a matrix is none, has the wrong shape or is not finite.
"""

THIN = """
Parameters
----------
left : ndarray, shape (m, k)
    The factor of W on the left.
core : ndarray, shape (k, k), or None
    The factor between, None for the identity.
right : ndarray, shape (n, k)
    The factor on the right.
"""

IN_METRIC = """
Parameters
----------
point : FixedRankPoint
    The matrix of rank k.
metric : SpectralMetric
    The metric.
Z : FixedRankTangentVector
    The direction.
"""

LAYERS = """
Parameters
----------
factors : sequence of array_like
    The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).

Raises
------
TypeError, ValueError
    If shapes do not fit together or with the problem, or entries are not finite.
"""


class Loss(Displayed, ABC):
    r"""A loss of an m x n matrix, for flows, layers, optimizers and searches: the base class.

    A loss of your own has the methods :meth:`loss` and :meth:`gradient`, and nothing else is
    needed; no ``__init__`` is called. The library calls both with a triple (u, s, vt),
    :math:`W = U \operatorname{diag}(s) V^T`, whose trailing singular values may be zero. Both must
    be functions of W alone: other factors of the same matrix give the same values.

    The other methods may be overridden by what is faster or more accurate. Losses add, and
    multiply by numbers: ``data + 0.1 * penalty`` is a loss.

    Attributes
    ----------
    shape : tuple of int, optional
        (m, n), the shape of W, as an attribute or a property. With it, points and layers of
        another shape are refused.
    infimum : float, optional
        The infimum of the loss over all m x n matrices, None where it is not known.
    samples : int, optional
        The number of samples of which :meth:`batch` takes some, None where there are none.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> class LogCosh(fixedrank.Loss):
    ...     shape = (2, 2)
    ...
    ...     def loss(self, W):
    ...         return np.log(np.cosh((W[0] * W[1]) @ W[2] - np.diag([3.0, 1.0]))).sum()
    ...
    ...     def gradient(self, W):
    ...         return np.tanh((W[0] * W[1]) @ W[2] - np.diag([3.0, 1.0]))
    >>> start = fixedrank.FixedRank(2, 2, 2, depth=3).point([[1.0, 0.5], [0.0, 1.0]])
    >>> flow = fixedrank.riemannian_flow(LogCosh(), start, 3, [0, 50])
    >>> np.round(flow.singular_values[-1], 6)
    array([3., 1.])
    """

    # So that NumPy's numbers leave products with a loss to the loss.
    __array_ufunc__ = None

    shape: tuple[int, int] | None = None
    infimum: float | None = None
    samples: int | None = None

    @abstractmethod
    def loss(self, W: PointLike) -> float:
        """Return the loss at a matrix.

        Parameters
        ----------
        W : tuple (u, s, vt)
            The matrix (u * s) @ vt, with arrays of shapes (m, k), (k,), (k, n).

        Returns
        -------
        float
            The loss.
        """

    @abstractmethod
    def gradient(self, W: PointLike) -> AmbientLike:
        """Return the Euclidean gradient at a matrix.

        Parameters
        ----------
        W : tuple (u, s, vt)
            The matrix (u * s) @ vt.

        Returns
        -------
        array, sparse array, pair, triple, LinearOperator or MatrixSum
            The m x n gradient, of which products with thin blocks are formed only. A pair (L, R)
            stands for L R^T, a triple (L, S, R) for L S R^T.
        """

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G at ``W = left @ core @ right.T``.

        This is all that the flows ask of a loss as they go; by default :meth:`gradient` is asked.

        Returns
        -------
        tuple of ndarray, shapes (m, k) and (n, k)
            The products G right and G^T left.

        Raises
        ------
        TypeError, ValueError
            If the gradient is no m x n matrix.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.gradient_products(np.array([[2.0]]), None, np.array([[1.0]]))
        (array([[-1.]]), array([[-2.]]))
        """
        point = point_of(left, core, right)
        gradient = self.gradient(point)
        try:
            known = as_ambient(gradient, (left.shape[0], right.shape[0]), point)
            return times(known, right), transposed_times(known, left)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"what {self._name}.gradient(W) returned: {error}") from error

    def hessian_product(self, W: PointLike | ArrayLike, Z: AmbientLike) -> Any:
        r"""Return the Hessian of the loss at W applied to a direction Z.

        By default the difference of two gradients,
        :math:`(\nabla f(W + hZ) - \nabla f(W - hZ)) / (2h)` with
        :math:`\|hZ\| = \epsilon^{1/3} \|W\|`, about 6e-6 of the size of W, or of Z where W = 0.
        Round-off of the gradient is divided by this: some ten of its digits are right where f
        varies on the scale of W. Where it varies faster, the error is that of the third
        derivatives times :math:`\|hZ\|^2 / 6`: override the method there.

        Returns
        -------
        pair, array, sparse array or LinearOperator, shape (m, n)
            The matrix :math:`D^2 f(W)[Z]`, a pair (L, R) standing for L R^T.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.eye(2))
        >>> problem.hessian_product(np.eye(2), np.ones((2, 2)))
        array([[1., 4.],
               [1., 4.]])
        """
        return hessian_by_differences(self.gradient, self.shape, W, Z)

    def line_minimum(self, W: PointLike | ArrayLike, Z: AmbientLike) -> float | None:
        """Return the t at which the loss of W + t Z is least, or None if it is not known.

        Parameters
        ----------
        Z : tangent vector (Up, M, Vp), low-rank pair or ndarray, shape (m, n)
            The direction, as in :meth:`hessian_product`.

        Returns
        -------
        float or None
            The minimiser, of either sign; 0 if the loss does not change along the line. By default
            None: whoever asks searches for a step then.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.diag([1.0, 2.0]), np.diag([3.0, 6.0]))
        >>> problem.line_minimum(np.zeros((2, 2)), np.eye(2))
        3.0
        """
        return None

    def batch(self, indices: ArrayLike) -> Loss:
        """Return the loss of some of the samples, an unbiased estimate of the loss of all.

        Parameters
        ----------
        indices : array_like of int, shape (count,)
            The numbers of the samples, from 0; some may occur more than once.

        Returns
        -------
        Loss
            The sum over these samples times ``samples / count``.

        Raises
        ------
        TypeError, ValueError
            If the loss is none of samples, or these are not numbers of some of them.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2, 4), np.ones((1, 4)))
        >>> round(problem.batch([3]).loss(np.zeros((1, 2))), 12)
        2.0
        """
        raise TypeError(
            f"a {self._name} has no batches, as it is not known by samples; LinearRegression(X, Y) "
            "has, and a loss of your own with `samples` and `batch(indices)`"
        )

    # In a metric of matrices of rank k

    def riemannian_gradient(
        self, point: FixedRankPoint, metric: SpectralMetric
    ) -> FixedRankTangentVector | None:
        r"""Return the Riemannian gradient in a metric where the loss knows it better, or None.

        By default None: whoever asks forms :math:`\mathcal{A}_W(\nabla f(W))` of the Euclidean
        gradient. Override it where that one is large or inexact and this one is not.

        Returns
        -------
        FixedRankTangentVector or None
            The gradient; of a sum, if one of its terms knows its own.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> point = fixedrank.FixedRank(1, 1, 1, depth=3).point([[4.0]])
        >>> decay = fixedrank.SchattenDecay(0.5, 3)
        >>> decay.riemannian_gradient(point, fixedrank.DepthMetric(3)).M  # N lambda W
        array([[6.]])
        """
        return None

    def riemannian_hessian(
        self, point: FixedRankPoint, metric: SpectralMetric, Z: FixedRankTangentVector
    ) -> FixedRankTangentVector | None:
        """Return the Riemannian Hessian along Z where the loss knows it better, or None.

        It goes with :meth:`riemannian_gradient`, and may be None where that one is not.

        Parameters
        ----------
        Z : FixedRankTangentVector
            The direction.

        Returns
        -------
        FixedRankTangentVector or None
            The Hessian applied to Z; of a sum, if one of its terms knows its own.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> manifold = fixedrank.FixedRank(1, 1, 1, depth=3)
        >>> point = manifold.point([[4.0]])
        >>> Z = manifold.projection(point, [[1.0]])
        >>> decay = fixedrank.SchattenDecay(0.5, 3)
        >>> decay.riemannian_hessian(point, manifold.metric, Z).M  # lambda Z
        array([[0.5]])
        """
        return None

    # On layers and on a manifold

    def network_loss(self, factors: LayersLike) -> float:
        """Return the loss of W_N ... W_1: of a regression, L^N(W_1, ..., W_N), equation (2).

        Returns
        -------
        float
            The loss of the product, multiplied through the narrowest layer.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.LinearRegression(np.eye(2), np.eye(2)).network_loss([np.eye(2), np.eye(2)])
        0.0
        """
        _, left, right = narrow_partial_products(self.checked_layers(factors))
        return self._thin_loss(left[-1], right[-1].T)

    def network_gradient(self, factors: LayersLike) -> list[Array]:
        r"""Return the gradients of that loss with respect to W_1, ..., W_N.

        :math:`W_{j+1}^T \cdots W_N^T\, G\, W_1^T \cdots W_{j-1}^T` with the gradient G at the
        product (of a regression, WC - B), multiplied through the narrowest layer: O(d_j d_{j-1} r)
        each, r the smallest width.

        Returns
        -------
        list of ndarray
            The gradients, of the shapes of the layers.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> problem.network_gradient([[[1.0]], [[2.0]]])
        [array([[-2.]]), array([[-1.]])]
        """
        return network_gradient(self.gradient_products, self.checked_layers(factors))

    def checked_layers(self, factors: LayersLike) -> list[Array]:
        """Return the layers as arrays, checked to fit together and to the problem.

        Returns
        -------
        list of ndarray
            The layers.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
        >>> problem.checked_layers([[[1, 2]], [[3], [4]]])[0]
        array([[1., 2.]])
        """
        return checked_layers(factors, self.shape)

    def to_pymanopt(
        self,
        manifold: Manifold,
        *,
        hessian: Literal["exact", "gauss-newton"] = "exact",
        preconditioner: Preconditioner | None = None,
    ) -> pymanopt.Problem:
        r"""Return the least loss over a manifold of rank-k matrices as a pymanopt problem.

        Parameters
        ----------
        manifold : FixedRank or pymanopt.manifolds.FixedRankEmbedded
            A manifold of matrices of this shape, with points (u, s, vt).
        hessian : {"exact", "gauss-newton"}
            The Riemannian Hessian, or its part :math:`\mathcal{A}_{W,N} P_T(D^2 f(W)[Z])`, without
            the curvature of the manifold: positive semidefinite where f is convex, and cheaper.
            With it trust regions end as fast where the gradient of f vanishes, and else linearly.
        preconditioner : callable (point, tangent_vector), optional
            For ConjugateGradient, TrustRegions and :class:`~fixedrank.optimizers.LBFGS`: that of
            :meth:`FixedRank.preconditioner` or of :meth:`LinearRegression.preconditioner`, or one
            of your own.

        Returns
        -------
        pymanopt.Problem
            With cost and Euclidean gradient, for pymanopt's first-order optimizers; on a
            :class:`FixedRank` also with the Euclidean Hessian, for trust regions.

        Raises
        ------
        TypeError, ValueError
            If the manifold has matrices of another shape, or an option is none of these.

        Notes
        -----
        pymanopt's optimizers stop by absolute numbers: a gradient below ``min_gradient_norm=1e-6``,
        a step below ``min_step_size=1e-10``, and trust regions count with costs of about one. With
        values in units of 1e-20 they stop where they start, with values of 1e15 trust regions
        reject every step. Make the problem in units of its data: of ``values / c``, and the
        solution is W times c, ``(u, c * s, vt)``; of ``X / a`` and ``Y / b``, and it is W times
        b / a. For c take the largest absolute value. Line searchers take the same problem.

        Examples
        --------
        >>> import numpy as np, fixedrank, pymanopt
        >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
        >>> manifold = fixedrank.FixedRank(3, 3, 1, depth=2)
        >>> solver = pymanopt.optimizers.SteepestDescent(verbosity=0)
        >>> result = solver.run(
        ...     problem.to_pymanopt(manifold), initial_point=manifold.random_point(rng=0)
        ... )
        >>> round(float(result.cost), 6)
        2.5
        """
        return pymanopt_problem(self, manifold, hessian, preconditioner)

    # Sums and multiples

    def __add__(self, other: Loss) -> Loss:
        if not isinstance(other, Loss):
            raise TypeError(
                f"a loss adds to a fixedrank.Loss, got a {type(other).__name__}; derive a class "
                "with loss(W) and gradient(W) from fixedrank.Loss"
            )
        return LossSum(*_terms(self), *_terms(other))

    def __mul__(self, factor: float) -> Loss:
        number = _finite_factor(factor)
        return LossSum(*((number * own, loss) for own, loss in _terms(self)))

    __rmul__ = __mul__

    # What the library asks beside these

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _shown_title(self) -> str:
        sizes = "" if self.shape is None else "x".join(map(str, self.shape)) + " "
        return f"{self._name}: loss of {sizes}matrices"

    def _thin_loss(self, left: Array, right: Array) -> float:
        """Return the loss of W = left @ right.T."""
        return float(self.loss(point_of(left, None, right)))

    def _excess(self, left: Array, right: Array, infimum: float) -> float:
        """Return the loss of W = left @ right.T less the infimum, or less another number."""
        return self._thin_loss(left, right) - infimum

    def _logarithmic(
        self, left: Array, core: Array | None, right: Array, infimum: float
    ) -> tuple[float, Array, Array]:
        """Return ln(loss - infimum) and thin products of its gradient, NaN where it is none."""
        excess = self._excess(left if core is None else left @ core, right, infimum)
        gv, gtu = self.gradient_products(left, core, right)
        if not excess > 0:
            return -math.inf, np.full_like(gv, np.nan), np.full_like(gtu, np.nan)
        return math.log(excess), gv / excess, gtu / excess

    @property
    def _lower_bound(self) -> float | None:
        """What no loss is below: the infimum, or less that costs less; None where none is known."""
        return self.infimum

    def _trial_step(self, W: PointLike, Z: AmbientLike) -> float | None:
        """Return a step along Z of low rank that is worth trying: to the minimum, if it is known.

        Where a penalty bends along the line it counts by its slope at W only.
        """
        return self.line_minimum(W, Z)

    # By how much a small singular value more raises the loss, per unit of it, beside what the
    # gradient says: the slope at zero of a penalty of singular values.
    _price_of_rank: float = 0.0

    def _known_vectors(
        self, ask: Callable[[Loss], FixedRankTangentVector | None]
    ) -> tuple[FixedRankTangentVector | None, Loss | None]:
        """Return the sum of what terms answer, None where none does, and the loss of the others."""
        answer = ask(self)
        return (None, self) if answer is None else (answer, None)

    # Of many matrices at once, along a first axis, as flows ask at their output times.

    # Where nothing is gained by more than one, Ctrl-C may lose one.
    _at_once: int = 1

    def _losses(self, points: FixedRankPoint) -> Array:
        """Return the losses at points."""
        return np.array([float(self.loss(FixedRankPoint(*W))) for W in zip(*points, strict=True)])

    def _stacked_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return what `gradient_products` does."""
        cores = [None] * len(left) if core is None else core
        pairs = list(map(self.gradient_products, left, cores, right))
        return np.array([gv for gv, _ in pairs]), np.array([gtu for _, gtu in pairs])

    def _layer_products(self, left: Array, right: Array) -> LayerProducts:
        """Return what the Hessian in the layers needs at W = left @ right."""
        return ProductsOfGradients(self, left, right)

    def _in_principal_axes(self) -> tuple[Loss, Array | None]:
        """Return a loss of W E that costs less, and the orthogonal E, or the loss and None."""
        return self, None


describe(Loss, MATRICES, THIN, LAYERS, IN_METRIC)


class LossSum(Loss):
    """The sum of losses times numbers, c_1 f_1 + c_2 f_2 + ...; its derivatives likewise.

    Attributes
    ----------
    terms : tuple of (float, Loss)
        The numbers and the losses.
    shape : tuple of int, or None
        (m, n), the shape of W, if one of the losses knows it.
    """

    def __init__(self, *terms: tuple[float, Loss]) -> None:
        shapes = [tuple(loss.shape) for _, loss in terms if loss.shape is not None]
        for shape in shapes[1:]:
            if shape != shapes[0]:
                raise ValueError(f"losses of {shapes[0]} and of {shape} matrices do not add")
        self.terms = terms
        self.shape = (shapes[0][0], shapes[0][1]) if shapes else None

    def _shown_facts(self) -> dict[str, str]:
        return {"terms": some([f"{number(factor)} {loss._name}" for factor, loss in self.terms])}

    @property
    def _only(self) -> tuple[float, Loss] | None:
        """The factor and the loss, where there is one, and more of it is worse."""
        return self.terms[0] if len(self.terms) == 1 and self.terms[0][0] > 0 else None

    @property
    def infimum(self) -> float | None:  # type: ignore[override]
        """The infimum, of a multiple of a loss with a known one."""
        if self._only is None or self._only[1].infimum is None:
            return None
        return self._only[0] * self._only[1].infimum

    @property
    def _lower_bound(self) -> float | None:
        total = 0.0
        for factor, loss in self.terms:
            bound = loss._lower_bound
            if bound is None or factor < 0:
                return None
            total += factor * bound
        return total

    def loss(self, W: PointLike) -> float:
        """Return the sum of the losses."""
        return sum(factor * float(loss.loss(W)) for factor, loss in self.terms)

    def gradient(self, W: PointLike) -> Any:
        """Return the sum of the gradients: an array or sparse if all are so, or a MatrixSum."""
        return combined_matrix([(factor, loss.gradient(W)) for factor, loss in self.terms])

    @property
    def samples(self) -> int | None:  # type: ignore[override]
        """The number of samples, of all terms that have any."""
        counts = {loss.samples for _, loss in self.terms if loss.samples is not None}
        return counts.pop() if len(counts) == 1 else None

    def batch(self, indices: ArrayLike) -> Loss:
        """Return the sum with the batches of all terms that have samples, the others whole.

        Parameters
        ----------
        indices : array_like of int, shape (count,)
            The numbers of the samples, from 0.
        """
        if self.samples is None:
            return super().batch(indices)
        batches = [
            (factor, loss if loss.samples is None else loss.batch(indices))
            for factor, loss in self.terms
        ]
        return LossSum(*batches)

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return the sums of the thin products of the gradients."""
        return self._summed(loss.gradient_products(left, core, right) for _, loss in self.terms)

    def _summed(self, products: Iterable[tuple[Array, Array]]) -> tuple[Array, Array]:
        """Return the sums of pairs of products, one pair of each loss."""
        gv = gtu = np.zeros(())
        for (factor, _), more in zip(self.terms, products, strict=True):
            gv, gtu = gv + factor * more[0], gtu + factor * more[1]
        return gv, gtu

    def hessian_product(self, W: PointLike | ArrayLike, Z: AmbientLike) -> Any:
        """Return the sum of the Hessians applied to Z."""
        return combined_matrix(
            [(factor, loss.hessian_product(W, Z)) for factor, loss in self.terms]
        )

    def riemannian_gradient(
        self, point: FixedRankPoint, metric: SpectralMetric
    ) -> FixedRankTangentVector | None:
        """Return the gradients that terms know, and that of the others by their Euclidean one."""
        known, rest = self._known_vectors(lambda loss: loss.riemannian_gradient(point, metric))
        if known is None or rest is None:
            return known
        return known + derivatives.riemannian_gradient(point, rest.gradient(point), metric)

    def riemannian_hessian(
        self, point: FixedRankPoint, metric: SpectralMetric, Z: FixedRankTangentVector
    ) -> FixedRankTangentVector | None:
        """Return the Hessians that terms know, and that of the others by Euclidean ones."""
        known, rest = self._known_vectors(lambda loss: loss.riemannian_hessian(point, metric, Z))
        if known is None or rest is None:
            return known
        second = rest.hessian_product(point, Z)
        return known + derivatives.riemannian_hessian(
            point, rest.gradient(point), second, Z, metric
        )

    def _known_vectors(
        self, ask: Callable[[Loss], FixedRankTangentVector | None]
    ) -> tuple[FixedRankTangentVector | None, Loss | None]:
        known, others = None, []
        for factor, loss in self.terms:
            answer = ask(loss)
            if answer is None:
                others.append((factor, loss))
            else:
                known = factor * answer if known is None else known + factor * answer
        return known, LossSum(*others) if others else None

    def network_gradient(self, factors: LayersLike) -> list[Array]:
        """Return the sums of the gradients, layer by layer."""
        layers = self.checked_layers(factors)
        parts = [loss.network_gradient(layers) for _, loss in self.terms]
        return [
            sum(
                (factor * part for (factor, _), part in zip(self.terms, of_layer, strict=True)),
                np.zeros(()),
            )
            for of_layer in zip(*parts, strict=True)
        ]

    def line_minimum(self, W: PointLike | ArrayLike, Z: AmbientLike) -> float | None:
        """Return the minimum along a line, of a multiple of a loss that knows it."""
        return None if self._only is None else self._only[1].line_minimum(W, Z)

    def _trial_step(self, W: PointLike, Z: AmbientLike) -> float | None:
        return None if self._only is None else self._only[1]._trial_step(W, Z)

    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        # A price may be infinite: 0 times it is nothing.
        return sum(factor * loss._price_of_rank for factor, loss in self.terms if factor)

    def _thin_loss(self, left: Array, right: Array) -> float:
        return sum(factor * loss._thin_loss(left, right) for factor, loss in self.terms)

    def _logarithmic(
        self, left: Array, core: Array | None, right: Array, infimum: float
    ) -> tuple[float, Array, Array]:
        if self._only is None or infimum != self.infimum:
            return super()._logarithmic(left, core, right, infimum)
        factor, loss = self._only
        value, gv, gtu = loss._logarithmic(left, core, right, loss.infimum or 0.0)
        return value + math.log(factor), gv, gtu

    @property
    def _at_once(self) -> int:  # type: ignore[override]
        return min(loss._at_once for _, loss in self.terms)

    def _losses(self, points: FixedRankPoint) -> Array:
        losses = (factor * loss._losses(points) for factor, loss in self.terms)
        return np.asarray(sum(losses))

    def _stacked_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        return self._summed(loss._stacked_products(left, core, right) for _, loss in self.terms)


describe(LossSum, MATRICES, THIN, LAYERS, IN_METRIC)


def _terms(loss: Loss) -> tuple[tuple[float, Loss], ...]:
    return loss.terms if isinstance(loss, LossSum) else ((1.0, loss),)


def _finite_factor(factor: Any) -> float:
    if isinstance(factor, bool) or not isinstance(factor, (int, float, np.integer, np.floating)):
        raise TypeError(f"a loss multiplies by a number, got {factor!r}")
    if not math.isfinite(factor):
        raise ValueError(f"the factor of a loss must be finite, got {factor!r}")
    return float(factor)
