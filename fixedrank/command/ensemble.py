"""``fixedrank ensemble``: where the flows from many starts end, with a table and a picture."""

from __future__ import annotations

import argparse
import math
import os
import time
from itertools import product
from typing import Any, cast

import numpy as np

from fixedrank._files import replacing
from fixedrank._optional import import_extra
from fixedrank._processes import process_pool
from fixedrank.command.cells import Cell, CellSummary, write_cells
from fixedrank.command.folders import add_out, writable
from fixedrank.command.limits import at_most, check_memory, check_network
from fixedrank.command.output import progress, say
from fixedrank.ensembles import Ensemble, Experiment, run_ensemble
from fixedrank.losses import LinearRegression
from fixedrank.networks import layer_widths
from fixedrank.plotting import plot_ensemble

# What the theorems are about, as far as an option does not say otherwise.
_PRESETS: dict[str, dict[str, Any]] = {
    "5a": {"depth": 3, "start": "gaussian", "scale": None, "rank": None, "q": None},
    "5b": {"depth": 2, "start": "gaussian", "scale": None, "rank": None, "q": None},
    "6": {"depth": 3, "start": "balanced", "scale": 1.0, "rank": None, "q": 2},
}


def add_parser(commands: Any) -> None:
    """Add the subcommand and its options."""
    parser = commands.add_parser(
        "ensemble",
        help="where the flows from many random starts end: Theorems 5 and 6",
        description=(
            "Integrate the factored flow (5) of small networks from many random starts, say for "
            "each whether it tends to the global minimum, and leave a table and a picture. "
            "Several depths, dimensions, widths or scales make an experiment of each combination, "
            "with one table of all: cells.csv, and cells.json with every run that is not decided. "
            "Interrupted, it goes on where it was when started again with the same options."
        ),
    )
    parser.add_argument(
        "--theorem",
        choices=tuple(_PRESETS),
        default="5b",
        help=(
            "5b: N = 2, Gaussian starts (default); 5a: N = 3, Gaussian starts; 6: N = 3, balanced "
            "starts whose rank is above q = rank Q"
        ),
    )
    parser.add_argument("--runs", type=int, default=10_000, help="number of starts (default 10000)")
    several = "+"
    parser.add_argument(
        "--depth", type=int, nargs=several, metavar="N", help="number of layers, or several"
    )
    parser.add_argument(
        "--dim", type=int, nargs=several, default=[5], metavar="D", help="d_x = d_y (default 5)"
    )
    parser.add_argument(
        "--width", type=int, nargs=several, metavar="R", help="smallest width (default: --dim)"
    )
    parser.add_argument("--q", type=int, help="rank of Q (default: --dim; Theorem 6: 2)")
    parser.add_argument(
        "--rank", type=int, metavar="K", help="rank of balanced starts (default: the width)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        nargs=several,
        metavar="S",
        help=(
            "standard deviation of Gaussian entries (default 1/sqrt(D)), or size of the singular "
            "values of balanced starts (default 1)"
        ),
    )
    parser.add_argument(
        "--weight-decay",
        type=float,
        default=0.0,
        metavar="LAMBDA",
        help="weight decay of the layers, on white data, of which the minima are known (default 0)",
    )
    parser.add_argument(
        "--time",
        type=float,
        metavar="T",
        help=(
            "last time (default 2000, of small Gaussian starts a hundred times what it takes to "
            "leave zero; Theorem 6: 200)"
        ),
    )
    parser.add_argument(
        "--longer",
        type=float,
        default=1.0,
        metavar="F",
        help="runs that are not decided go on to so many times the last time (default 1)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-6,
        metavar="EPS",
        help=(
            "runs stop so close to the minimum, in parts of the gap to the next critical value "
            "(default 1e-6)"
        ),
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the data and of the first run")
    parser.add_argument("--workers", type=int, metavar="P", help="processes (default: all cores)")
    add_out(parser, "ensemble", "runs.csv, runs.sqlite and ensemble.png")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the subcommand."""
    import_extra("matplotlib", "plot", "fixedrank ensemble")
    if options.runs < 1:
        raise ValueError(f"--runs must be at least 1, got {options.runs}")
    at_most("runs", options.runs, 10**7, "a row of the table each, some 10 GB")
    cells = cells_of(options)
    if len(cells) > 1:
        return _run_cells(options, cells)
    experiment = experiment_of(options, cells[0])
    folder = writable(options.out)
    problem = cast(LinearRegression, experiment.problem)
    values = np.array2string(problem.svd[1], precision=3)
    say(
        f"N = {experiment.depth}, widths {list(experiment.widths)}, "
        f"{experiment.initialisation} starts; Q has rank q = {problem.rank} and singular values "
        f"{values}"
    )
    began = time.perf_counter()
    try:
        ensemble = run_ensemble(
            experiment,
            range(options.seed, options.seed + options.runs),
            workers=options.workers,
            store=folder / "runs.sqlite",
            progress=progress(),
        )
    except KeyboardInterrupt:
        say(f"interrupted: what ended is kept in {folder / 'runs.sqlite'}; start again to go on")
        return 130
    ensemble.to_csv(folder / "runs.csv")
    with replacing(folder / "ensemble.png") as file:
        plot_ensemble(ensemble).savefig(file, format="png", dpi=200)
    say(ensemble.summary())
    _print_open(ensemble)
    say(f"{time.perf_counter() - began:.1f} s; table and picture in {folder}")
    # With weight decay there are other minima than the least one.
    everywhere = ensemble.limits == {"global minimum": len(ensemble)}
    return 0 if everywhere or experiment.weight_decay else 1


def cells_of(options: argparse.Namespace) -> list[Cell]:
    """Return the combinations of what was given, without those whose width is above the size."""
    preset = _PRESETS[options.theorem]
    depths, scales = options.depth or [preset["depth"]], options.scale or [preset["scale"]]
    given = list(product(depths, options.dim, options.width or [None], scales))
    cells = [Cell(*each) for each in given if len(given) == 1 or (each[2] or 0) <= each[1]]
    if not cells:
        raise ValueError(f"each --width {options.width} is above each --dim {options.dim}")
    if len(set(cells)) < len(cells):
        raise ValueError("--depth, --dim, --width and --scale must not give a value twice")
    return cells


def _run_cells(options: argparse.Namespace, cells: list[Cell]) -> int:
    """Run an experiment for each cell, in one folder, with a table of all."""
    folder = writable(options.out)
    experiments = [(cell, experiment_of(options, cell)) for cell in cells]
    rows: list[CellSummary] = []
    seeds = range(options.seed, options.seed + options.runs)
    try:
        with process_pool(options.workers or os.cpu_count() or 1) as pool:
            for number, (cell, experiment) in enumerate(experiments, 1):
                say(f"{number} of {len(cells)}: {cell.name()}, widths {list(experiment.widths)}")
                store = folder / f"{cell.name()}.sqlite"
                ensemble = run_ensemble(
                    experiment, seeds, executor=pool, store=store, progress=progress()
                )
                rows.append(CellSummary.of(ensemble))
                write_cells(folder, rows)
                say(f"  {ensemble.summary().splitlines()[0]}")
    except KeyboardInterrupt:
        say(f"interrupted: what ended is kept in {folder}; start again to go on")
        return 130
    runs, decided = sum(row.runs for row in rows), sum(row.decided for row in rows)
    say(f"{decided} of {runs} runs are certain to tend to the global minimum")
    for row in rows:
        for record in row.open_runs[:10]:
            say(f"  {row.widths}, scale {row.scale}, seed {record['seed']}: {record['status']}")
    say(f"tables cells.csv and cells.json in {folder}")
    return 0 if decided == runs or options.weight_decay else 1


def _last_time(options: argparse.Namespace, depth: int, scale: float | None) -> float:
    """Return the last time of runs: of small starts it hangs on the time to leave zero."""
    if options.time is not None:
        return float(options.time)
    if options.theorem == "6":
        return 200.0
    if scale is None or scale >= 1 or depth < 3:
        return 2000.0
    return max(2000.0, float(f"{100 * scale ** (2 - depth) / (depth - 2):.3g}"))


def experiment_of(options: argparse.Namespace, cell: Cell) -> Experiment:
    """Return the experiment of a cell."""
    preset = _PRESETS[options.theorem]
    chosen = {
        name: preset[name] if getattr(options, name) is None else getattr(options, name)
        for name in ("rank", "q")
    }
    chosen |= {"depth": cell.depth, "scale": cell.scale}
    for name, value in (*chosen.items(), ("dim", cell.dim), ("width", cell.width)):
        if name != "scale" and value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")
    if not 1 <= options.longer < math.inf:
        raise ValueError(f"--longer must be finite and at least 1, got {options.longer}")
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {options.seed}")
    check_network(chosen["depth"], chosen["scale"], options.workers)
    at_most("dim", cell.dim, 500, "this command is for ensembles of small networks")
    d = cell.dim
    width, q = cell.width or d, chosen["q"] or d
    if max(width, q) > d:
        raise ValueError(f"--width {width} and --q {q} must not be above --dim {d}")
    widths = (
        layer_widths((d, d), width, chosen["depth"]) if width < d else [d] * (chosen["depth"] + 1)
    )
    # A batch, and the stages of a step for each of its runs.
    check_memory(widths, 500 * 14, "the runs of a batch")
    balanced = preset["start"] == "balanced"
    if chosen["rank"] is not None and not balanced:
        raise ValueError("--rank is for balanced starts: --theorem 6")
    if not 0 <= options.weight_decay < math.inf:
        raise ValueError(
            f"--weight-decay must be finite and at least 0, got {options.weight_decay}"
        )
    end = _last_time(options, cell.depth, cell.scale)
    return Experiment(
        _problem(d, q, options.seed, white=options.weight_decay > 0),
        widths,
        preset["start"],
        scale=chosen["scale"],
        rank=(chosen["rank"] or width) if balanced else None,
        end=end,
        continue_to=options.longer * end if options.longer > 1 else None,
        tolerance=options.tolerance,
        weight_decay=options.weight_decay,
    )


def _problem(d: int, q: int, seed: int, white: bool) -> LinearRegression:
    """Return a regression with q singular values of Q from 2 to 1, of white data or of others."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, 5 * d)) / np.sqrt(5 * d)
    left, right = (np.linalg.qr(rng.standard_normal((d, q)))[0] for _ in range(2))
    values, frame = np.linalg.eigh(X @ X.T)
    whitened = (frame / np.sqrt(values)) @ frame.T @ X
    Y = (left * np.linspace(2, 1, q)) @ right.T @ whitened
    return LinearRegression(whitened if white else X, Y)


def _print_open(ensemble: Ensemble) -> None:
    rest = [record for record in ensemble.records if record.limit != "global minimum"]
    if not rest:
        say("each is certain: its loss is below all other critical values, and it only falls")
        return
    say(f"{len(rest)} did not come below the next higher critical value; the first of them:")
    for record in rest[:10]:
        say(f"  seed {record.seed}: loss gap {record.loss_gap:.3e}, {record.status}")
