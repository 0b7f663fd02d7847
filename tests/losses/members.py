"""Every loss that keeps the contract, as a function of the unit of W: a new one joins by a line."""

import numpy as np
import scipy.sparse
from scipy.special import log_softmax, softmax

from fixedrank import (
    Classification,
    FibreEntropy,
    FreeEnergy,
    LinearRegression,
    Loss,
    MatrixCompletion,
    MatrixSensing,
    MomentRegression,
    SchattenDecay,
)
from fixedrank.losses import as_loss

M, N, SAMPLES = 5, 4, 12
SHAPE = (M, N)

_rng = np.random.default_rng(0)
X, Y = _rng.standard_normal((N, SAMPLES)), _rng.standard_normal((M, SAMPLES))
LABELS = _rng.integers(M, size=SAMPLES)
WEIGHTS = _rng.random(SAMPLES)
KNOWN = _rng.random(SHAPE) < 0.6
TARGET = _rng.standard_normal(SHAPE)
MEASURED = _rng.standard_normal((7, M, N))
LEFT, RIGHT, VALUES = (_rng.standard_normal(size) for size in ((7, M), (7, N), 7))
ENTRY_WEIGHTS = _rng.uniform(0.1, 10, SHAPE)


class CrossEntropy(Loss):
    """Softmax cross-entropy of scores W X with labels, by the two methods that a loss needs."""

    def __init__(self, X, labels, classes):
        self.X, self.labels, self.shape = X, labels, (classes, len(X))

    def scores(self, W):
        u, s, vt = W
        return (u * s) @ (vt @ self.X)

    def loss(self, W):
        return -log_softmax(self.scores(W), axis=0)[self.labels, np.arange(len(self.labels))].sum()

    def gradient(self, W):
        errors = softmax(self.scores(W), axis=0)
        errors[self.labels, np.arange(len(self.labels))] -= 1
        return errors, self.X


class PlainLogCosh:
    """The sum of log cosh(W / unit - T): an object of no class of the library."""

    def __init__(self, unit):
        self.unit = unit

    def misfit(self, W):
        return (W[0] * (W[1] / self.unit)) @ W[2] - TARGET

    def loss(self, W):
        return np.log(np.cosh(self.misfit(W))).sum()

    def gradient(self, W):
        return np.tanh(self.misfit(W)) / self.unit


class SquaredLength(Loss):
    """Half the squared norm of W, whose gradient W is the point that is handed in."""

    shape, infimum = SHAPE, 0.0

    def loss(self, W):
        return float(W[1] @ W[1]) / 2

    def gradient(self, W):
        return W[0], np.diag(W[1]), W[2].T


def completion(unit, **options):
    return MatrixCompletion(unit * np.where(KNOWN, TARGET, np.nan), **options)


# Smooth on matrices of one rank, and not beyond.
ON_ONE_RANK = (
    *("ridge", "ridge and weights", "sensing with a ridge", "sum with a ridge"),
    *("decay at depth 1.5", "decay at depth 2.5", "sum with decay"),
    *("entropy", "entropy of narrow layers", "free energy"),
)

LOSSES = {
    "regression": lambda unit: LinearRegression(X, unit * Y),
    "weighted regression": lambda unit: LinearRegression(X, unit * Y, sample_weight=WEIGHTS),
    "few samples": lambda unit: LinearRegression(X[:, :1], unit * Y[:, :1]),
    "low rank": lambda unit: LinearRegression(X[[0, 1, 0, 1]], unit * Y),
    "on the range": lambda unit: LinearRegression.on_range(
        np.vstack((X, X[0] + X[1])), unit * Y, sample_weight=WEIGHTS
    ),
    "principal axes": lambda unit: LinearRegression(X, unit * Y)._in_principal_axes()[0],
    "sparse": lambda unit: LinearRegression(scipy.sparse.csr_array(X), unit * Y),
    "moments": lambda unit: MomentRegression(X @ X.T, unit * Y @ X.T, unit * unit * np.vdot(Y, Y)),
    "moments in factors": lambda unit: MomentRegression(
        (X, X), (unit * Y, X), unit * unit * np.vdot(Y, Y)
    ),
    "completion": completion,
    "dense sensing": lambda unit: MatrixSensing(MEASURED, unit * VALUES),
    "sensing of rank one": lambda unit: MatrixSensing((LEFT, RIGHT), unit * VALUES),
    "sparse sensing": lambda unit: MatrixSensing(
        scipy.sparse.csr_array(MEASURED.reshape(7, -1)), unit * VALUES, SHAPE
    ),
    "weights": lambda unit: completion(unit, weights=ENTRY_WEIGHTS / unit),
    "ridge": lambda unit: completion(unit, ridge=0.3 * unit),
    "ridge and weights": lambda unit: completion(unit, weights=ENTRY_WEIGHTS / unit, ridge=0.3),
    "sensing with a ridge": lambda unit: MatrixSensing(
        (LEFT, RIGHT), unit * VALUES, weights=WEIGHTS[:7], ridge=unit
    ),
    "decay at depth 1.5": lambda unit: SchattenDecay(0.3 / unit ** (1 / 3), 1.5),
    "decay at depth 2.5": lambda unit: SchattenDecay(0.3, 2.5),
    "sum with decay": lambda unit: completion(unit) + SchattenDecay(unit**1.5, 4),
    "entropy": lambda unit: FibreEntropy([N, 5, 6, M]),
    "entropy of narrow layers": lambda unit: FibreEntropy([N, N, M]),
    "free energy": lambda unit: FreeEnergy(completion(unit), [N, 4, 7, 4, M], 0.3 * unit * unit),
    "cross-entropy": lambda unit: CrossEntropy(X / unit, LABELS, M),
    "classification": lambda unit: Classification(X / unit, LABELS, classes=M),
    "sparse classification": lambda unit: Classification(
        scipy.sparse.csr_array(X / unit), LABELS, classes=M
    ),
    "batch": lambda unit: Classification(X / unit, LABELS, classes=M).batch([3, 1, 1, 7, 0]),
    "plain object": lambda unit: as_loss(PlainLogCosh(unit)),
    "low-rank gradient": lambda unit: SquaredLength(),
    "multiple": lambda unit: 0.3 * completion(unit),
    "sum with a ridge": lambda unit: 0.5 * completion(unit, ridge=unit) + SquaredLength(),
    "sum": lambda unit: completion(unit) + 0.1 * SquaredLength() + LinearRegression(X, unit * Y),
}
