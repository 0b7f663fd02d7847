"""Losses that processes can import."""

from functools import cached_property

import numpy as np

from fixedrank import LinearRegression
from tests.ensembles.experiments import problem


def matrix(W):
    return (W[0] * W[1]) @ W[2]


class Squares:
    """That of `experiments.problem`, by its definition and by nothing else."""

    def __init__(self, seed=0, weight=1.0):
        regression = problem(seed=seed)
        self.target = np.linalg.solve(regression.C, regression.B.T).T
        self.C, self.weight = regression.C, weight

    @cached_property
    def largest(self):
        return float(np.linalg.eigvalsh(self.C)[-1])

    def loss(self, W):
        assert self.largest > 0
        difference = matrix(W) - self.target
        return self.weight * np.sum((difference @ self.C) * difference) / 2

    def gradient(self, W):
        return self.weight * (matrix(W) - self.target) @ self.C


class Pseudo(Squares):
    """Nothing else, under another name."""


class Logistic:
    """Of one positive example: its infimum is at infinity."""

    def loss(self, W):
        return float(np.log1p(np.exp(-matrix(W)[0, 0])))

    def gradient(self, W):
        gradient = np.zeros((3, 3))
        gradient[0, 0] = -1 / (1 + np.exp(matrix(W)[0, 0]))
        return gradient


class Breaks:
    """Leads to where it has no gradient."""

    def loss(self, W):
        return -float(np.sum(matrix(W) ** 2)) / 2

    def gradient(self, W):
        W = matrix(W)
        return -W if np.linalg.norm(W) < 5 else np.full_like(W, np.nan)


class Interrupts(Squares):
    def gradient(self, W):
        raise KeyboardInterrupt


class Raises(Squares):
    def gradient(self, W):
        raise ArithmeticError("no gradient today")


class Decaying(LinearRegression):
    """A regression whose loss is another one."""

    def loss(self, W):
        return super().loss(W) + 1.0
