"""What gradient descent leaves behind: the iterates that were asked for, and a status in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixedrank._checks import Array
from fixedrank._shown import Displayed, from_to, number
from fixedrank.flows.drawn import Drawn
from fixedrank.flows.saving import Saved
from fixedrank.flows.tables import data_frame, effective_ranks, layers_shown
from fixedrank.flows.trajectory import product_factors
from fixedrank.networks.layers import balancedness, differences, product


def flow_time(step: float, momentum: float) -> float:
    """Return the time of the flow that a step goes, where steps are short."""
    return step / (1 - momentum)


@dataclass(frozen=True, kw_only=True, repr=False)
class DescentTrajectory(Displayed, Drawn, Saved):
    """Iterates of gradient descent, with the options that made them.

    Attributes
    ----------
    iterations : ndarray of int, shape (kept,)
        The numbers of the iterates that are kept, 0 for the start; the last one is that at which a
        callback stopped the iteration, if it did.
    step_size : float
        The step size eta.
    loss, gradient_norm : ndarray, shape (kept,)
        The loss L^N, and the length of its gradient; with weight decay of that of the objective.
        Both are of all samples, also where the steps are on batches.
    factors : list of list of ndarray
        The layers [W_1, ..., W_N].
    status : str
        Why the iteration ended, in words.
    complete : bool
        Whether all iterates that were asked for are there.
    weight_decay, momentum : float
        The rate lambda of weight decay, and what a step keeps of the one before.
    batch_size : int or None
        The number of samples of a step, None for all.
    penalty : ndarray, shape (kept,), or None
        What weight decay adds to the loss, lambda / 2 times the sum of all ``|W_j|^2``; None
        without.
    imbalance_law : list of list of ndarray, or None
        What the law says of the imbalances, for each iterate that was kept; None unless asked for.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
    >>> descent = fixedrank.gradient_descent(problem, [[[1.0]], [[1.0]]], 2, step_size=0.1)
    >>> descent.t, descent.loss
    (array([0. , 0.1, 0.2]), array([2.       , 1.2168   , 0.5785396]))
    """

    iterations: NDArray[np.intp]
    step_size: float
    loss: Array
    gradient_norm: Array
    factors: list[list[Array]]
    status: str
    complete: bool
    weight_decay: float = 0.0
    momentum: float = 0.0
    batch_size: int | None = None
    penalty: Array | None = None
    imbalance_law: list[list[Array]] | None = None

    def _shown_title(self) -> str:
        return f"{type(self).__name__}: {layers_shown(self.factors[0] if self.factors else [])}"

    def _shown_facts(self) -> dict[str, str]:
        options = {
            "momentum": number(self.momentum) if self.momentum else None,
            "batches": f"of {self.batch_size} samples" if self.batch_size else None,
            "weight decay": number(self.weight_decay) if self.weight_decay else None,
        }
        return {
            "status": self.status,
            "iterates": f"{len(self)}, i = {from_to(self.iterations)}",
            "step size": number(self.step_size),
            **{name: value for name, value in options.items() if value is not None},
            "loss": from_to(self.loss),
            **({} if self.penalty is None else {"objective": from_to(self.objective)}),
            "gradient norm": from_to(self.gradient_norm),
        }

    @property
    def last(self) -> list[Array]:
        """The layers of the last iterate, from which the iteration can go on."""
        return self.factors[-1]

    @property
    def t(self) -> Array:
        """The times of the flow beside which the iterates stand, eta i / (1 - momentum)."""
        return np.asarray(flow_time(self.step_size, self.momentum) * self.iterations)

    @property
    def objective(self) -> Array:
        """What descends: the loss, and the penalty if there is weight decay."""
        return self.loss if self.penalty is None else self.loss + self.penalty

    def __len__(self) -> int:
        return len(self.iterations)

    @cached_property
    def product(self) -> list[Array]:
        """The products W_N ... W_1."""
        return [product(factors) for factors in self.factors]

    @cached_property
    def singular_values(self) -> Array:
        """The singular values of the products, as many as the narrowest layer is wide."""
        values = [product_factors(factors).s for factors in self.factors]
        return np.array(values) if values else np.zeros((0, 0))

    @property
    def effective_rank(self) -> Array:
        r"""The effective rank of the products, as :attr:`RiemannianTrajectory.effective_rank`."""
        return effective_ranks(self.singular_values)

    @cached_property
    def balancedness(self) -> Array:
        """Largest norm of W_{j+1}^T W_{j+1} - W_j W_j^T, of each iterate."""
        return np.array([balancedness(factors) for factors in self.factors])

    @cached_property
    def imbalances(self) -> list[list[Array]]:
        """All W_{j+1}^T W_{j+1} - W_j W_j^T, j = 1, ..., N - 1, of each iterate."""
        return [differences(factors) for factors in self.factors]

    def to_dataframe(self) -> Any:
        """Return a table with a row for each iterate that was kept.

        Returns
        -------
        pandas.DataFrame
            With the columns iteration, t, loss, gradient_norm, sigma_1, ..., sigma_k,
            effective_rank and balancedness; after the loss penalty and objective, if there is
            weight decay.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), 3 * np.eye(1))
        >>> descent = fixedrank.gradient_descent(problem, [[[1.0]], [[1.0]]], 2, step_size=0.1)
        >>> descent.to_dataframe()["sigma_1"].round(3).tolist()
        [1.0, 1.44, 1.924]
        """
        decay = {}
        if self.penalty is not None:
            decay = {"penalty": self.penalty, "objective": self.objective}
        return data_frame(
            iteration=self.iterations,
            t=self.t,
            loss=self.loss,
            **decay,
            gradient_norm=self.gradient_norm,
            sigma=self.singular_values,
            effective_rank=self.effective_rank,
            balancedness=self.balancedness,
        )
