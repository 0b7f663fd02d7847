"""Where flows of three to six layers end: a million starts, each limit certain or listed.

python docs/results/conjecture.py FOLDER [--workers P] [--collect]

Each line of PLAN is a call of `fixedrank ensemble`; here all share one pool of processes, and the
grid is gone through in rounds, each of more starts than the one before, so that every cell is seen
early and the work can be stopped at any time. It goes on when started again. With
--collect what there is in FOLDER becomes conjecture.json, conjecture.md and conjecture.png.
"""

import argparse
import json
import os
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from fixedrank._processes import process_pool
from fixedrank.command.cells import CellSummary
from fixedrank.command.ensemble import add_parser, cells_of, experiment_of
from fixedrank.ensembles import Ensemble, run_ensemble
from fixedrank.ensembles.store import RecordStore

HERE = Path(__file__).resolve().parent
# Starts for each width and scale, of depth N and d_x = d_y = d; fewer of small scales, which wait
# for a time that grows like scale^(2 - N) at each saddle.
STARTS = {
    "0.5 1": {
        3: {2: 32_000, 3: 26_000, 4: 16_000, 5: 8_000, 6: 4_000},
        4: {2: 24_000, 3: 16_000, 4: 8_000, 5: 3_000, 6: 1_000},
        5: {2: 16_000, 3: 10_000, 4: 2_500, 5: 600, 6: 300},
        6: {2: 12_000, 3: 4_000, 4: 1_000, 5: 300, 6: 100},
    },
    "0.1": {
        3: {2: 32_000, 3: 26_000, 4: 16_000, 5: 8_000, 6: 4_000},
        4: {2: 16_000, 3: 8_000, 4: 3_000, 5: 800, 6: 200},
        5: {2: 5_000, 3: 2_000, 4: 500, 5: 150, 6: 60},
        6: {2: 2_000, 3: 600, 4: 100, 5: 40, 6: 20},
    },
    "0.01": {
        3: {2: 24_000, 3: 16_000, 4: 6_000, 5: 2_000, 6: 800},
        4: {2: 4_000, 3: 1_000, 4: 200, 5: 60, 6: 30},
        5: {2: 60, 3: 40, 4: 20, 5: 6, 6: 4},
        6: {2: 20, 3: 10, 4: 4, 5: 2, 6: 2},
    },
}
BOTTLENECK = {2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
ROUNDS = (0.01, 0.1, 0.35, 0.7, 1.0)


def plan():
    """Return the options of each call of the command."""
    lines = []
    for scales, starts in STARTS.items():
        for depth in starts:
            for dim, runs in starts[depth].items():
                lines.append(
                    f"--theorem 5a --depth {depth} --dim {dim} --width {BOTTLENECK[dim]} {dim} "
                    f"--scale {scales} --runs {runs} --longer 1000 --tolerance 0.1"
                )
    return lines


def options_of(line):
    """Return what the command makes of its options."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["ensemble", *line.split()])


def tasks():
    """Yield the experiments: the options, the cell and the experiment of each."""
    for line in plan():
        options = options_of(line)
        for cell in cells_of(options):
            yield line, options, cell, experiment_of(options, cell)


def run(folder, workers):
    """Run all of it, round by round."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = list(tasks())
    with process_pool(workers) as pool:
        for part in ROUNDS:
            for _, options, cell, experiment in everything:
                # These wait longest, and come last.
                if part < 1 and cell.scale == 0.01 and cell.depth > 3:
                    continue
                runs = min(options.runs, max(int(part * options.runs), min(10, options.runs)))
                began = time.perf_counter()
                ensemble = run_ensemble(
                    experiment,
                    range(runs),
                    executor=pool,
                    store=folder / f"{cell.name()}.sqlite",
                    batch=min(500, max(1, runs // 4)),
                )
                took = time.perf_counter() - began
                print(
                    f"{time.strftime('%H:%M:%S')} {cell.name()} {took:.1f} s, {runs} runs: "
                    f"{ensemble.limits}",
                    flush=True,
                )


def collect(folder):
    """Return a summary of each cell, of all runs that have ended."""
    cells = []
    for line, options, cell, experiment in tasks():
        store = folder / f"{cell.name()}.sqlite"
        if not store.exists():
            continue
        with closing(RecordStore(store, experiment)) as records:
            found = records.load(range(options.runs))
        if found:
            ensemble = Ensemble(experiment, tuple(found[seed] for seed in sorted(found)))
            known = {"depth": cell.depth, "dim": cell.dim, "width": cell.width, "command": line}
            cells.append(known | asdict(CellSummary.of(ensemble)))
    return cells


def main():
    """Run, or collect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--collect", action="store_true")
    given = parser.parse_args()
    if not given.collect:
        run(given.folder, given.workers)
    cells = collect(given.folder)
    with (HERE / "conjecture.json").open("w") as file:
        json.dump({"cells": cells}, file, indent=1)


if __name__ == "__main__":
    main()
