"""Many initialisations of small networks: where their flows end, with statistics."""

from fixedrank.ensembles.ensemble import run_ensemble
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import RunRecord
from fixedrank.ensembles.result import Ensemble

__all__ = [
    "Ensemble",
    "Experiment",
    "RunRecord",
    "run_ensemble",
]
