"""Costs that are the same in every run: columns multiplied, bytes at the peak, calls."""

import opcode
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.sparse.linalg import LinearOperator

import fixedrank

PACKAGE = str(Path(fixedrank.__file__).parent)
# Instructions that call something, and those of a + b, a @ b and the like.
COUNTED = {
    number
    for name, number in opcode.opmap.items()
    if name in {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "BINARY_OP"}
}


class CountingOperator(LinearOperator):
    """A matrix that counts the columns that it is multiplied with, under its own name."""

    def __init__(self, matrix, name, counts):
        super().__init__(np.dtype(float), matrix.shape)
        self.matrix, self.name, self.counts = matrix, name, counts

    def _matmat(self, block):
        self.counts[self.name] += block.shape[1]
        return self.matrix @ block

    def _rmatmat(self, block):
        self.counts[f"{self.name}^T"] += block.shape[1]
        return self.matrix.T @ block

    def _matvec(self, vector):
        return self._matmat(np.reshape(vector, (-1, 1)))

    def _rmatvec(self, vector):
        return self._rmatmat(np.reshape(vector, (-1, 1)))


def counted_matrices(rng, **shapes):
    """Return (dict of counts, counting operators of these shapes)."""
    counts = Counter()
    return counts, *(
        CountingOperator(rng.standard_normal(shape), name, counts) for name, shape in shapes.items()
    )


def counted_regression(d_y, d_x):
    """Return (dict of counts, a regression problem that counts its products with C and B)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d_x, 2 * d_x)) / np.sqrt(d_x)
    Y = rng.standard_normal((d_y, 2 * d_x)) / np.sqrt(d_x)
    counts = Counter()
    C, B = CountingOperator(X @ X.T, "C", counts), CountingOperator(Y @ X.T, "B", counts)
    problem = fixedrank.LinearRegression.from_moments(C, B, np.vdot(Y, Y))
    counts.clear()
    return counts, problem


def peak_bytes(function):
    """Return the most memory that a call holds beside what was there before, the second time."""
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def steps_of_the_library(function):
    """Return the number of calls and of binary operators in the library's own code, second time.

    On small matrices each costs about as much as any other, so that they are the time. What
    happens inside of NumPy and SciPy does not count, as it changes with their versions.
    """
    monitoring = sys.monitoring
    tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    total = 0

    def at_instruction(code, offset):
        nonlocal total
        if code.co_filename.startswith(PACKAGE) and code.co_code[offset] in COUNTED:
            total += 1

    function()
    monitoring.use_tool_id(tool, "fixedrank guard")
    try:
        monitoring.register_callback(tool, event, at_instruction)
        monitoring.set_events(tool, event)
        function()
    finally:
        monitoring.set_events(tool, monitoring.events.NO_EVENTS)
        monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
    return total
