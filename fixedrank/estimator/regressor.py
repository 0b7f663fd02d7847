"""Ratings as they come: matrix completion as an estimator of scikit-learn."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fixedrank._checks import Array
from fixedrank._optional import import_extra
from fixedrank.estimator.choice import chosen
from fixedrank.estimator.data import Ratings, ratings
from fixedrank.estimator.fitting import fitted
from fixedrank.estimator.labels import column_names, two_columns
from fixedrank.estimator.objective import Model, Penalties
from fixedrank.estimator.options import Options, generator
from fixedrank.geometry.factored.orthonormal import point_of
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.recovery.entries import Indices, entries_of_product
from fixedrank.recovery.rank import truncate

_base = import_extra("sklearn.base", "data", "fixedrank.estimator")
RegressorMixin: Any = _base.RegressorMixin
BaseEstimator: Any = _base.BaseEstimator
_validation = import_extra("sklearn.utils.validation", "data", "fixedrank.estimator")


class MatrixCompletionRegressor(RegressorMixin, BaseEstimator):
    r"""Ratings by a matrix of low rank and biases of rows and columns, as scikit-learn fits them.

    X has two columns, a row id and a column id, such as a user and a film: numbers, text or any
    other hashable objects. y has the ratings. What is fitted is

    .. math:: \frac12 \sum_{(i,j)} w_{ij} (\mu + b_i + c_j + W_{ij} - y_{ij})^2
              + \rho \, \| D W E \|_* + \frac{\beta}{2} (\| b \|^2 + \| c \|^2)

    over matrices W of at most the rank, with the sum of singular values as the norm: it is the
    ridge of alternating least squares. The diagonal matrices D and E have the numbers of ratings of
    rows and of columns to the power ``ridge_power / 2``, divided by a mean.

    Parameters
    ----------
    rank : int
        The highest rank. It is lower where the ridge outweighs what another direction gains, or
        where there are fewer rows or columns.
    depth : float
        The depth N of the metric on the manifold of matrices of the rank, by which the fit ends. It
        bears upon the way to the minimum, not upon where it is.
    ridge : "auto" or float
        The weight :math:`\rho`, in the unit of y; "auto" chooses it by ratings that are held out.
    ridge_power : float
        How the ridge grows with the number of ratings of a row or column: 0 not at all, 1 in
        proportion.
    biases : bool
        Whether to fit b and c.
    shrinkage : "auto" or float
        The weight :math:`\beta`: the biases are as if there were so many more ratings of the
        average in each row and column. "auto" chooses it by ratings that are held out.
    held_out : float
        The share of the ratings that is held out to choose, in as many parts as it takes to hold
        out 2000 ratings, at most five. The model is then fitted to all ratings.
    clip : None, "auto" or tuple of two floats
        The least and the greatest prediction; "auto" takes those of y.
    tol : float
        The fit ends where an iteration lowers the objective by less than this share.
    max_iter : int
        The most sweeps of alternating least squares, and the most iterations of conjugate gradients
        on the manifold after them.
    warm_start : bool
        Whether ``fit`` goes on from the last fit, where the ids are the same: from its model, with
        the penalties that it chose. For a rising rank.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        What is held out, and where searches for directions start: a seed, a generator, or None for
        fresh entropy. The global state of NumPy is not touched.

    Attributes
    ----------
    point_ : FixedRankPoint
        The matrix W, with the rows and columns of ``row_ids_`` and ``column_ids_``.
    mean_ : float
        The mean :math:`\mu`.
    row_biases_, column_biases_ : ndarray, shapes (m,) and (n,)
        The biases b and c.
    row_ids_, column_ids_ : ndarray, shapes (m,) and (n,)
        The ids, ascending where they can be ordered.
    rank_ : int
        The rank of W, 0 where biases alone predict best.
    ridge_, shrinkage_ : float
        The weights :math:`\rho` and :math:`\beta`.
    row_scales_, column_scales_ : ndarray, shapes (m,) and (n,)
        The diagonals D and E.
    ridges_, held_out_errors_ : ndarray
        The ridges that were tried, and the root mean square errors on what was held out; empty
        where the ridge was given.
    n_iter_ : int
        How many sweeps and iterations the fit to all ratings took.
    n_features_in_ : int

        2.
    feature_names_in_ : ndarray of str, shape (2,)
        The names of the columns, if X is a data frame with names.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed; it comes with the extra ``data``.

    References
    ----------
    Y. Koren, R. Bell and C. Volinsky, "Matrix factorization techniques for recommender systems",
    Computer 42, 2009. N. Srebro and R. Salakhutdinov, "Collaborative filtering in a non-uniform
    world: learning with the weighted trace norm", NIPS 2010.

    Examples
    --------
    >>> from fixedrank.estimator import MatrixCompletionRegressor
    >>> pairs = [("ann", 1), ("ann", 2), ("ben", 1), ("ben", 3), ("cem", 2), ("cem", 3)]
    >>> model = MatrixCompletionRegressor(rank=1, random_state=0).fit(pairs, [5, 3, 4, 2, 4, 3])
    >>> model.row_ids_, model.column_ids_
    (array(['ann', 'ben', 'cem'], dtype='<U3'), array([1, 2, 3]))
    >>> model.predict([("ann", 3), ("somebody else", 1)]).shape
    (2,)
    """

    def __init__(
        self,
        rank: int = 10,
        *,
        depth: float = 1,
        ridge: float | str = "auto",
        ridge_power: float = 0.5,
        biases: bool = True,
        shrinkage: float | str = "auto",
        held_out: float = 0.1,
        clip: str | tuple[float, float] | None = None,
        tol: float = 1e-5,
        max_iter: int = 100,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.depth = depth
        self.ridge = ridge
        self.ridge_power = ridge_power
        self.biases = biases
        self.shrinkage = shrinkage
        self.held_out = held_out
        self.clip = clip
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model to a table of values.

        Parameters
        ----------
        X : data frame, array or sequence of pairs, two columns
            A row id and a column id for each rating. A pair that is there several times counts as
            one rating, with the mean of the values and the sum of the weights.
        y : array_like, shape (p,)
            The ratings.
        sample_weight : array_like, shape (p,), optional
            The weights of the squared errors; a weight of two is the same as the row twice, and of
            zero as no row.

        Returns
        -------
        MatrixCompletionRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If X has not two columns of ids, y or weights are not as many finite numbers, or a
            parameter is of the wrong kind or out of range.

        Examples
        --------
        >>> from fixedrank.estimator import MatrixCompletionRegressor
        >>> X, y = [(0, 0), (0, 1), (1, 0), (1, 1)], [1.0, 2.0, 2.0, 4.0]
        >>> exact = MatrixCompletionRegressor(1, ridge=0.0, shrinkage=0.0, tol=1e-12)
        >>> exact.fit(X, y).predict(X).round(3)
        array([1., 2., 2., 4.])
        """
        options = Options.of(self)
        rng = generator(self.random_state)
        data = ratings(X, y, sample_weight, options.ridge_power)
        table = data.table
        rank = min(options.rank, *table.shape)
        start, ridge, shrinkage = self._start(data, options, rank)
        choice = chosen(table, rank, ridge, shrinkage, options.held_out, rng)
        model, self.n_iter_ = fitted(
            table,
            start or choice.model,
            choice.penalties,
            rank,
            options.depth,
            tol=options.tol,
            max_iter=options.max_iter,
            rng=rng,
        )
        self._keep(data, model, choice.penalties)
        if start is None:
            self.ridges_ = np.ldexp(choice.ridges, data.exponent)
            self.held_out_errors_ = np.ldexp(np.sqrt(choice.errors), data.exponent)
        self.n_features_in_ = 2
        names = column_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> Array:
        """Return the ratings of pairs of ids.

        Parameters
        ----------
        X : data frame, array or sequence of pairs, two columns
            A row id and a column id each. Of an id that was not there in ``fit`` nothing is known:
            its bias is zero, and so is W there.

        Returns
        -------
        ndarray, shape (p,)
            The ratings.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        TypeError, ValueError
            If X has not two columns of ids, or columns of other names than in ``fit``.

        Examples
        --------
        >>> from fixedrank.estimator import MatrixCompletionRegressor
        >>> model = MatrixCompletionRegressor(1, ridge=1.0, shrinkage=0.0)
        >>> model.fit([("a", "x"), ("b", "y")], [1, 3]).predict([("c", "z")])
        array([2.])
        """
        _validation.check_is_fitted(self, "point_")
        names = column_names(X)
        own = getattr(self, "feature_names_in_", names)
        if names is not None and list(names) != list(own):
            raise ValueError(
                "The feature names should match those that were passed during fit: "
                f"they were {list(own)}, and are {list(names)}"
            )
        rows, columns = two_columns(X)
        return self._predicted(self._rows.places(rows), self._columns.places(columns))

    def predict_row(self, row_id: Any) -> tuple[Array, Array]:
        """Return the ratings of a row in all columns, such as those of a user for all films.

        Parameters
        ----------
        row_id : hashable
            The row; if it was not there in ``fit``, the ratings are those of the columns.

        Returns
        -------
        tuple of ndarray, shapes (n,) and (n,)
            The column ids, as in ``column_ids_``, and the ratings.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.

        Examples
        --------
        >>> from fixedrank.estimator import MatrixCompletionRegressor
        >>> X, y = [(0, "x"), (0, "y"), (1, "x"), (1, "y")], [1.0, 2.0, 2.0, 4.0]
        >>> films, stars = MatrixCompletionRegressor(1, random_state=0).fit(X, y).predict_row(1)
        >>> str(films[stars.argmax()])
        'y'
        """
        _validation.check_is_fitted(self, "point_")
        (row,) = self._rows.places([row_id])
        columns = np.arange(len(self._columns))
        return self.column_ids_, self._predicted(np.full_like(columns, row), columns)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def _predicted(self, i: Indices, j: Indices) -> Array:
        """Return what is predicted at places in the matrix, -1 for those outside."""
        u, s, vt = self.point_
        known = np.flatnonzero((i >= 0) & (j >= 0))
        values = np.full(i.size, self.mean_)
        # The last entry is for ids that are not known.
        values += np.append(self.row_biases_, 0.0)[i] + np.append(self.column_biases_, 0.0)[j]
        if s.size:
            values[known] += entries_of_product(u * s, vt.T, i[known], j[known])
        if self.clip is not None:
            low, high = self._range if isinstance(self.clip, str) else self.clip
            np.clip(values, low, high, out=values)
        return values

    def _start(
        self, data: Ratings, options: Options, rank: int
    ) -> tuple[Model | None, float | None, float | None]:
        """Return where to start, and the penalties that are known, for the data near one."""
        ridge = options.ridge
        if ridge is not None:
            with np.errstate(over="ignore"):
                # Far above the unit of the ratings nothing but biases is left.
                ridge = float(np.ldexp(ridge, -data.exponent))
        shrinkage = options.shrinkage
        if not (
            options.warm_start
            and hasattr(self, "point_")
            and data.rows.ids == self._rows.ids
            and data.columns.ids == self._columns.ids
        ):
            return None, ridge, shrinkage
        d, e = data.table.sides
        u, s, vt = self.point_
        if s.size:
            u, s, vt = point_of(
                d[:, None] * u * np.ldexp(s, -data.exponent), None, e[:, None] * vt.T
            )
            u, s, vt = truncate((u, s, vt), min(rank, s.size))
        model = Model(
            FixedRankPoint(u, s, vt),
            np.ldexp(self.row_biases_, -data.exponent),
            np.ldexp(self.column_biases_, -data.exponent),
        )
        if ridge is None:
            ridge = math.ldexp(self.ridge_, -data.exponent)
        return model, ridge, self.shrinkage_ if shrinkage is None else shrinkage

    def _keep(self, data: Ratings, model: Model, penalties: Penalties) -> None:
        """Keep what was fitted, in the unit of the ratings."""
        d, e = data.table.sides
        u, s, vt = model.point
        if s.size:
            u, s, vt = point_of(u * s / d[:, None], None, vt.T / e[:, None])
        self._rows, self._columns, self._range = data.rows, data.columns, data.range
        self.point_ = FixedRankPoint(u, np.ldexp(s, data.exponent), vt)
        self.rank_, self.mean_ = s.size, data.mean
        self.row_biases_ = np.ldexp(model.row_biases, data.exponent)
        self.column_biases_ = np.ldexp(model.column_biases, data.exponent)
        self.row_ids_, self.column_ids_ = data.rows.as_array(), data.columns.as_array()
        self.row_scales_, self.column_scales_ = d, e
        self.ridge_ = math.ldexp(penalties.ridge, data.exponent)
        self.shrinkage_ = penalties.shrinkage
