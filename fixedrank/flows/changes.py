"""How far a flow may go before it takes new frames, units or tolerances, alone or among many."""

from __future__ import annotations

# A layer that has changed by so much is held to a tolerance of its new size.
CHANGE = 10.0
# A cosine of left and right singular vectors of a core at which another frame is due.
APART = 0.5
# A largest singular value that has grown so far asks for another unit, and one that has shrunk so
# far for other tolerances.
GROWN, SHRUNK = 1e3, 0.1
# Ratios of neighbouring singular values at which groups part, and at which they join again.
SPLIT, MERGE = 0.3, 0.7
# How far frames may be from orthonormal, in relative tolerances.
DRIFT = 10.0
