"""Whether a loss grows without bound in all directions, so that exp(-L/T) needs no decay.

A new kind of loss answers by registering a function: True if the loss goes to infinity, at least as
a power of its size, wherever W does; False if there are directions in which it does not; None where
that is not known.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from fixedrank._checks import numerical_rank
from fixedrank.losses.classification import Classification
from fixedrank.losses.loss import Loss, LossSum
from fixedrank.losses.moment_regression import MomentRegression
from fixedrank.losses.regression import LinearRegression
from fixedrank.losses.schatten import SchattenDecay
from fixedrank.losses.spectral_penalty import NuclearNorm
from fixedrank.recovery.completion import MatrixCompletion
from fixedrank.recovery.regularised import RegularisedLeastSquares


@singledispatch
def grows(loss: Loss) -> bool | None:
    """Say whether a loss grows in all directions, None where that is not known."""
    return None


@grows.register
def _of_regression(loss: LinearRegression) -> bool | None:
    return None if loss._decomposed is None else loss._decomposed.regular


@grows.register
def _of_moments(loss: MomentRegression) -> bool | None:
    if not isinstance(loss.C, np.ndarray):
        return None
    values = np.asarray(np.linalg.eigvalsh(loss.C)[::-1], dtype=np.float64)
    return numerical_rank(values, values.size)[0] == values.size


@grows.register
def _of_measurements(loss: RegularisedLeastSquares) -> bool | None:
    if loss.ridge > 0:
        return True
    # Fewer numbers than entries cannot tell all matrices from zero.
    return False if loss.values.size < loss.shape[0] * loss.shape[1] else None


@grows.register
def _of_completion(loss: MatrixCompletion) -> bool | None:
    return loss.ridge > 0 or loss.values.size == loss.shape[0] * loss.shape[1]


@grows.register
def _of_classification(loss: Classification) -> bool | None:
    # What is the same for all classes changes nothing, nor does growth where all is told apart.
    return False if loss.shape[0] > 1 or loss.separable else None


@grows.register
def _of_decay(loss: SchattenDecay) -> bool | None:
    return loss.weight_decay > 0


@grows.register
def _of_nuclear_norm(loss: NuclearNorm) -> bool | None:
    return loss.weight > 0


@grows.register
def _of_sum(loss: LossSum) -> bool | None:
    terms = [(factor, term) for factor, term in loss.terms if factor]
    if any(factor < 0 for factor, _ in terms):
        return None
    answers = [grows(term) for _, term in terms]
    bounded = [term._lower_bound is not None for _, term in terms]
    if any(answers) and all(a or b for a, b in zip(answers, bounded, strict=True)):
        return True
    return False if len(answers) == 1 and answers[0] is False else None
