r"""The squared error of linear measurements, and a ridge on the factors of the matrix."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fixedrank._aliases import AmbientLike, PointLike
from fixedrank._checks import Array, nonnegative_number
from fixedrank._shared_docs import describe
from fixedrank._shown import number
from fixedrank.losses.combinations import combined_matrix
from fixedrank.losses.loss import MATRICES, THIN
from fixedrank.losses.spectral_penalty import NuclearNorm
from fixedrank.recovery.least_squares import LeastSquares
from fixedrank.recovery.measurements import Measurements


class RegularisedLeastSquares(LeastSquares):
    r"""The squared error of measurements plus :math:`\rho \sum_j s_j`.

    Over all factors of W = L R^T this sum is the least :math:`\rho (\|L\|^2 + \|R\|^2) / 2`.

    Attributes
    ----------
    ridge : float
        The weight :math:`\rho` of the sum of the singular values.
    """

    # Of problems that were pickled before there was any.
    ridge: float = 0.0

    def __init__(
        self,
        measurements: Measurements,
        values: Array,
        weights: Array | None = None,
        ridge: float = 0.0,
    ) -> None:
        super().__init__(measurements, values, weights)
        self.ridge = nonnegative_number("ridge", ridge)

    def _shown_facts(self) -> dict[str, str]:
        return {**super()._shown_facts(), "ridge": number(self.ridge) if self.ridge else ""}

    @property
    def _penalty(self) -> NuclearNorm:
        return NuclearNorm(self.ridge)

    def gradient_products(
        self, left: Array, core: Array | None, right: Array
    ) -> tuple[Array, Array]:
        """Return thin products of the gradient G at W = left core right^T.

        This is all that the flows ask of a problem.

        Returns
        -------
        tuple of ndarray, shapes (m, k) and (n, k)
            The products G right and G^T left.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0], [0], [3.0], (1, 1), ridge=0.5)
        >>> problem.gradient_products(np.array([[2.0]]), None, np.array([[1.0]]))
        (array([[-0.5]]), array([[-1.]]))
        """
        gv, gtu = super().gradient_products(left, core, right)
        if self.ridge == 0:
            return gv, gtu
        more = self._penalty.gradient_products(left, core, right)
        return gv + more[0], gtu + more[1]

    def hessian_product(self, W: PointLike | ArrayLike, Z: AmbientLike) -> Any:
        r"""Return the Hessian of the loss applied to Z.

        Of the squares it is :math:`\sum_i w_i \langle A_i, Z \rangle A_i`, the same at every W.
        With a ridge it is that on the matrices of the rank of W.

        Returns
        -------
        csr_array, ndarray, pair of ndarray or MatrixSum, shape (m, n)
            A matrix in the same form as the gradient.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 1.0], (2, 2))
        >>> problem.hessian_product(np.eye(2), np.array([[5.0, 6.0], [7.0, 8.0]])).toarray()
        array([[5., 0.],
               [0., 8.]])
        """
        image = super().hessian_product(W, Z)
        if self.ridge == 0:
            return image
        more = self._penalty.hessian_product(self._known(W), Z)
        return combined_matrix([(1.0, image), (1.0, more)])

    def line_minimum(  # type: ignore[override]
        self, W: PointLike | ArrayLike, Z: AmbientLike
    ) -> float | None:
        """Return the t at which the loss of W + t Z is least; None where there is a ridge.

        Returns
        -------
        float or None
            The minimiser, of either sign; 0 if the loss does not change along Z. A ridge bends
            along the line.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.MatrixCompletion([0, 1], [0, 1], [3.0, 3.0], (2, 2))
        >>> problem.line_minimum(np.zeros((2, 2)), np.eye(2))
        3.0
        """
        return super().line_minimum(W, Z) if self.ridge == 0 else None

    def _trial_step(self, W: PointLike, Z: Any) -> float:
        slope, curvature, units = self._along(W, Z)
        if not curvature > 0:
            return 0.0
        if self.ridge > 0:
            bending = self._penalty.slope_along(self._known(W), Z)
            slope += bending / units[0] if units else bending
        t = -slope / curvature
        return t / units[0] if units else t

    @property
    def _price_of_rank(self) -> float:  # type: ignore[override]
        return self.ridge

    def _loss_at(self, W: Any) -> float:
        loss = super()._loss_at(W)
        return loss if self.ridge == 0 else loss + self._penalty.loss(W)

    def _gradient_at(self, W: Any) -> Any:
        gradient = super()._gradient_at(W)
        if self.ridge == 0:
            return gradient
        return combined_matrix([(1.0, gradient), (1.0, self._penalty.gradient(W))])


describe(RegularisedLeastSquares, MATRICES, THIN)
