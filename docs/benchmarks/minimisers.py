"""Optimisers on six problems of low rank: what they ask for, how long they take, where they end.

python docs/benchmarks/minimisers.py [--quick] [--render] [--out FOLDER] [PROBLEM ...]

SteepestDescent, ConjugateGradient (with pymanopt's line search and with ExactStartLineSearcher),
TrustRegions and LBFGS on the manifolds of depth 1, 2 and 3, with and without a preconditioner, from
the same starts in turn. An evaluation is one of the cost, of the gradient, or a product of the
Hessian. The run of one start ends at a gradient of 1e-11 of the first one, after 5,000 evaluations,
after 5 seconds, or after 1000 steps without a shorter gradient. Gradients are compared in the
embedded metric at all depths. A completion is solved if its cost is below 1e-6 of the first one as
well: it has other stationary points.

Writes minimisers.json, and of it minimisers.md and minimisers.png; with --render the latter two
only, and with names of problems these are renewed. --quick takes one start, 600 evaluations and
depths 1 and 2, and writes nothing but in FOLDER.
"""

import argparse
import json
import math
import os
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from minimised import PROBLEMS, starts
from pymanopt.optimizers import ConjugateGradient, SteepestDescent, TrustRegions
from timing import describe

import fixedrank
from fixedrank.optimizers import LBFGS

HERE = Path(__file__).resolve().parent
FILES = {
    "json": HERE / "minimisers.json",
    "md": HERE / "minimisers.md",
    "png": HERE.parent / "_static" / "minimisers.png",
}
SOLVED, EXACT, END = 1e-6, 1e-10, 1e-11
LIMIT, IDLE = 5, 1000
DEPTHS = (1, 2, 3)
# Marks and dashes, so that the lines are told apart without colour.
LINES = {
    "LBFGS": ("o", "-"),
    "CG": ("s", "--"),
    "TR": ("^", "-."),
    "SD": ("x", ":"),
}
NAMES = {"SD": SteepestDescent, "CG": ConjugateGradient, "TR": TrustRegions, "LBFGS": LBFGS}


def methods(loss, name, depth):
    """Yield the methods that there are: a name, and whether it has a preconditioner."""
    exact = loss.line_minimum(*along(loss)) is not None
    for method in ("SD", "CG", "CG exact", "TR", "LBFGS"):
        if method == "CG exact" and not exact:
            continue
        yield method, False
        # At depth 1 that of depth 1 is none; pymanopt's SteepestDescent takes none.
        if method != "SD" and (name == "regression" or depth > 1):
            yield method, True


def along(loss):
    """Return some point and a direction there."""
    manifold = fixedrank.FixedRank(*loss.shape, 1, depth=1)
    point = manifold.random_point(rng=0)
    return point, manifold.random_tangent_vector(point, rng=1)


def preconditioner(loss, name, manifold, method):
    """Return that of the regression, or that of another depth: for LBFGS, which has depth 1, N."""
    if name == "regression":
        return loss.preconditioner(manifold)
    return manifold.preconditioner(manifold.depth if method == "LBFGS" else 1)


class Watch:
    """A callback that notes when the embedded gradient was how small, on a clock of its own."""

    def __init__(self, loss, manifold, evaluations):
        self.loss, self.evaluations = loss, evaluations
        self.embedded = fixedrank.FixedRank(manifold.m, manifold.n, manifold.k, depth=1)
        self.taken, self.first, self.reached = 0.0, None, {}
        self.least, self.idle, self.costs = math.inf, 0, []
        self.recovers = isinstance(loss, fixedrank.MatrixCompletion)

    def __call__(self, point, norm, counts, seconds):
        began = time.perf_counter()
        gradient = self.embedded.euclidean_to_riemannian_gradient(point, self.loss.gradient(point))
        size = self.embedded.norm(point, gradient)
        self.first = self.first or size
        if self.recovers:
            self.costs.append(self.loss.loss(point))
        there = not self.recovers or self.costs[-1] <= SOLVED * self.costs[0]
        asked = counts.costs + counts.gradients + counts.hessians
        for share in (SOLVED, EXACT):
            if there and size <= share * self.first and share not in self.reached:
                self.reached[share] = asked, seconds - self.taken
        self.idle = 0 if size < 0.9 * self.least else self.idle + 1
        self.least = min(self.least, size)
        self.taken += time.perf_counter() - began
        late = asked > self.evaluations or seconds > self.taken + LIMIT
        return size <= END * self.first or late or self.idle > IDLE


def solved(loss, name, depth, method, preconditioned, start, size, evaluations):
    """Return what it took to a gradient of 1e-6 and of 1e-10, as far as these were reached.

    The size is that of the singular values at the solution, for trust regions.
    """
    manifold = fixedrank.FixedRank(*loss.shape, len(start[1]), depth=depth)
    precondition = preconditioner(loss, name, manifold, method) if preconditioned else None
    watch = Watch(loss, manifold, evaluations)
    problem = fixedrank.watch(loss.to_pymanopt(manifold, preconditioner=precondition), watch)
    options = {
        "verbosity": 0,
        "min_gradient_norm": 0,
        "min_step_size": 0,
        "max_iterations": evaluations,
        # Where steps fail nothing is accepted, and nothing told.
        "max_time": LIMIT,
        "max_cost_evaluations": 10**9,
    }
    if method == "CG exact":
        options["line_searcher"] = fixedrank.ExactStartLineSearcher(loss)
    radius = {}
    if method == "TR":
        # The radius that belongs to the metric in which steps are measured.
        radius["Delta_bar"] = getattr(precondition, "typical_dist", manifold.typical_dist)
        if not (preconditioned and name == "regression"):
            radius["Delta_bar"] *= size ** (1 if preconditioned else 1 / depth)
    solver = NAMES[method.split()[0]](**options)
    solver.run(problem, initial_point=start, **radius)
    return [watch.reached.get(share) for share in (SOLVED, EXACT)]


def measured(names, quick):
    """Yield the rows: problem, depth, method, with a preconditioner or not, and each start."""
    for name in names:
        loss, k = PROBLEMS[name]()
        points = starts(loss, k, 1 if quick else 3)
        embedded = fixedrank.FixedRank(*loss.shape, k, depth=1)
        precondition = preconditioner(loss, name, embedded, "LBFGS")
        posed = loss.to_pymanopt(embedded, preconditioner=precondition)
        size = float(LBFGS(verbosity=0).run(posed, initial_point=points[0]).point.s[0])
        for depth in DEPTHS[:2] if quick else DEPTHS:
            chosen = list(methods(loss, name, depth))
            outcomes = defaultdict(list)
            for point in points:
                for method in chosen:
                    taken = solved(loss, name, depth, *method, point, size, 600 if quick else 5000)
                    outcomes[method].append(taken)
            for (method, preconditioned), taken in outcomes.items():
                yield [name, depth, method, preconditioned, taken]


def table(record):
    """Return the table: medians over the starts that got there, and how many these were."""
    rows = {
        (name, depth, method, preconditioned): taken
        for name, depth, method, preconditioned, taken in record["rows"]
    }
    depths = sorted({key[1] for key in rows})
    yield f"{record['machine']}"
    yield ""
    for name in PROBLEMS:
        yield f"**{name}.** {PROBLEMS[name].__doc__}"
        yield ""
        yield "| method | " + " | ".join(f"N = {depth}" for depth in depths) + " |"
        yield "| --- |" + " --- |" * len(depths)
        for method in ("SD", "CG", "CG exact", "TR", "LBFGS"):
            for preconditioned in (False, True):
                cells = [rows.get((name, depth, method, preconditioned)) for depth in depths]
                if any(cells):
                    label = method.replace("CG exact", "CG, exact start")
                    label += " + P" if preconditioned else ""
                    yield f"| {label} | " + " | ".join(map(cell, cells)) + " |"
        yield ""


def cell(taken):
    if taken is None:
        return ""
    there = [start[0] for start in taken if start[0]]
    exact = sum(start[1] is not None for start in taken)
    if not there:
        return f"– (0, {exact})"
    asked, seconds = (median(column) for column in zip(*there, strict=True))
    return f"{asked:.0f} in {seconds:.2g} s ({len(there)}, {exact})"


def draw(record, picture):
    """Draw the share of all problems, depths and starts that is solved, over evaluations."""
    import matplotlib.pyplot as plt

    cases = defaultdict(dict)
    for name, depth, method, preconditioned, taken in record["rows"]:
        if method == "CG exact":
            continue
        for start, reached in enumerate(taken):
            # Without a preconditioner of its own a method goes on as it is.
            for which in (True,) if preconditioned else (False, True):
                cases[name, depth, start].setdefault((method, which), reached[0])
                if which is preconditioned:
                    cases[name, depth, start][method, which] = reached[0]
    figure, panels = plt.subplots(2, 2, figsize=(10, 7), sharex=True, sharey=True)
    titles = ("evaluations", "time")
    for row, which in enumerate((False, True)):
        for column, what in enumerate(titles):
            axes = panels[row, column]
            for place, (method, (mark, dashes)) in enumerate(LINES.items()):
                ratios = []
                for case in cases.values():
                    best = min((reached[column] for reached in case.values() if reached), default=1)
                    reached = case.get((method, which))
                    ratios.append(reached[column] / best if reached else math.inf)
                ratios.sort()
                shares = [(i + 1) / len(ratios) for i in range(len(ratios))]
                shown = [(r, s) for r, s in zip(ratios, shares, strict=True) if r < math.inf]
                if not shown:
                    continue
                x, y = zip(*shown, strict=True)
                axes.step(
                    [*x, 64],
                    [*y, y[-1]],
                    where="post",
                    color="0.1",
                    linestyle=dashes,
                    marker=mark,
                    markevery=(place, 6),
                    markersize=5,
                    markerfacecolor="white",
                    label=method,
                )
            axes.set_xscale("log", base=2)
            axes.set_xlim(1, 64)
            axes.set_ylim(0, 1.02)
            axes.grid(alpha=0.3)
            axes.set_title(f"{what}, {'with' if which else 'without'} preconditioner")
            axes.set_xlabel(f"{what} over the least of all methods")
    for axes in panels[:, 0]:
        axes.set_ylabel("share of cases solved")
    panels[0, 0].legend(loc="lower right", handlelength=4)
    figure.suptitle(f"Optimisers on {len(cases)} cases: six problems, depths and starts")
    figure.tight_layout()
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def main():
    """Measure, or render what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one start, few evaluations")
    parser.add_argument("--render", action="store_true", help="only write what the file says")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument("names", nargs="*", metavar="PROBLEM", help=", ".join(PROBLEMS))
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(PROBLEMS)):
        parser.error(f"no problem is named {', '.join(unknown)}; there are {', '.join(PROBLEMS)}")
    files = dict(FILES)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        files = {kind: options.out / path.name for kind, path in FILES.items()}
    if options.render:
        record = json.loads(files["json"].read_text(encoding="utf-8"))
    else:
        head = (
            f"{describe()}; load average before it began {os.getloadavg()[0]:.2f}, "
            f"{os.cpu_count()} cores."
        )
        record = {"machine": head, "rows": []}
        if options.names and files["json"].exists():
            kept = json.loads(files["json"].read_text(encoding="utf-8"))["rows"]
            record["rows"] = [row for row in kept if row[0] not in options.names]
        for row in measured(options.names or list(PROBLEMS), options.quick):
            record["rows"].append(row)
            print(
                row[0], f"N = {row[1]}", row[2], "+ P" if row[3] else "", cell(row[4]), flush=True
            )
    if options.quick and options.out is None:
        return
    if not options.render:
        lines = ",\n".join(json.dumps(row) for row in record["rows"])
        text = f'{{"machine": {json.dumps(record["machine"])}, "rows": [\n{lines}\n]}}\n'
        files["json"].write_text(text, encoding="utf-8")
    files["md"].write_text("\n".join(table(record)), encoding="utf-8")
    draw(record, files["png"])


if __name__ == "__main__":
    main()
