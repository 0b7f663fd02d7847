"""Low-rank matrices from few linear measurements: completion and sensing."""

from fixedrank.recovery.completion import MatrixCompletion
from fixedrank.recovery.line_search import ExactStartLineSearcher
from fixedrank.recovery.sensing import MatrixSensing

__all__ = ["ExactStartLineSearcher", "MatrixCompletion", "MatrixSensing"]
