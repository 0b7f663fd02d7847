"""Optimisers for pymanopt's problems, and a look at any of them as it goes."""

from fixedrank.optimizers.lbfgs import LBFGS
from fixedrank.optimizers.watching import Counts, Stopped, watch

__all__ = ["LBFGS", "Counts", "Stopped", "watch"]
