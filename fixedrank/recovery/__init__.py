"""Low-rank matrices from few linear measurements: completion and sensing."""

from fixedrank.recovery.completion import MatrixCompletion
from fixedrank.recovery.line_search import ExactStartLineSearcher
from fixedrank.recovery.occurring import OccurringPart
from fixedrank.recovery.rank import rank_increase, truncate
from fixedrank.recovery.recover import recover
from fixedrank.recovery.recovered import Recovery
from fixedrank.recovery.sensing import MatrixSensing

__all__ = [
    "ExactStartLineSearcher",
    "MatrixCompletion",
    "MatrixSensing",
    "OccurringPart",
    "Recovery",
    "rank_increase",
    "recover",
    "truncate",
]
