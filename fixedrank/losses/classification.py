"""Logistic loss and softmax cross-entropy of linear scores W X, in factors."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any, cast

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from fixedrank._aliases import AmbientLike, DataLike, LayersLike, PointLike
from fixedrank._checks import Array
from fixedrank._shared_docs import describe
from fixedrank.geometry.factored.ambient import (
    LowRank,
    as_direction,
    dense_matrix,
    times,
    transposed_times,
)
from fixedrank.geometry.factored.points import FixedRankPoint, as_point, is_triple
from fixedrank.geometry.factored.stacks import matrix_times, transposed
from fixedrank.losses.alignment import alignment_of_layers, alignment_of_point
from fixedrank.losses.classification_labels import Labelled, labelled
from fixedrank.losses.classification_scores import Entropy
from fixedrank.losses.classification_slopes import Slopes, spectral_norm
from fixedrank.losses.data import checked_indices
from fixedrank.losses.loss import MATRICES, THIN, Loss
from fixedrank.losses.separation import are_separable

# Numbers in the scores of all matrices that are asked for at once.
_TOGETHER = 1 << 20


class Classification(Loss):
    r"""Cross-entropy of the scores W X with labels: softmax for K classes, logistic for two signs.

    Of labels 0, ..., K - 1 the loss is the sum over samples
    :math:`\sum_i \ln \sum_c \exp(z_{ci} - z_{y_i i})` with the scores :math:`Z = WX`, W of shape
    (K, d_x); of labels -1 and +1 it is :math:`\sum_i \ln(1 + \exp(-y_i z_i))`, W of shape (1, d_x).
    It is a sum, not a mean, as the loss of :class:`LinearRegression` is. Where the classes can be
    told apart it has no minimum: W grows without end, and what it tends to is its direction. Loss
    and gradient are right to relative accuracy at any margin, as far as floating point has them.

    Parameters
    ----------
    X : array_like or sparse array, shape (d_x, samples)
        The data, one sample a column; there may be fewer samples than features.
    labels : array_like of whole numbers, shape (samples,)
        The class of each sample, from 0 to K - 1; or -1 or +1 each.
    classes : int, optional
        The number K of classes; by default one more than the largest label, if the least one is 0.

    Attributes
    ----------
    X : ndarray or csr_array, shape (d_x, samples)
        The data.
    labels : ndarray of int, shape (samples,)
        The labels.
    samples : int
        Their number.
    classes : int
        The number of classes, 2 of labels -1 and +1.
    shape : tuple of int
        (K, d_x), the shape of W; (1, d_x) for labels -1 and +1.

    Raises
    ------
    TypeError, ValueError
        If X is no finite real matrix, there is not one label for each sample, labels are neither
        whole numbers from 0 on nor -1 and +1, all are the same, or none is 0 and `classes` is left
        out.

    References
    ----------
    On directions: K. Lyu and J. Li, "Gradient descent maximizes the margin of homogeneous neural
    networks", ICLR 2020.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.Classification(np.eye(3), [0, 1, 2])
    >>> round(problem.loss(np.zeros((3, 3))), 6)  # 3 ln 3
    3.295837
    >>> problem.margin(100 * np.eye(3)), f"{problem.loss(500 * np.eye(3)):.4e}"
    (100.0, '4.2747e-217')
    """

    shape: tuple[int, int]
    samples: int

    def __init__(self, X: DataLike, labels: ArrayLike, *, classes: int | None = None) -> None:
        self._hold(labelled(X, labels, classes))

    def _hold(self, data: Labelled) -> None:
        self.X, self.classes, self._targets = data.X, data.classes, data.targets
        self.labels, self.samples = data.targets.values, int(data.targets.values.size)
        self.shape = (data.targets.rows, data.X.shape[0])

    def _shown_facts(self) -> dict[str, str]:
        kind = "sparse " if scipy.sparse.issparse(self.X) else ""
        return {
            "samples": f"{self.samples}, {kind}X with {self.shape[1]} features",
            "classes": "2, labels -1 and +1" if self._targets.signs else str(self.classes),
        }

    @cached_property
    def separable(self) -> bool:
        """Whether some W gives every sample its label with a margin > 0: by a linear program.

        It has an unknown for each entry of W and a condition for each sample and wrong class, and
        is solved when it is first asked for, as by `infimum`.
        """
        return are_separable(self.X, self._targets)

    @property
    def infimum(self) -> float | None:  # type: ignore[override]
        """The infimum: 0 of samples that are `separable`, otherwise positive and not known."""
        return 0.0 if self.separable else None

    def loss(self, W: PointLike | ArrayLike) -> float:
        """Return the sum of the cross-entropies of the samples.

        Parameters
        ----------
        W : ndarray, shape (K, d_x), or point (u, s, vt)
            The matrix; singular values may be zero.

        Returns
        -------
        float
            The loss.

        Raises
        ------
        TypeError, ValueError
            If W has the wrong shape or is not finite.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification([[1.0, -2.0]], [1, -1])
        >>> round(problem.loss(np.array([[1.0]])), 6)  # ln(1 + exp(-1)) + ln(1 + exp(-2))
        0.44019
        """
        return float(self._entropy(W).losses.sum())

    def gradient(self, W: PointLike | ArrayLike) -> Any:
        """Return the gradient E X^T, with the slopes E of the loss with respect to the scores.

        Returns
        -------
        ndarray or LinearOperator, shape (K, d_x)
            For an array an array; for a point an operator, of which thin products are formed.
            Its rows sum to zero where there are K of them.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification(np.eye(2), [0, 1])
        >>> problem.gradient(np.zeros((2, 2)))
        array([[-0.5,  0.5],
               [ 0.5, -0.5]])
        """
        return self._matrix(self._entropy(W).slopes(), is_triple(W))

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G at ``W = left @ core @ right.T``.

        No K x d_x array is formed, but one of K x samples scores.

        Returns
        -------
        tuple of ndarray, shapes (K, k) and (d_x, k)
            The products G right and G^T left.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification([[1.0, -2.0]], [1, -1])
        >>> problem.gradient_products(np.zeros((1, 1)), None, np.array([[1.0]]))
        (array([[-1.5]]), array([[0.]]))
        """
        return self._products(left, core, right)[1:]

    def hessian_product(self, W: PointLike | ArrayLike, Z: AmbientLike) -> Any:
        """Return the Hessian of the loss at W applied to a direction Z, exactly.

        Returns
        -------
        ndarray or LinearOperator, shape (K, d_x)
            The matrix, in the same form as the gradient.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification(np.eye(2), [0, 1])
        >>> problem.hessian_product(np.zeros((2, 2)), np.eye(2))
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])
        """
        direction = self._scores(as_direction(W, Z, self.shape))
        return self._matrix(self._entropy(W).moved(direction), is_triple(W))

    # What is said of directions

    def margin(self, W: PointLike | ArrayLike) -> float:
        """Return the least over samples of the score of the label minus the largest of the others.

        It is not divided by a norm of W; of labels -1 and +1 it is the least y_i z_i. Positive
        where all samples are classified right.

        Returns
        -------
        float
            The margin.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.Classification(np.eye(2), [0, 1]).margin([[3.0, 0.0], [0.0, 1.0]])
        1.0
        """
        return float(-self._entropy(W).gaps.max())

    def alignment(self, W: PointLike | LayersLike, depth: float | None = None) -> float:
        r"""Return the cosine between layers and the negative gradient of their loss.

        Of balanced layers with the product W of depth N it is
        :math:`-N \langle G, W \rangle / \sqrt{\langle G, \mathcal{A}_W(G) \rangle\,
        N \sum_i s_i^{2/N}}`. Where it tends to 1 with the margin positive, the direction of W
        tends to a point that satisfies the first-order (KKT) conditions of the least
        :math:`\sum_i s_i^{2/N}` with margins of at least 1.

        Parameters
        ----------
        W : tuple (u, s, vt), or sequence of array_like
            The product, with its depth; or the layers [W_1, ..., W_N], balanced or not.
        depth : float, optional
            The depth N of a product, any real number >= 1.

        Returns
        -------
        float
            The cosine, between -1 and 1; NaN where W or the gradient is zero.

        Raises
        ------
        TypeError, ValueError
            If a product comes without a finite depth, or layers with one, or shapes do not fit.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification(np.eye(2), [0, 1])
        >>> W = np.array([[1.0, -1.0], [-1.0, 1.0]])
        >>> point = fixedrank.FixedRank(2, 2, 1, depth=3).point(W)
        >>> round(problem.alignment(point, 3), 12)
        1.0
        >>> layers = fixedrank.balanced_factors(point, [2, 1, 1, 2])
        >>> round(problem.alignment(layers), 12)
        1.0
        """
        if not is_triple(W):
            if depth is not None:
                raise TypeError(
                    "alignment takes a point (u, s, vt) with the depth of its layers, or a list of "
                    f"layers [W_1, ..., W_N] alone; got layers and depth={depth!r}"
                )
            return alignment_of_layers(self.checked_layers(W), self._unscaled)
        point = as_point(W, *self.shape, np.size(cast(PointLike, W)[1]))
        return alignment_of_point(point, depth, self._unscaled)

    def dual_bound(self, W: PointLike | ArrayLike) -> float:
        r"""Return a lower bound of the least nuclear norm of a matrix with margins of at least 1.

        With the probabilities :math:`p_{ci}` of wrong classes at W and the gradient G there, the
        multipliers :math:`p_{ci} / \|G\|_2` are feasible for the dual problem, so

        .. math:: \frac{\sum_{ci} p_{ci}}{\|G\|_2} \le \min_{\text{margins} \ge 1} \|W'\|_*
            \le \frac{\|W\|_*}{\text{margin}(W)},

        the latter where the margin is positive. Along the flow of two layers both sides meet. The
        bound holds for any W; its quality depends on W. For labels -1 and +1 it is that of W'.

        Returns
        -------
        float
            The bound; infinite where G is zero, which tells that no matrix has such margins.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification(np.eye(2), [0, 1])
        >>> W = np.array([[0.5, -0.5], [-0.5, 0.5]])
        >>> bound = problem.dual_bound(W)
        >>> round(bound, 12), round(float(np.linalg.norm(W, "nuc")) / problem.margin(W), 12)
        (1.0, 1.0)
        """
        entropy = self._entropy(W)
        unit = _unit(entropy)
        wrong = entropy.wrong(unit)
        norm = spectral_norm(self._targets.slopes(wrong), self.X)
        return float(wrong.sum()) / norm if norm > 0 else math.inf

    # Samples

    def batch(self, indices: ArrayLike) -> Loss:
        """Return the loss of some samples, times samples / len(indices).

        Of samples drawn at random this is an unbiased estimate of the loss.

        Parameters
        ----------
        indices : array_like of int, shape (count,)
            The samples, one or more; some may come more than once.

        Returns
        -------
        Loss
            The loss, of as many classes.

        Raises
        ------
        TypeError, ValueError
            If the indices are not integers from 0 to the number of samples.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.Classification(np.eye(2), [0, 1])
        >>> round(problem.batch([1]).loss(np.zeros((2, 2))), 6)  # 2 ln 2
        1.386294
        """
        which = checked_indices(indices, self.labels.size)
        part = copy.copy(self)
        vars(part).pop("separable", None)
        values = self._targets._replace(values=self._targets.values[which])
        part._hold(Labelled(self.X[:, which], values, self.classes))
        return (self.labels.size / which.size) * part

    # Inside

    def _scores(self, W: Any) -> Array:
        """Return W X of a matrix that `as_ambient` returned."""
        if isinstance(W, LowRank):
            left, right = W.finite_pair("Z")
            return np.asarray(left @ (self.X.T @ right).T)
        if isinstance(W, np.ndarray):
            return np.asarray((self.X.T @ W.T).T)
        if isinstance(W, LinearOperator) and scipy.sparse.issparse(self.X):
            return np.asarray((self.X.T @ transposed_times(W, np.eye(self.shape[0]))).T)
        if scipy.sparse.issparse(W) and scipy.sparse.issparse(self.X):
            return np.asarray((W @ self.X).toarray())
        return times(W, self.X)

    def _entropy(self, W: Any) -> Entropy:
        if is_triple(W):
            u, s, vt = as_point(W, *self.shape, np.size(W[1]))
            known: Any = LowRank(u * s, None, vt.T)
        else:
            known = dense_matrix("W", W, self.shape, "(K, d_x)")
        return Entropy(self._targets, self._scores(known))

    def _matrix(self, slopes: Array, thin: bool) -> Any:
        if thin:
            return Slopes(slopes, self.X)
        return np.asarray((self.X @ slopes.T).T)

    def _products(
        self, left: Array, core: Array | None, right: Array, scaled: bool = False
    ) -> tuple[Entropy, Array, Array]:
        """Return the entropy and the thin products of its gradient, of any size if `scaled`."""
        images = self.X.T.dot(right)
        entropy = Entropy(self._targets, _outer(left, core, images.T))
        slopes = entropy.slopes(_unit(entropy) if scaled else 0.0)
        return entropy, slopes.dot(images), self.X.dot(slopes.T.dot(left))

    def _unscaled(self, left: Array, core: Array | None, right: Array) -> tuple[Array, Array]:
        """Return thin products of the gradient times a number that makes it moderate."""
        return self._products(left, core, right, scaled=True)[1:]

    @property
    def _lower_bound(self) -> float | None:
        # For which no linear program is solved.
        return 0.0

    def _thin_loss(self, left: Array, right: Array) -> float:
        if type(self).loss is not Classification.loss:
            return super()._thin_loss(left, right)
        return float(Entropy(self._targets, left @ (self.X.T @ right).T).losses.sum())

    def _logarithmic(
        self, left: Array, core: Array | None, right: Array, infimum: float
    ) -> tuple[float, Array, Array]:
        methods = Classification.loss, Classification.gradient_products
        if infimum != 0 or (type(self).loss, type(self).gradient_products) != methods:
            return super()._logarithmic(left, core, right, infimum)
        entropy, gv, gtu = self._products(left, core, right, scaled=True)
        value = entropy.logarithm()
        factor = math.exp(_unit(entropy) - value)
        return value, factor * gv, factor * gtu

    @property
    def _at_once(self) -> int:  # type: ignore[override]
        return max(1, min(100, _TOGETHER // (self.shape[0] * self.samples)))

    def _losses(self, points: FixedRankPoint) -> Array:
        # A class of its own may replace what is asked of one.
        if type(self).loss is not Classification.loss:
            return super()._losses(points)
        images = matrix_times(self.X.T, transposed(points.vt))
        scores = (points.u * points.s[:, None]) @ transposed(images)
        return np.asarray(Entropy(self._targets, scores).losses.sum(-1))

    def _stacked_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        if type(self).gradient_products is not Classification.gradient_products:
            return super()._stacked_products(left, core, right)
        images = matrix_times(self.X.T, right)
        slopes = Entropy(self._targets, _outer(left, core, transposed(images))).slopes()
        return slopes @ images, matrix_times(self.X, transposed(slopes) @ left)


describe(Classification, MATRICES, THIN)


def _outer(left: Array, core: Array | None, images: Array) -> Array:
    """Return left @ core @ images."""
    return np.asarray((left if core is None else left @ core) @ images)


def _unit(entropy: Entropy) -> float:
    """Return the logarithm of the largest probability of a wrong class."""
    return float((entropy.exponents - entropy.losses).max())
