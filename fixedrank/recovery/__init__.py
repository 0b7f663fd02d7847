"""Low-rank matrices from few linear measurements: completion and sensing."""

from fixedrank.recovery.completion import MatrixCompletion
from fixedrank.recovery.line_search import ExactStartLineSearcher
from fixedrank.recovery.rank import rank_increase, truncate
from fixedrank.recovery.sensing import MatrixSensing

__all__ = [
    "ExactStartLineSearcher",
    "MatrixCompletion",
    "MatrixSensing",
    "rank_increase",
    "truncate",
]
