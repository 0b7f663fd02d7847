"""The paper's statements on rates, over ten seeds: the panels with d = 20 of Figures 1, 2, 8, 9.

OMP_NUM_THREADS=1 python docs/benchmarks/seeds.py FOLDER

FOLDER keeps the experiments, so that an interrupted run goes on.
"""

import sys
from pathlib import Path

import numpy as np
from timing import describe

from fixedrank.paper import Setting, compute_all
from fixedrank.paper.findings import REACHED, time_to

SEEDS = range(10)
DEPTHS = (2, 5, 10, 20)
CASES = (("supervised", 2), ("autoencoder", 1))
END = 1000.0


def times(folder):
    """Return the times to 1 % by case, start, depth and seed."""
    settings = {
        (case, start, depth): Setting(case, start, 20, rank, depth, END)
        for case, rank in CASES
        for start in ("balanced", "gaussian")
        for depth in DEPTHS
    }
    found = {key: [] for key in settings}
    for seed in SEEDS:
        curves = compute_all(list(settings.values()), seed, folder, workers=2)
        for key, setting in settings.items():
            distance = curves[setting]["distance_to_limit"]
            found[key].append(time_to(curves[setting].t, distance, REACHED * distance[0]))
    return {key: np.array(values) for key, values in found.items()}


def spread(values):
    """Return median, least and largest; beyond the end where not reached."""
    texts = [
        f"{v:.3g}" if np.isfinite(v) else f"> {END:g}" if np.isinf(v) else "?"
        for v in (np.median(values), values.min(), values.max())
    ]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def main(folder):
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    found = times(folder)
    print(describe())
    print(
        f"time to 1 % of the distance at t = 0: median (least to largest) of {len(SEEDS)} seeds\n"
    )
    for case, rank in CASES:
        for start in ("balanced", "gaussian"):
            print(f"{case}, d = 20, r = {rank}, {start}")
            for depth in DEPTHS:
                print(f"  N = {depth:2}   {spread(found[case, start, depth])}")
        both = [(found[case, "balanced", n], found[case, "gaussian", n]) for n in DEPTHS]
        known = [(a, b) for a, b in zip(*map(np.concatenate, zip(*both, strict=True)), strict=True)]
        known = [(a, b) for a, b in known if np.isfinite(a)]
        slower = sum(b > a for a, b in known)
        ratio = np.median([b / a for a, b in known])
        print(
            f"  Gaussian starts slower than balanced ones in {slower} of {len(known)} pairs; "
            f"median of the ratio {ratio:.3g}\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
