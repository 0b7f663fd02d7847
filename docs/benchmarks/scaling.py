"""Time of one operation over the size, the rank, the depth and the number of samples.

python docs/benchmarks/scaling.py [--quick] [--picture FILE]

The least time of many calls counts. Slopes are fitted to the logarithms over the upper half of the
values: over the lower half, calls from Python cost most.
"""

import argparse

import numpy as np
from evaluations import evaluation, regression
from manifold import inputs
from timing import describe, interleaved

import fixedrank
from fixedrank.networks.gradients import network_gradient

OPERATIONS = ("retraction", "gradient", "transport")
FLOW, LAYERS, PASS = "flow (9), one evaluation", "flow (5), one evaluation", "X → W X, one product"
DATA_SIZE, DATA_RANK, DEPTH = 100, 10, 3


def operations(size, rank, depth):
    """Return the operations on square matrices by name."""
    manifold = fixedrank.FixedRank(size, size, rank, depth=depth)
    point, other, vector, derivative = inputs(manifold)
    functions = (
        lambda: manifold.retraction(point, vector),
        lambda: manifold.euclidean_to_riemannian_gradient(point, derivative),
        lambda: manifold.transport(point, other, vector),
    )
    return dict(zip(OPERATIONS, functions, strict=True))


def dense_problem(size):
    """Return a problem with C and B of a size, made without the samples."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((size, size))
    C = np.diag(np.linspace(1, 2, size))
    return fixedrank.LinearRegression.from_moments(C, B, 2 * np.vdot(B, B))


def over_size(size):
    """m = n = size, k = 10; the flow as far as C and B fit."""
    functions = operations(size, 10, DEPTH)
    if size <= 4000:
        functions[FLOW] = evaluation(dense_problem(size), 10, DEPTH)[0]
    return functions


def over_rank(rank):
    """m = n = 2000."""
    return operations(2000, rank, DEPTH) | {FLOW: evaluation(dense_problem(2000), rank, DEPTH)[0]}


def over_depth(depth):
    """m = n = 500, k = 10."""
    return operations(500, 10, depth) | {FLOW: evaluation(dense_problem(500), 10, depth)[0]}


def over_samples(samples):
    """d = 100, r = 10: both flows, and for comparison one pass of the samples through W."""
    problem = regression(DATA_SIZE, samples)
    flow, point = evaluation(problem, DATA_RANK, DEPTH)
    widths = [DATA_SIZE, DATA_RANK, DATA_RANK, DATA_SIZE]
    factors = fixedrank.balanced_factors(point, widths, rng=0)
    products = problem.gradient_products
    W, X = fixedrank.product(factors), np.ones((DATA_SIZE, samples))
    return {
        FLOW: flow,
        LAYERS: lambda: network_gradient(products, factors),
        PASS: lambda: W @ X,
    }


# name: (label of the axis, title, functions at a value, values, values for --quick,
#        slopes that are drawn, each above one of the curves)
PANELS = {
    "size": (
        "$m = n$",
        "over the size; $k = 10$, $N = 3$",
        over_size,
        (100, 300, 1000, 2000, 4000, 10_000, 30_000, 100_000, 300_000),
        (100, 1000, 4000),
        {1: "retraction", 2: FLOW},
    ),
    "rank": (
        "$k$",
        "over the rank; $m = n = 2000$, $N = 3$",
        over_rank,
        (1, 2, 5, 10, 20, 50, 100, 200),
        (1, 20),
        {1: FLOW, 2: "retraction"},
    ),
    "depth": (
        "$N$",
        "over the depth; $m = n = 500$, $k = 10$",
        over_depth,
        (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000),
        (1, 20, 1000),
        {0: FLOW},
    ),
    "samples": (
        "number of samples",
        "over the samples; $d_x = d_y = 100$, $k = 10$, $N = 3$",
        over_samples,
        (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000),
        (200, 2000),
        {0: FLOW, 1: PASS},
    ),
}


def measure(panel, quick):
    """Return {operation: (values, times)} of a panel."""
    _, _, at, values, few, _ = PANELS[panel]
    curves = {}
    for value in few if quick else values:
        for name, function in at(value).items():
            # One after another: a large one would push the data of a small one out of the caches.
            (taken,) = interleaved(function, seconds=0.05 if quick else 0.4)
            curves.setdefault(name, ([], []))
            curves[name][0].append(value)
            curves[name][1].append(taken)
    return curves


def slope(values, times):
    """Return the slope over the upper half of the values, in logarithms."""
    half = len(values) // 2 if len(values) > 3 else 0
    return float(np.polyfit(np.log(values[half:]), np.log(times[half:]), 1)[0])


def table(curves):
    """Yield the lines of one panel."""
    for name, (values, times) in curves.items():
        first, last = (f"{1e6 * times[end]:9.0f} us at {f'{values[end]:,}':<8}" for end in (0, -1))
        yield f"  {name:26} {first} {last}  slope {slope(values, times):5.2f}"


def draw(measured, path):
    """Write the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(2, 2, figsize=(10, 9), layout="constrained")
    names = list(dict.fromkeys(name for curves in measured.values() for name in curves))
    styles = {name: (f"C{place}", "osD^vP"[place]) for place, name in enumerate(names)}
    lines = {}
    for axis, (panel, curves) in zip(axes.flat, measured.items(), strict=True):
        label, title, *_, slopes = PANELS[panel]
        for name, (values, times) in curves.items():
            colour, marker = styles[name]
            (lines[name],) = axis.loglog(values, times, color=colour, marker=marker, ms=5)
        for power, name in slopes.items():
            # Over the upper half of the values, for which slopes are told.
            values, times = (np.array(part[len(part) // 2 :], float) for part in curves[name])
            line = (values / values[-1]) ** power
            line *= 1.5 * (times / line).max()
            axis.loglog(values, line, color="0.4", ls="--", lw=1)
            text = "constant" if power == 0 else f"slope {power}"
            axis.annotate(
                text,
                (values[0], line[0]),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                color="0.3",
            )
        axis.set(xlabel=label, ylabel="time of one call in s", title=title)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(which="major", alpha=0.3)
    figure.suptitle("Time of one operation, one thread; dashed: slopes for comparison")
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def run(quick=False, picture=None):
    """Return the table; draw it if a file is named."""
    measured = {panel: measure(panel, quick) for panel in PANELS}
    if picture is not None:
        draw(measured, picture)
    lines = []
    for panel, curves in measured.items():
        lines += [PANELS[panel][1].replace("$", ""), *table(curves), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few values and short times")
    parser.add_argument("--picture", metavar="FILE", help="where to draw the curves")
    options = parser.parse_args()
    print(describe())
    print(run(options.quick, options.picture))
