"""Completion by Manopt under GNU Octave, if Octave is on PATH and MANOPT the folder of Manopt."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from scipy.io import loadmat, savemat

import fixedrank

HERE = Path(__file__).resolve().parent


class Completed(NamedTuple):
    """What it was done by, the least time of some runs, what one took, and how far it came."""

    software: str
    seconds: float
    iterations: int
    residual: float


def completed(
    problem: fixedrank.MatrixCompletion,
    start: fixedrank.FixedRankPoint,
    tolerance: float,
    runs: int = 3,
) -> Completed | None:
    """Complete a matrix by Manopt's conjugate gradients; None where it is not there."""
    octave, folder = shutil.which("octave-cli"), os.environ.get("MANOPT")
    if octave is None or not folder:
        return None
    # Matlab's sparse matrices go by columns.
    order = problem.cols.argsort(kind="stable")
    with tempfile.TemporaryDirectory() as work:
        question, answer = Path(work) / "problem.mat", Path(work) / "result.mat"
        savemat(
            question,
            {
                "rows": problem.rows[order] + 1,
                "cols": problem.cols[order] + 1,
                "values": problem.values[order],
                "u": start.u,
                "s": start.s,
                "v": start.vt.T,
                "tolerance": tolerance,
            },
        )
        call = f"manopt_completion('{folder}', '{question}', '{answer}', {runs})"
        subprocess.run(
            [octave, "--no-init-file", "--quiet", "--eval", f"addpath('{HERE}'); {call}"],
            check=True,
            stderr=subprocess.DEVNULL,  # warnings of Manopt's own
        )
        found = loadmat(answer)
    return Completed(
        str(found["software"].item()),
        float(found["taken"].item()),
        int(found["iterations"].item()),
        float(found["residual"].item()),
    )
