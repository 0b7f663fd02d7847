"""``fixedrank compare``: both flows from one balanced start, with a table and a picture."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._files import replacing
from fixedrank._optional import import_extra
from fixedrank.command import data
from fixedrank.command.folders import add_out, writable
from fixedrank.command.limits import at_most, check_memory, check_network, check_steps
from fixedrank.command.losses import Measure, cross_entropy, measure, squared_loss
from fixedrank.command.output import progress, say
from fixedrank.flows import FlowComparison, compare_flows
from fixedrank.flows.solvers import METHODS, solver_class
from fixedrank.geometry.factored.orthonormal import orthonormal_columns
from fixedrank.losses import Loss
from fixedrank.networks import imbalanced_factors, layer_widths, random_balanced_factors


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
    source.add_argument(
        "--y",
        metavar="FILE",
        help="labels for --x; without, an autoencoder; with --loss softmax a class for each sample",
    )
    source.add_argument(
        "--loss",
        choices=("squared", "softmax"),
        default="squared",
        help="squared loss (default), or cross-entropy of classes: 0, 1, ..., or -1 and 1",
    )
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
    network.add_argument(
        "--imbalance",
        type=_numbers,
        metavar="L1,L2,...",
        help=(
            "start with W_(j+1)^T W_(j+1) - W_j W_j^T = L_j I, one number for each pair of "
            "neighbouring layers and all hidden widths the rank; --imbalance=-1,0.2 where the "
            "first one is negative (default: balanced)"
        ),
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
        "--weight-decay",
        type=float,
        default=0.0,
        metavar="LAMBDA",
        help="weight decay, -LAMBDA W_j in the velocity of each layer (default 0)",
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
    depth = _depth(options, defaults["depth"])
    scale = defaults["scale"] if options.scale is None else options.scale
    say(chosen.description)
    classes = options.loss == "softmax"
    problem: Loss = cross_entropy(chosen) if classes else squared_loss(chosen)
    d_y, d_x = problem.shape or (0, 0)
    end = options.time or defaults["time"] or 100 / float(np.linalg.norm(chosen.X, 2)) ** 2
    rank = min(defaults["rank"], d_y, d_x) if options.rank is None else options.rank
    widths = layer_widths((d_x, d_y), rank, depth)
    if options.imbalance is not None:
        widths[1:-1] = [rank] * (depth - 1)
    check_memory(widths, options.points, f"{options.points} output times")
    check_steps(end, options.step)
    factors = _start(options, widths, scale)
    balanced = "balanced start" if options.imbalance is None else "start of this imbalance"
    decay = f", weight decay {options.weight_decay:g}" if options.weight_decay else ""
    say(
        f"{depth} layers of widths {widths}, {balanced} with singular values {scale:g}{decay}, "
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
        weight_decay=options.weight_decay,
        **extra,
    )
    integrated = time.perf_counter() - integration
    measured = measure(problem, rank, options.weight_decay)
    told = np.array([measured.of(point) for point in comparison.riemannian.points])
    _write(folder, comparison, measured, told)
    _table(comparison, measured, told)
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
    if not 0 <= options.weight_decay < math.inf:
        raise ValueError(
            f"--weight-decay must be finite and at least 0, got {options.weight_decay}"
        )
    if options.loss == "softmax" and options.data == "gaussian":
        raise ValueError("--loss softmax needs classes: --data digits, or --x and --y")
    if (options.method == "RK4") != (options.step is not None):
        raise ValueError("--step H and --method RK4 go together: only RK4 has a fixed step")


def _data(options: argparse.Namespace) -> tuple[data.Data, dict[str, Any]]:
    if options.x is not None:
        if options.data is not None:
            raise ValueError(f"--x and --data {options.data} exclude each other")
        own = data.from_files(
            options.x,
            options.y,
            samples_in_rows=options.samples_in_rows,
            classes=options.loss == "softmax",
        )
        return own, {"depth": 3, "rank": 10, "scale": 1.0, "time": None}
    if options.y is not None:
        raise ValueError("--y needs --x")
    if options.data == "gaussian":
        rank = 2 if options.rank is None else options.rank
        depth = 5 if options.depth is None else options.depth
        rng = np.random.default_rng(options.seed)
        made = data.gaussian(options.dim or 20, rank, depth, rng)
        return made, {"depth": 5, "rank": 2, "scale": 1.0, "time": 5.0}
    digits = data.digits(classes=options.loss == "softmax")
    return digits, {"depth": 3, "rank": 10, "scale": 0.01, "time": None}


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers separated by commas, such as 0.5,-0.2, got {text!r}"
        ) from None


def _depth(options: argparse.Namespace, default: int) -> int:
    """Return the number of layers, which an imbalance tells, too."""
    if options.imbalance is None:
        return int(default if options.depth is None else options.depth)
    depth = len(options.imbalance) + 1
    if options.depth not in (None, depth):
        raise ValueError(
            f"--imbalance has {depth - 1} numbers, for {depth} layers, but --depth is "
            f"{options.depth}: give one number for each pair of neighbouring layers"
        )
    return depth


def _start(options: argparse.Namespace, widths: list[int], scale: float) -> list[Array]:
    """Return layers over W(0) = scale times a random matrix with singular values of one."""
    depth, rank = len(widths) - 1, min(widths)
    if options.imbalance is None:
        factors = random_balanced_factors(widths, rng=options.seed)
        return [scale ** (1 / depth) * factor for factor in factors]
    rng = np.random.default_rng(options.seed)
    shapes = ((widths[-1], rank), (widths[0], rank))
    left, right = (orthonormal_columns(rng.standard_normal(shape)) for shape in shapes)
    point = (left, np.full(rank, scale), right.T)
    return list(imbalanced_factors(point, options.imbalance, rng=rng))


def _table(comparison: FlowComparison, measured: Measure, told: Array) -> None:
    say(
        f"{'t':>9} {'loss, layers':>15} {'loss, Riemannian':>17} {'gap/|W|':>9} "
        f"{'imbalance':>10} {measured.heading:>12}"
    )
    count = comparison.t.size
    for i in sorted({round(j) for j in np.linspace(0, count - 1, min(count, 9))}):
        say(
            f"{comparison.t[i]:9.4g} {comparison.factored.loss[i]:15.8e} "
            f"{comparison.riemannian.loss[i]:17.8e} {comparison.relative_gap[i]:9.1e} "
            f"{comparison.balancedness[i]:10.1e} {told[i]:12.4e}"
        )


def _write(folder: Path, comparison: FlowComparison, measured: Measure, told: Array) -> None:
    count = comparison.t.size
    arrays: dict[str, Any] = {measured.name: told[:count]}
    if measured.limit is not None:
        arrays["limit"] = measured.limit
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
            **arrays,
        )
    with replacing(folder / "compare.png") as file:
        comparison.plot().savefig(file, format="png", dpi=200)
