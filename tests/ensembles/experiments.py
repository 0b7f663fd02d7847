"""Experiments that processes can import, some of which fail on purpose."""

import multiprocessing
import os
import time
from itertools import pairwise

import numpy as np

from fixedrank import Experiment, LinearRegression, gaussian_factors


def problem(d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, 4 * d)) / np.sqrt(4 * d)
    Q = np.diag(np.linspace(2, 1, d))
    return LinearRegression(X, Q @ X + 0.1 * rng.standard_normal((d, 4 * d)))


def small(**options):
    return Experiment(problem(), [3, 3, 3], **options)


def slow_start(widths, rng):
    time.sleep(0.02)
    return gaussian_factors(widths, rng=rng)


def fails_sometimes(widths, rng):
    layers = gaussian_factors(widths, rng=rng)
    if layers[0][0, 0] > 0:
        raise ArithmeticError("no luck today")
    return layers


def not_finite(widths, rng):
    return [np.full((b, a), 1e200) for a, b in pairwise(widths)]


def kills_its_process(widths, rng):
    layers = gaussian_factors(widths, rng=rng)
    if layers[0][0, 0] > 0.8:
        os._exit(9)
    return layers


def wrong_widths(widths, rng):
    return [np.eye(3)]


def in_one_thread(widths, rng):
    if multiprocessing.parent_process() and os.environ.get("OMP_NUM_THREADS") != "1":
        raise ArithmeticError("several threads")
    return gaussian_factors(widths, rng=rng)
