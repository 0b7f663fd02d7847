"""Where flows of three to six layers end: a million starts, each limit certain or listed.

python docs/results/conjecture.py FOLDER [--workers P] [--collect]
python docs/results/conjecture.py --render

Each line of PLAN is a call of `fixedrank ensemble`; here all share one pool of processes, and the
grid is gone through in rounds, each of more starts than the one before, so that every cell is seen
early and the work can be stopped at any time. It goes on when started again. With
--collect what there is in FOLDER becomes conjecture.json, and of it conjecture.md and
conjecture.png; with --render the latter two only.
"""

import argparse
import json
import math
import os
import time
from concurrent.futures import as_completed
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy.stats import beta

import fixedrank
from fixedrank._processes import process_pool
from fixedrank.command.cells import Cell, CellSummary
from fixedrank.command.ensemble import add_parser, cells_of, experiment_of
from fixedrank.ensembles import Ensemble, flow, outcomes, run_ensemble
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.store import RecordStore
from fixedrank.landscape import check_hypotheses
from fixedrank.plotting import depth_style

HERE = Path(__file__).resolve().parent
FILES = {
    "json": HERE / "conjecture.json",
    "count": HERE / "conjecture_count.md",
    "md": HERE / "conjecture.md",
    "png": HERE.parent / "_static" / "conjecture.png",
}
# Starts for each width and scale, of depth N and d_x = d_y = d; fewer of small scales, which wait
# for a time that grows like scale^(2 - N) at each saddle.
STARTS = {
    "0.5 1": {
        3: {2: 32_000, 3: 26_000, 4: 30_000, 5: 16_000, 6: 10_000},
        4: {2: 40_000, 3: 30_000, 4: 16_000, 5: 5_000, 6: 2_000},
        5: {2: 30_000, 3: 20_000, 4: 5_000, 5: 1_500, 6: 600},
        6: {2: 24_000, 3: 8_000, 4: 2_000, 5: 600, 6: 300},
    },
    "0.1": {
        3: {2: 32_000, 3: 26_000, 4: 30_000, 5: 16_000, 6: 10_000},
        4: {2: 24_000, 3: 14_000, 4: 6_000, 5: 1_600, 6: 500},
        5: {2: 8_000, 3: 4_000, 4: 1_000, 5: 300, 6: 120},
        6: {2: 3_000, 3: 1_000, 4: 200, 5: 80, 6: 40},
    },
    "0.01": {
        3: {2: 24_000, 3: 16_000, 4: 10_000, 5: 4_000, 6: 1_500},
        4: {2: 8_000, 3: 2_000, 4: 500, 5: 150, 6: 60},
        5: {2: 200, 3: 120, 4: 50, 5: 12, 6: 8},
        6: {2: 20, 3: 10, 4: 4, 5: 2, 6: 2},
    },
}
BOTTLENECK = {2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
# Evaluations that are spent on a run which 10^7 have left open.
BUDGET = 400_000_000
# Of so many starts of each cell it is asked whether the partial answer holds.
LOOKED_AT = 400
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
    everything, began_all, before = list(tasks()), time.perf_counter(), minutes(folder)
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
                in_all = before + (time.perf_counter() - began_all) / 60
                (folder / "minutes.txt").write_text(f"{in_all:.3f}")
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


def settle(folder, cells, workers):
    """Go on with the runs that are open, on a larger budget, and keep what comes of them."""
    kept = folder / "settled.json"
    settled = json.loads(kept.read_text()) if kept.exists() else {}
    left = []
    for cell in cells:
        known = Cell(cell["depth"], cell["dim"], cell["width"], cell["scale"])
        left += [
            (cell["command"], known, run["seed"])
            for run in cell["open_runs"]
            if f"{known.name()} {run['seed']}" not in settled
        ]
    with process_pool(workers) as pool:
        for done in as_completed([pool.submit(settled_run, *each) for each in left]):
            name, result = done.result()
            settled[name] = result
            kept.write_text(json.dumps(settled, indent=1))
            print(name, result, flush=True)


def settled_run(line, cell, seed):
    """Return the end of a run for which so many more evaluations are spent."""
    flow.MOST_EVALUATIONS = outcomes.MOST_EVALUATIONS = BUDGET
    (record,) = run_batch(experiment_of(options_of(line), cell), [seed])
    return f"{cell.name()} {seed}", {"limit": record.limit, "t": record.t, "status": record.status}


def add_settled(folder, cells):
    """Add to open runs what came of them later."""
    kept = folder / "settled.json"
    settled = json.loads(kept.read_text()) if kept.exists() else {}
    for cell in cells:
        name = Cell(cell["depth"], cell["dim"], cell["width"], cell["scale"]).name()
        for each in cell["open_runs"]:
            each["later"] = settled.get(f"{name} {each['seed']}")


def add_covered(cells):
    """Add to each cell the share of its first starts that the partial answer covers."""
    experiments = {(cell, line): experiment for line, _, cell, experiment in tasks()}
    for each in cells:
        cell = Cell(each["depth"], each["dim"], each["width"], each["scale"])
        experiment = experiments[cell, each["command"]]
        held = 0
        for seed in range(LOOKED_AT):
            found = check_hypotheses(experiment.problem, experiment.start(seed)).theorems
            held += any(theorem.applies for theorem in found if theorem.kind == "partial answer")
        each["covered"] = held / LOOKED_AT


def per_saddle(cell):
    """Return (eps^(2 - N)) / (N - 2), the unit of the time to leave zero from a size eps."""
    return cell["scale"] ** (2 - cell["depth"]) / (cell["depth"] - 2)


def remaining(cell, run):
    """Return the least eigenvalue of the Hessian of the layers of an open run, and what it needs.

    A balanced mode x' = gamma x^(N-1) has the eigenvalue -mu = -(N - 1) gamma x^(N-2), and leaves
    after x^(2-N) / ((N - 2) gamma).
    """
    value = float(run["status"].partition("Hessian of the layers ")[2].partition(";")[0])
    depth = cell["depth"]
    return value, (depth - 1) / ((depth - 2) * -value) if value < 0 else math.inf


def total(cells, name):
    """Return the sum of a column."""
    return sum(cell[name] for cell in cells)


def count(found):
    """Return what was counted, in a few sentences."""
    cells = found["cells"]
    runs, decided = total(cells, "runs"), total(cells, "decided")
    longest = max(cells, key=lambda cell: cell["longest_t"])
    begun = {(cell["depth"], cell["dim"], cell["width"], cell["scale"]) for cell in cells}
    missing = [cell for *_, cell, _ in tasks() if cell not in begun]
    left_out = "".join(
        f" Not reached: $N = {cell.depth}$, $d = {cell.dim}$, width {cell.width}, scale "
        f"{cell.scale:g}."
        for cell in missing
    )
    open_question = sum((1 - cell["covered"]) * cell["runs"] for cell in cells)
    return (
        f"**{decided:,} of {runs:,} starts are certain to tend to the global minimum.** They are "
        f"{len(cells)} experiments over $d = 2, \\dots, 6$ and $N = 3, \\dots, 6$, computed in "
        f"{found['minutes']:.0f} minutes by two processes, beside other work ({found['date']}). "
        f"{total(cells, 'continued'):,} of them were certain only after the last time of their "
        f"experiment; {_count(runs - decided, 'start')} remained open. The longest wait that ended "
        f"was $t = {_power(longest['longest_t'])}$, at $N = {longest['depth']}$, "
        f"$d = {longest['dim']}$, scale {longest['scale']:g}. Some {round(open_question, -3):,.0f} "
        f"of the starts are such that the partial answer does not hold there.{left_out}\n"
    )


def text(cells):
    """Return tables: of depths and scales, of all that is open, and of the commands."""
    lines = [
        (
            "| $N$ | scale | starts | certain | of these later than the last time | open "
            "| median $t$ | longest $t$ | share of exceptions, at most | not covered |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for depth, scale in sorted({(cell["depth"], cell["scale"]) for cell in cells}):
        some = [cell for cell in cells if (cell["depth"], cell["scale"]) == (depth, scale)]
        n, sure = total(some, "runs"), total(some, "decided")
        uncovered = sum((1 - cell["covered"]) * cell["runs"] for cell in some) / n
        medians = [cell["median_t"] for cell in some if cell["decided"]] or [math.nan]
        last = max((cell["longest_t"] for cell in some if cell["decided"]), default=math.nan)
        lines.append(
            f"| {depth} | {scale:g} | {n:,} | {sure:,} | {total(some, 'continued'):,} | {n - sure} "
            f"| {_number(min(medians))} to {_number(max(medians))} "
            f"| {_number(last)} | {_share(n - sure, n)} | {uncovered:.0%} |"
        )
    note = (
        "Medians are the least and the largest of the experiments of a line; the last column "
        "but one is the upper bound of 95 % of the share of starts that do not become certain, "
        "and the last one the share of starts where the partial answer does not hold."
    )
    opened = [(cell, run) for cell in cells for run in cell["open_runs"]]
    return "\n".join([*lines, "", note, "", *_exceptions(opened), "", *_commands(cells), ""])


def _exceptions(opened):
    if not opened:
        return ["### Exceptions", "", "None."]
    saddles = sum("layers: non-strict saddle" in run["status"] for _, run in opened)
    falling = sum(remaining(cell, run)[0] < 0 for cell, run in opened)
    about = (
        f"{len(opened)} runs were open after $10^7$ evaluations, {saddles} of them near a saddle "
        f"that is not strict. In {falling} of them the Hessian of $L^N$ in the layers has a "
        "negative eigenvalue, so that they are on their way; $\\mu$ is the least one, and a "
        "balanced mode with it still needs $(N - 1) / ((N - 2) |\\mu|)$. The loss gap is in parts "
        "of the gap to the next critical value, below which a limit is certain. The last column "
        f"says what came of the run on a budget of {BUDGET:,} evaluations; what became certain "
        "then is not counted as certain above."
    )
    header = "| $N$ | widths | scale | seed | stopped at $t$ | loss gap | rank of $W$ "
    header += "| distance of $W$ from $W_J$ | $\\mu$ | still needs | went on until |"
    rule = " --- |".join(["|", *[""] * 11])
    lines = ["### Exceptions, one by one", "", about, "", header, rule]
    for cell, run in opened:
        value, needs = remaining(cell, run)
        widths = " ".join(map(str, cell["widths"]))
        facts = [
            f"{cell['depth']} | {widths} | {cell['scale']:g} | {run['seed']} | {_number(run['t'])}",
            f"{run['loss_gap_by_next_critical_gap']:.3g} | {run['rank']}",
            f"{run['distance']:.0e}, $J = \\{{{', '.join(run['nearest'].split())}\\}}$",
            f"{value:.2e} | {_number(needs)} | {_later(run.get('later'))}",
        ]
        lines.append(f"| {' | '.join(facts)} |")
    return lines


def _later(later):
    """Return what came of an open run."""
    if later is None:
        return "not tried"
    state = "certain" if later["limit"] == "global minimum" else "open"
    return f"$t = {_power(later['t'])}$: {state}"


def _commands(cells):
    """Return all experiments, by the call of the command that repeats them."""
    lines = [
        "<details>",
        "<summary>All experiments, each with the command that repeats it</summary>",
        "",
        "| `fixedrank ensemble` with | widths, scale | starts | certain | open | last | covered |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    before = None
    for cell in cells:
        command = "" if cell["command"] == before else f"`{cell['command']}`"
        before = cell["command"]
        lines.append(
            f"| {command} | {' '.join(map(str, cell['widths']))}, {cell['scale']:g} "
            f"| {cell['runs']:,} | {cell['decided']:,} | {cell['runs'] - cell['decided']} "
            f"| {_number(cell['longest_t'])} | {cell['covered']:.0%} |"
        )
    return [*lines, "", "</details>"]


def _count(number, what):
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _number(value):
    return "none" if math.isnan(value) else f"{value:.2g}" if value < 1e4 else f"{value:.1e}"


def _power(value):
    if value < 1e4:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits} \\cdot 10^{{{int(exponent)}}}"


def _share(failed, n):
    """Return the upper end of the exact interval of 95 % of the share of starts that fail."""
    upper = 1.0 if failed == n else float(beta.ppf(0.95, failed + 1, n - failed))
    return f"{upper:.1e}"


def draw(cells, file):
    """Draw when runs became certain over the scale, and how rare exceptions must be."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    depths, marks = sorted({cell["depth"] for cell in cells}), "os^D"
    dashes = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
    for number, depth in enumerate(depths):
        style = depth_style(depth) | {"marker": marks[number], "linestyle": dashes[number], "ms": 6}
        scales = sorted({cell["scale"] for cell in cells if cell["depth"] == depth})
        of_scale = [
            [cell for cell in cells if (cell["depth"], cell["scale"]) == (depth, scale)]
            for scale in scales
        ]
        middle = [np.nanmedian([cell["median_t"] for cell in some]) for some in of_scale]
        last = [np.nanmax([cell["longest_t"] for cell in some]) for some in of_scale]
        left.loglog(scales, middle, label=f"N = {depth}", **style)
        left.loglog(scales, last, lw=0, marker=marks[number], mfc="none", mec=style["color"], ms=6)
        dims = sorted({cell["dim"] for cell in cells})
        shares = []
        for dim in dims:
            some = [cell for cell in cells if (cell["depth"], cell["dim"]) == (depth, dim)]
            n, failed = total(some, "runs"), total(some, "runs") - total(some, "decided")
            shares.append(beta.ppf(0.95, failed + 1, n - failed))
        right.semilogy(dims, shares, label=f"N = {depth}", **style)
    small = np.array([0.01, 0.1])
    for depth in depths:
        left.loglog(small, 3 * small ** (2 - depth) / (depth - 2), ":", color="0.5", lw=1)
        left.annotate(
            f"$\\epsilon^{{{2 - depth}}}$", (0.01, 3 * 0.01 ** (2 - depth) / (depth - 2)),
            (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=8,
        )  # fmt: skip
    left.set_xlim(0.005, 1.4)
    left.set_xlabel("scale of the start")
    left.set_ylabel("t at which the limit is certain")
    left.set_title("filled: median, open: the longest;\ndotted: the law of the wait", fontsize=10)
    left.legend(frameon=False)
    right.set_xticks(dims)
    right.set_xlabel("$d_x = d_y$")
    right.set_ylabel("share of starts")
    right.set_title(
        "share of starts that may fail to become certain:\nupper bound of 95 %", fontsize=10
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def minutes(folder):
    """Return how many minutes it has run, all calls together."""
    kept = folder / "minutes.txt"
    return float(kept.read_text()) if kept.exists() else 0.0


def main():
    """Run and collect, or make the text and the picture anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--collect", action="store_true", help="take what there is in FOLDER")
    parser.add_argument("--render", action="store_true", help="of conjecture.json alone")
    given = parser.parse_args()
    if not given.render:
        if given.folder is None:
            parser.error("FOLDER is missing")
        if not given.collect:
            run(given.folder, given.workers)
            settle(given.folder, collect(given.folder), given.workers)
        found = {
            "version": fixedrank.__version__,
            "date": time.strftime("%Y-%m-%d"),
            "minutes": minutes(given.folder),
            "cells": collect(given.folder),
        }
        add_settled(given.folder, found["cells"])
        add_covered(found["cells"])
        FILES["json"].write_text(json.dumps(found, indent=1) + "\n")
    found = json.loads(FILES["json"].read_text())
    FILES["count"].write_text(count(found))
    FILES["md"].write_text(text(found["cells"]))
    draw(found["cells"], FILES["png"])


if __name__ == "__main__":
    main()
