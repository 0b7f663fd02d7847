"""The regression problem of the paper: losses (2) and (4), held by C = X X^T and B = Y X^T."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from fixedrank._aliases import AmbientLike, DataLike, LayersLike, PointLike
from fixedrank._checks import Array, RankLostError
from fixedrank.geometry.factored.ambient import LowRank
from fixedrank.geometry.factored.points import FixedRankPoint, is_triple
from fixedrank.geometry.factored.stacks import times_matrix
from fixedrank.losses.data import digest_of
from fixedrank.losses.decomposition import Decomposition, decomposed, range_of
from fixedrank.losses.loss import Loss, LossSum
from fixedrank.losses.moment_loss import MomentLoss, as_pair
from fixedrank.losses.moment_regression import MomentRegression
from fixedrank.losses.moments import product_of_data
from fixedrank.losses.principal import PrincipalRegression
from fixedrank.losses.samples import GivenSamples, Samples, gathered, samples_of
from fixedrank.networks.layers import checked_layers


class LinearRegression(MomentLoss):
    r"""The least-squares problem of fitting W X to Y.

    :math:`L^1(W) = \frac12 \|Y - WX\|_F^2` (equation (4)) for one matrix and
    :math:`L^N(W_1, \dots, W_N) = L^1(W_N \cdots W_1)` (equation (2)) for the layers of a linear
    network. After set-up everything is computed from C = X X^T, B = Y X^T and, for arrays,
    Q = B C^{-1/2}, so the number of samples costs nothing.

    C and B are kept in the form that takes least memory: as arrays where there are many more
    samples than features, as sparse arrays, or as products of the data, so that C v is X (X^T v).
    X X^T may be singular, as with fewer samples than features. All of that serves in flows and in
    optimization; Q and what comes from it (the critical points, the classification of points)
    needs arrays with X X^T invertible, and raises an error that says so. :meth:`on_range` makes it
    invertible. :class:`MomentRegression` takes C and B themselves.

    Parameters
    ----------
    X : array_like or sparse array, shape (d_x, samples)
        The data, one sample a column.
    Y : array_like or sparse array, shape (d_y, samples)
        The labels. Y = X makes an autoencoder.
    sample_weight : array_like, shape (samples,), optional
        A weight for each sample, at least 0: the loss is half the weighted sum of squares,
        :math:`\frac12 \sum_i w_i \|y_i - W x_i\|^2`, and C, B and Q are those of the samples
        times the roots of their weights.

    Attributes
    ----------
    C : ndarray, csr_array or LinearOperator, shape (d_x, d_x)
        X X^T; an array if X is one with at least half as many samples as features.
    B : ndarray, csr_array or LinearOperator, shape (d_y, d_x)
        Y X^T, likewise.
    squared_norm : float
        \|Y\|_F^2.
    shape : tuple of int
        (d_y, d_x), the shape of W.
    basis : ndarray, shape (features, d_x), or None
        Set by :meth:`on_range`: orthonormal basis of the range of the data before reduction.
    samples : int or None
        The number of samples of which :meth:`batch` takes some: X and Y are kept for it, not
        copied. None of chunks, and of a problem that has gone through a file or a pickle.

    Raises
    ------
    TypeError, ValueError
        If X and Y are not finite real arrays with as many columns, or there is not one weight, at
        least 0, for each of these.

    Notes
    -----
    With the thin SVD of X, an array, L^1(W) = \|W C^{1/2} - Q\|^2 / 2 + residual^2 / 2. Unlike the
    expansion in C, B and \|Y\|^2, which has to serve for sparse data, this does not cancel: a
    residual of 1e-12 relative comes out right.

    References
    ----------
    Section 2 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> X = np.random.default_rng(0).standard_normal((3, 10))
    >>> problem = fixedrank.LinearRegression(X, 2 * X)
    >>> problem.loss(2 * np.eye(3)) < 1e-28
    True
    """

    basis: Array | None = None
    _given: GivenSamples | None = None

    def __init__(self, X: DataLike, Y: DataLike, *, sample_weight: ArrayLike | None = None) -> None:
        self._hold(samples_of(X, Y, sample_weight))

    def _hold(self, samples: Samples, *, whole: bool = True) -> None:
        data, labels = samples.data, samples.labels
        with np.errstate(over="ignore", invalid="ignore"):
            moments = product_of_data(data, data), product_of_data(labels, data)
        arrays = (moment for moment in moments if isinstance(moment, np.ndarray))
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(
                "X X^T or Y X^T overflows: the largest entries are "
                f"{abs(data).max():.1e} in X and {abs(labels).max():.1e} in Y; scale the data"
            )
        super().__init__(*moments, samples.squared_norm)
        if whole or samples.sparse:
            self._decomposed = None if samples.sparse else decomposed(samples)
        self.digest, self._given = samples.digest, samples.given

    @cached_property
    def _decomposed(self) -> Decomposition | None:
        """The decomposition of the samples; of a batch it is made when it is first asked for."""
        assert self._given is not None
        return decomposed(self._on_basis(self._given.weighed(self.digest)))

    def _on_basis(self, samples: Samples) -> Samples:
        return samples if self.basis is None else samples.on_range(self.basis)

    def __getstate__(self) -> dict[str, Any]:
        # Whoever gets a problem sent needs its moments: samples may be many.
        return {"_decomposed": self._decomposed, **vars(self), "_given": None}

    def _parts(self) -> dict[str, Any] | None:
        """Return all that this problem holds as arrays and numbers; None where it holds others."""
        moments = {"C": self.C, "B": self.B}
        if self._decomposed is None or not all(type(M) is np.ndarray for M in moments.values()):
            return None
        rest = {name: getattr(self, name) for name in ("squared_norm", "basis", "digest")}
        return {**moments, **rest, "decomposed": self._decomposed._asdict()}

    @classmethod
    def _from_parts(cls, parts: Mapping[str, Any]) -> LinearRegression:
        """Return the problem of such parts, to the last digit."""
        problem = cls.__new__(cls)
        MomentLoss.__init__(problem, parts["C"], parts["B"], parts["squared_norm"])
        problem._decomposed = Decomposition(**parts["decomposed"])
        problem.basis, problem.digest = parts["basis"], parts["digest"]
        return problem

    def _shown_facts(self) -> dict[str, str]:
        facts = super()._shown_facts()
        if self._decomposed is not None:
            rank, features = self._decomposed.scales.size, self.shape[1]
            facts["samples"] = f"{self._decomposed.total}, X of rank {rank} of {features}"
        if self.basis is not None:
            facts["range"] = f"of dimension {self.basis.shape[1]} in {self.basis.shape[0]} features"
        return facts

    # Other ways to a problem

    @classmethod
    def on_range(
        cls, X: ArrayLike, Y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> LinearRegression:
        """Return the problem restricted to the range of X, for data with singular X X^T.

        With an orthonormal basis E of the range, X = E (E^T X), and W X = (W E)(E^T X): the
        problem for W E with data E^T X has the same losses, and nonsingular C. What W does
        orthogonally to the range changes no loss; :meth:`extend` sets it to zero. Layers are
        carried over by :meth:`restrict_layers`.

        Parameters
        ----------
        X : array_like, shape (features, samples)
            The data, of any rank >= 1.
        Y : array_like, shape (d_y, samples)
            The labels.
        sample_weight : array_like, shape (samples,), optional
            A weight for each sample.

        Returns
        -------
        LinearRegression
            The problem with d_x = rank of X, whose ``basis`` is E.

        Raises
        ------
        TypeError, ValueError
            If X and Y are not finite real arrays with as many columns, if they are sparse, or X is
            zero.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
        >>> problem = fixedrank.LinearRegression.on_range(X, X)
        >>> problem.shape
        (3, 2)
        >>> bool(np.allclose(problem.extend(problem.B @ np.linalg.inv(problem.C)) @ X, X))
        True
        """
        return cls._from_samples(samples_of(X, Y, sample_weight), on_range=True)

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[tuple[ArrayLike, ...] | LinearRegression],
        *,
        on_range: bool = False,
    ) -> LinearRegression:
        """Return the problem of samples that come in chunks, for more than fit in memory.

        The chunks are read once, one after the other, and none is kept: memory hangs on d_x and
        d_y only. X is brought to triangular form block by block, so Q and its singular values are
        as accurate as from all samples at once.

        Parameters
        ----------
        chunks : iterable
            Of pairs (X, Y), or triples (X, Y, sample_weight), of arrays with the samples of a
            chunk in their columns: a generator, slices of a memory map, the computed blocks of a
            Dask array. A LinearRegression stands for its samples, so machines may each make the
            problem of their samples, and one make that of all.
        on_range : bool
            Whether the problem is restricted to the range of X, as by :meth:`on_range`.

        Returns
        -------
        LinearRegression
            The problem.

        Raises
        ------
        TypeError, ValueError
            If there are no chunks, their shapes do not fit together, or one is not what
            LinearRegression takes as X, Y and sample_weight, as arrays; which one.

        Notes
        -----
        `digest` hangs on where the chunks begin and end.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> rng = np.random.default_rng(0)
        >>> chunks = [(rng.standard_normal((3, 50)), np.ones((1, 50))) for _ in range(4)]
        >>> problem = fixedrank.LinearRegression.from_chunks(chunks)
        >>> X, Y = (np.hstack(parts) for parts in zip(*chunks))
        >>> bool(np.allclose(problem.Q, fixedrank.LinearRegression(X, Y).Q))
        True
        """
        return cls._from_samples(gathered(map(_read, count(), chunks)), on_range=on_range)

    @classmethod
    def _from_samples(cls, samples: Samples, *, on_range: bool) -> LinearRegression:
        problem = cls.__new__(cls)
        if on_range:
            if samples.sparse:
                raise TypeError(
                    "on_range needs an SVD of X, so X and Y as arrays; LinearRegression(X, Y) "
                    "takes sparse data of any rank"
                )
            problem.basis = range_of(samples)
            if not problem.basis.size:
                raise ValueError(
                    f"X of {samples.total} samples with {len(samples.data)} features is zero: "
                    "there is nothing to fit"
                )
        problem._hold(problem._on_basis(samples))
        return problem

    @staticmethod
    def from_moments(C: AmbientLike, B: AmbientLike, squared_norm: float) -> MomentRegression:
        r"""Return the problem with given C = X X^T and B = Y X^T, in any form.

        Parameters
        ----------
        C : array, sparse array, pair (L, R) or LinearOperator, shape (d_x, d_x)
            X X^T, as :class:`MomentRegression` takes it.
        B : array, sparse array, pair (L, R) or LinearOperator, shape (d_y, d_x)
            Y X^T.
        squared_norm : float
            \|Y\|_F^2.

        Returns
        -------
        MomentRegression
            The problem. It has losses and derivatives, but not Q and what comes from it.

        Raises
        ------
        TypeError, ValueError
            As MomentRegression does.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> fixedrank.LinearRegression.from_moments(np.eye(2), np.ones((3, 2)), 6.0).shape
        (3, 2)
        """
        return MomentRegression(C, B, squared_norm)

    def extend(self, W: PointLike | ArrayLike) -> Array | FixedRankPoint:
        """Return W E^T, which acts on the data as they were before :meth:`on_range`.

        Parameters
        ----------
        W : ndarray, shape (d_y, d_x), or point
            A solution of the restricted problem.

        Returns
        -------
        ndarray, shape (d_y, features), or FixedRankPoint
            The same map on the original data, of the kind that W is; W itself for a problem that
            was not restricted.

        Raises
        ------
        ValueError
            If W has the wrong shape.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.diag([1.0, 2.0, 0.0])
        >>> fixedrank.LinearRegression.on_range(X, X).extend(np.eye(3, 2)).shape
        (3, 3)
        """
        if is_triple(W):
            u, s, vt = self._point(W)
            return FixedRankPoint(u, s, vt if self.basis is None else vt @ self.basis.T)
        matrix = self._matrix(W)
        return matrix if self.basis is None else matrix @ self.basis.T

    def restrict_layers(self, factors: LayersLike) -> list[Array]:
        r"""Return layers of a network for the restricted problem of :meth:`on_range`.

        With the basis E of the range, :math:`W_1` becomes :math:`W_1 E`, and all losses stay. What
        :math:`W_1` does orthogonally to the range changes none, and gradient flow and descent keep
        :math:`W_1 (I - EE^T)` as it is; so they are the same for the layers here, with it left out.
        It is not left out of balance:

        .. math:: W_2^T W_2 - (W_1 E)(W_1 E)^T
            = W_2^T W_2 - W_1 W_1^T + W_1 (I - EE^T) W_1^T,

        so layers that are balanced are so here if and only if :math:`W_1 (I - EE^T) = 0`.

        Parameters
        ----------
        factors : sequence of array_like
            The layers [W_1, ..., W_N] for the data before; W_1 has shape (d_1, features).

        Returns
        -------
        list of ndarray
            The layers [W_1 E, W_2, ..., W_N]; as they are if the problem was not restricted.

        Raises
        ------
        TypeError, ValueError
            If the layers do not fit together, with the labels or the data.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X, layers = np.diag([1.0, 2.0, 0.0]), [np.ones((2, 3)), np.ones((3, 2))]
        >>> problem = fixedrank.LinearRegression.on_range(X, X)
        >>> [layer.shape for layer in problem.restrict_layers(layers)]
        [(2, 2), (3, 2)]
        >>> before = fixedrank.LinearRegression(X, X).network_loss(layers)
        >>> bool(np.isclose(problem.network_loss(problem.restrict_layers(layers)), before))
        True
        """
        features = self.shape[1] if self.basis is None else len(self.basis)
        layers = checked_layers(factors, (self.shape[0], features))
        return layers if self.basis is None else [layers[0] @ self.basis, *layers[1:]]

    def extend_layers(self, factors: LayersLike) -> list[Array]:
        """Return layers of the restricted problem as layers for the data before.

        With the basis E of the range W_1 becomes W_1 E^T, which vanishes orthogonally to it. The
        losses stay, and so does balance, as E^T E = I.

        Parameters
        ----------
        factors : sequence of array_like
            The layers [W_1, ..., W_N] for this problem; W_1 has shape (d_1, d_x).

        Returns
        -------
        list of ndarray
            The layers [W_1 E^T, W_2, ..., W_N].

        Raises
        ------
        TypeError, ValueError
            If the layers do not fit together or to the problem.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> X = np.diag([1.0, 2.0, 0.0])
        >>> problem = fixedrank.LinearRegression.on_range(X, X)
        >>> layers = fixedrank.random_balanced_factors([2, 2, 3], rng=0)
        >>> [layer.shape for layer in problem.extend_layers(layers)]
        [(2, 3), (3, 2)]
        """
        layers = self.checked_layers(factors)
        return layers if self.basis is None else [layers[0] @ self.basis.T, *layers[1:]]

    @property
    def samples(self) -> int | None:  # type: ignore[override]
        """The number of samples of which :meth:`batch` takes some; None where none are kept."""
        return None if self._given is None else self._given.total

    def batch(self, indices: ArrayLike) -> LinearRegression:
        r"""Return the problem of some of the samples, an unbiased estimate of that of all.

        Parameters
        ----------
        indices : array_like of int, shape (count,)
            The numbers of the samples, from 0; some may occur more than once.

        Returns
        -------
        LinearRegression
            The problem whose loss is the sum over these samples, with their weights, times
            ``samples / count``; on the range of all if this one is.

        Raises
        ------
        TypeError, ValueError
            If these are not numbers of some of the samples, or none are kept.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2, 4), np.ones((1, 4)))
        >>> problem.batch([0]).C
        array([[4., 0.],
               [0., 0.]])
        """
        if self._given is None:
            raise TypeError(
                "a batch needs the samples, and this problem holds none: it was made of chunks, "
                "read from a file, or has gone through a pickle; make LinearRegression(X, Y)"
            )
        problem = type(self).__new__(type(self))
        problem.basis = self.basis
        given = self._given.batch(indices)
        # Of the samples themselves it would cost more than a step of descent.
        digest = digest_of(np.asarray(indices))
        some = given.weighed(hashlib.sha256(f"{digest} of {self.digest}".encode()).hexdigest())
        problem._hold(problem._on_basis(some), whole=False)
        return problem

    # What dense data add

    @cached_property
    def root(self) -> Array:
        """The symmetric square root C^{1/2}, shape (d_x, d_x). Needs X X^T invertible."""
        dense = self._regular("the root C^{1/2}")
        return dense.half @ dense.axes.T

    @cached_property
    def Q(self) -> Array:
        """B C^{-1/2}, shape (d_y, d_x), whose singular values make the critical points.

        Needs X and Y as arrays, and X X^T invertible.
        """
        dense = self._regular("Q = B C^{-1/2}")
        return dense.labels @ dense.axes.T

    @cached_property
    def svd(self) -> tuple[Array, Array, Array]:
        """The thin singular value decomposition (U, s, V^T) of Q. Needs X X^T invertible.

        All critical points of L^1 on M_k come from it: see :func:`critical_points`.
        """
        u, s, vt = scipy.linalg.svd(self.Q, full_matrices=False)
        return u, s, vt

    @property
    def rank(self) -> int:
        """The rank q of Q: the number of singular values above `tolerance`."""
        return int((self.svd[1] > self.tolerance).sum())

    @property
    def tolerance(self) -> float:
        """Round-off of Q, which comes from that of Y. Needs X and Y as arrays.

        Singular values up to it are zero, and two that differ by less are the same.
        """
        return self._dense("the tolerance of singular values of Q").tolerance

    @property
    def residual(self) -> float:
        r"""The smallest value of \|Y - WX\|_F over all W. Needs X and Y as arrays."""
        return self._dense("the residual of the best fit").residual

    @property
    def infimum(self) -> float | None:  # type: ignore[override]
        """The least loss of all W, half of the squared residual; None where data are sparse."""
        return None if self._decomposed is None else self._decomposed.residual**2 / 2

    @property
    def _lower_bound(self) -> float | None:
        return 0.0 if self._decomposed is None else self.infimum

    # Inside

    def _dense(self, what: str) -> Decomposition:
        if self._decomposed is None:
            raise TypeError(
                f"{what} needs the singular value decomposition of X, but this problem holds C "
                f"{self.C.shape} as {type(self.C).__name__} and B as {type(self.B).__name__}: "
                "it serves for losses, gradients, flows and optimization only. For critical points "
                "and what builds on them, make LinearRegression(X, Y) of X and Y as NumPy arrays"
            )
        return self._decomposed

    def _regular(self, what: str) -> Decomposition:
        dense = self._dense(what)
        if not dense.regular:
            features, rank = dense.axes.shape
            raise RankLostError(
                f"{what} needs X X^T invertible, but X has rank {rank}, and full rank is "
                f"{features}; LinearRegression.on_range(X, Y) restricts the problem to the range "
                "of X without loss, and its restrict_layers(factors) the layers of a network",
                dense.singular_values,
                dense.cutoff,
            )
        return dense

    def _loss_at(self, W: LowRank | Array) -> float:
        if self._decomposed is None:
            return super()._loss_at(W)
        return self._decomposed.loss(*as_pair(W))

    def _excess(self, left: Array, right: Array, infimum: float) -> float:
        # Without the part of the labels that no W fits nothing cancels.
        own = type(self).loss is LinearRegression.loss
        if self._decomposed is None or not own or infimum != self.infimum:
            return super()._excess(left, right, infimum)
        return self._decomposed._replace(residual=0.0).loss(left, right)

    def _losses(self, points: FixedRankPoint) -> Array:
        # A class of its own may replace what is asked of one.
        if self._decomposed is None or type(self).loss is not LinearRegression.loss:
            return super()._losses(points)
        images = times_matrix(points.vt, self._decomposed.half)
        return self._decomposed.losses(points.u * points.s[:, None], images)

    def _in_principal_axes(self) -> tuple[Loss, Array | None]:
        dense = self._decomposed
        # A class of its own may replace what flows ask for, in the given coordinates.
        if type(self) is not LinearRegression or dense is None or not dense.regular:
            return self, None
        return PrincipalRegression(self, dense), dense.axes


def _read(index: int, chunk: Any) -> Samples:
    """Return the samples of a chunk."""
    try:
        if isinstance(chunk, LinearRegression):
            if chunk.basis is not None:
                raise ValueError(
                    "a problem on the range of its samples only does not know them; say "
                    "on_range=True to from_chunks instead"
                )
            return chunk._dense("a chunk").samples()
        if not (isinstance(chunk, (tuple, list)) and len(chunk) in (2, 3)):
            raise TypeError(
                "it must be a pair (X, Y), a triple (X, Y, sample_weight) or a LinearRegression, "
                f"got a {type(chunk).__name__}"
            )
        samples = samples_of(*chunk)
        if samples.sparse:
            raise TypeError("X and Y must be arrays: .toarray() makes a sparse chunk one")
    except (TypeError, ValueError) as error:
        raise type(error)(f"chunk {index}: {error}") from error
    return samples


def require_regression(problem: Any, what: str) -> None:
    """Raise a TypeError unless the problem is a regression, by its data or by C, B and ||Y||^2."""
    if not isinstance(problem, MomentLoss):
        raise TypeError(
            f"{what} needs a LinearRegression(X, Y), as it is made of C = X X^T and B = Y X^T; "
            f"a {type(problem).__name__} has none{_of_sums(problem)}"
        )


def require_data(problem: Any, what: str) -> None:
    """Raise unless the problem has Q: a regression by data, as arrays with X X^T invertible.

    Raises
    ------
    TypeError
        If it is no LinearRegression, or one of sparse data.
    RankLostError
        If X X^T is singular.
    """
    if not isinstance(problem, LinearRegression):
        raise TypeError(
            f"{what} needs a LinearRegression(X, Y) of X and Y as NumPy arrays, which has "
            f"Q = B C^(-1/2) and its singular values; a {type(problem).__name__} has none"
            + _of_sums(problem)
        )
    problem._regular(what)


def _of_sums(problem: Any) -> str:
    if not isinstance(problem, LossSum):
        return ""
    return ": take the regression alone, and for a SchattenDecay the argument weight_decay"
