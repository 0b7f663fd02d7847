"""Many initialisations of small networks: where their flows end, with statistics."""

from fixedrank.ensembles.ensemble import run_ensemble
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.result import Ensemble
from fixedrank.ensembles.runs import RunRecord

__all__ = [
    "Ensemble",
    "Experiment",
    "RunRecord",
    "run_ensemble",
]
