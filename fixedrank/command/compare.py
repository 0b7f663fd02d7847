"""``fixedrank compare``: both flows from one balanced start, with a table and a picture."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from fixedrank._checks import Array, RankLostError
from fixedrank._files import replacing
from fixedrank._optional import import_extra
from fixedrank.command import data
from fixedrank.command.folders import add_out, writable
from fixedrank.command.limits import at_most, check_memory, check_network, check_steps
from fixedrank.command.output import progress, say
from fixedrank.flows import FlowComparison, compare_flows
from fixedrank.flows.solvers import METHODS, solver_class
from fixedrank.landscape import global_minimizer
from fixedrank.losses import LinearRegression, require_data
from fixedrank.networks import layer_widths, random_balanced_factors


def add_parser(commands: Any) -> None:
    """Add the subcommand and its options."""
    parser = commands.add_parser(
        "compare",
        help="the flow of the layers and the Riemannian flow of their product, side by side",
        description=(
            "Integrate the factored flow (5) and the Riemannian flow (9) from the same balanced "
            "layers, print how far apart they are, and leave a picture and the numbers."
        ),
    )
    source = parser.add_argument_group("data (default: --data digits)")
    source.add_argument(
        "--data",
        choices=("digits", "gaussian"),
        help="digits of scikit-learn, or the Gaussian setting of the paper's appendix A",
    )
    source.add_argument("--x", metavar="FILE", help="own data, .npy or .csv, one sample a column")
    source.add_argument("--y", metavar="FILE", help="labels for --x; without, an autoencoder")
    source.add_argument(
        "--samples-in-rows", action="store_true", help="the files have one sample a row"
    )
    source.add_argument(
        "--dim",
        type=int,
        metavar="D",
        help="dimension of the Gaussian data (default 20)",
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--depth", type=int, metavar="N", help="number of layers (default: 3; Gaussian data: 5)"
    )
    network.add_argument(
        "--rank",
        type=int,
        metavar="R",
        help="smallest width (default: 10, at most the dimensions; Gaussian data: 2)",
    )
    network.add_argument(
        "--scale",
        type=float,
        metavar="S",
        help="singular values of the start W(0) (default: 1, as in the paper; digits: 0.01)",
    )
    network.add_argument("--seed", type=int, default=0, help="seed of all that is random")
    flow = parser.add_argument_group("integration")
    flow.add_argument(
        "--time",
        type=float,
        metavar="T",
        help="final time (default: 100 / largest eigenvalue of X X^T; Gaussian data: 5)",
    )
    flow.add_argument(
        "--points", type=int, default=101, metavar="P", help="number of output times (default 101)"
    )
    flow.add_argument(
        "--method",
        default="auto",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)} (default auto)",
    )
    flow.add_argument("--step", type=float, metavar="H", help="the fixed step of --method RK4")
    flow.add_argument("--rtol", type=float, default=1e-8, help="relative tolerance (default 1e-8)")
    add_out(parser, "compare", "compare.png and compare.npz")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the subcommand."""
    began = time.perf_counter()
    import_extra("matplotlib", "plot", "fixedrank compare")
    _check(options)
    folder = writable(options.out)
    chosen, defaults = _data(options)
    depth = defaults["depth"] if options.depth is None else options.depth
    scale = defaults["scale"] if options.scale is None else options.scale
    say(chosen.description)
    problem = LinearRegression(chosen.X, chosen.Y)
    try:
        require_data(problem, "the comparison")
    except RankLostError:
        problem = LinearRegression.on_range(chosen.X, chosen.Y)
        say(
            f"X X^T is singular: restricted to the range of X, {problem.shape[1]} of "
            f"{chosen.X.shape[0]} dimensions, without loss"
        )
    end = options.time or defaults["time"] or 100 / float(np.linalg.norm(problem.C, 2))
    rank = min(defaults["rank"], *problem.shape) if options.rank is None else options.rank
    widths = layer_widths((problem.shape[1], problem.shape[0]), rank, depth)
    check_memory(widths, options.points, f"{options.points} output times")
    check_steps(end, options.step)
    factors = random_balanced_factors(widths, rng=options.seed)
    factors = [scale ** (1 / depth) * factor for factor in factors]
    say(
        f"{depth} layers of widths {widths}, balanced start with singular values {scale:g}, "
        f"seed {options.seed}; {options.method}, rtol {options.rtol:g}\n"
    )
    extra = {} if options.step is None else {"step": options.step}
    integration = time.perf_counter()
    comparison = compare_flows(
        problem,
        factors,
        np.linspace(0, end, options.points),
        method=options.method,
        rtol=options.rtol,
        progress=progress(),
        **extra,
    )
    integrated = time.perf_counter() - integration
    best = global_minimizer(problem, min(rank, problem.rank)).point
    limit = np.asarray((best.u * best.s) @ best.vt)
    away = np.array(
        [np.linalg.norm((p.u * p.s) @ p.vt - limit) for p in comparison.riemannian.points]
    )
    _write(folder, comparison, away, limit)
    _table(comparison, away)
    say(f"\n{comparison.verdict}")
    for name, flow in (("layers", comparison.factored), ("Riemannian", comparison.riemannian)):
        say(f"{name:>10}: {flow.evaluations} evaluations in {flow.steps} steps; {flow.status}")
    whole = time.perf_counter() - began
    say(f"{whole:.1f} s, {integrated:.1f} s of it for the flows; picture and numbers in {folder}")
    if "interrupted" in comparison.factored.status + comparison.riemannian.status:
        return 130
    complete = comparison.factored.complete and comparison.riemannian.complete
    return 0 if complete and comparison.agree else 1


def _check(options: argparse.Namespace) -> None:
    for name in ("scale", "time"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"--{name} must be positive and finite, got {value}")
    for name, least in (("seed", 0), ("dim", 1), ("points", 2), ("depth", 1), ("rank", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} must be at least {least}, got {value}")
    check_network(options.depth, options.scale)
    at_most("dim", options.dim, 5000, "the data would have more than 75 million numbers")
    at_most("points", options.points, 10**6, "more than a picture can show")
    solver_class(options.method)
    if options.dim is not None and options.data != "gaussian":
        raise ValueError("--dim needs --data gaussian")
    if (options.method == "RK4") != (options.step is not None):
        raise ValueError("--step H and --method RK4 go together: only RK4 has a fixed step")


def _data(options: argparse.Namespace) -> tuple[data.Data, dict[str, Any]]:
    if options.x is not None:
        if options.data is not None:
            raise ValueError(f"--x and --data {options.data} exclude each other")
        own = data.from_files(options.x, options.y, samples_in_rows=options.samples_in_rows)
        return own, {"depth": 3, "rank": 10, "scale": 1.0, "time": None}
    if options.y is not None:
        raise ValueError("--y needs --x")
    if options.data == "gaussian":
        rank = 2 if options.rank is None else options.rank
        depth = 5 if options.depth is None else options.depth
        rng = np.random.default_rng(options.seed)
        made = data.gaussian(options.dim or 20, rank, depth, rng)
        return made, {"depth": 5, "rank": 2, "scale": 1.0, "time": 5.0}
    return data.digits(), {"depth": 3, "rank": 10, "scale": 0.01, "time": None}


def _table(comparison: FlowComparison, away: Array) -> None:
    say(
        f"{'t':>9} {'loss, layers':>15} {'loss, Riemannian':>17} {'gap/|W|':>9} "
        f"{'imbalance':>10} {'|W - limit|':>12}"
    )
    count = comparison.t.size
    for i in sorted({round(j) for j in np.linspace(0, count - 1, min(count, 9))}):
        say(
            f"{comparison.t[i]:9.4g} {comparison.factored.loss[i]:15.8e} "
            f"{comparison.riemannian.loss[i]:17.8e} {comparison.relative_gap[i]:9.1e} "
            f"{comparison.balancedness[i]:10.1e} {away[i]:12.4e}"
        )


def _write(folder: Path, comparison: FlowComparison, away: Array, limit: Array) -> None:
    count = comparison.t.size
    with replacing(folder / "compare.npz") as file:
        np.savez(
            file,
            t=comparison.t,
            loss_layers=comparison.factored.loss[:count],
            loss_riemannian=comparison.riemannian.loss[:count],
            gap=comparison.gap,
            balancedness=comparison.balancedness,
            singular_values_layers=comparison.factored.singular_values[:count],
            singular_values_riemannian=comparison.riemannian.singular_values[:count],
            distance_to_limit=away[:count],
            limit=limit,
        )
    with replacing(folder / "compare.png") as file:
        comparison.plot().savefig(file, format="png", dpi=200)
