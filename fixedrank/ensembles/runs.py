"""Single runs of an ensemble, in batches: what fails is recorded, not raised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fixedrank._checks import Array
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import RunRecord, failed_run


def run_batch(experiment: Experiment, seeds: Sequence[int]) -> list[RunRecord]:
    """Run an experiment from some seeds, at once if its outcome allows."""
    outcome = experiment.outcome
    if len(seeds) > 1 and not outcome.at_once:
        return [record for seed in seeds for record in run_batch(experiment, [seed])]
    starts: dict[int, list[Array]] = {}
    found: dict[int, RunRecord] = {}
    for seed in seeds:
        try:
            starts[seed] = experiment.start(seed, reduced=True)
        except Exception as error:
            found[seed] = failed_run(seed, f"no start: {type(error).__name__}: {error}")
    try:
        with np.errstate(all="ignore"):
            if starts:
                found |= outcome.records(experiment.problem, experiment.flow, starts)
    except Exception as error:
        if len(starts) > 1:
            return [record for seed in seeds for record in run_batch(experiment, [seed])]
        found |= {seed: failed_run(seed, f"{type(error).__name__}: {error}") for seed in starts}
    return [found[seed] for seed in seeds]
