"""The tables and pictures of docs/depth.md, of what depth.json says."""

import math
from statistics import median

import numpy as np
from depth_flows import TIMES
from depth_problems import CASES, MINIMA
from depth_runs import METHODS, PYMANOPT, TARGETS

# The methods that go by depth N wholly.
OF_DEPTH = ("SD", "CG", "TR", "LBFGS + P(N)")
WORDS = {
    "0.1": "small singular values a tenth of the true ones",
    "1": "small singular values the true ones",
    "10": "small singular values ten times the true ones",
    "spectral": "spectral",
    "large known": "large parts known",
}
TARGET = {name: place for place, name in enumerate(TARGETS)}


def reached(outcomes, target):
    """Return the evaluations of the seeds that reached a target."""
    return [taken[TARGET[target]] for taken in outcomes if taken[TARGET[target]] is not None]


def target_of(name):
    """What a problem is solved by: of rank 5 there are other minimisers."""
    return "loss" if "rank 5" in name else "error"


def header(first, depths):
    yield f"| {first} | " + " | ".join(f"N = {depth}" for depth in depths) + " |"
    yield "| --- |" + " --- |" * len(depths)


def line(first, cells):
    return f"| {first} | " + " | ".join(cells) + " |"


def short(value):
    """Return a number with two or three digits."""
    if value != 0 and not 1e-2 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"${mantissa} \\cdot 10^{{{int(exponent)}}}$"
    return (f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2g}").replace("-", "−")


def count(outcomes, target):
    """The median of those that got there, and how many of all these are."""
    there = reached(outcomes, target)
    return f"{median(there):.0f} ({len(there)}/{len(outcomes)})" if there else "–"


def best(of_case, depth, target):
    """Return how many seeds the best method of a depth solves, the median, and its name."""
    found = []
    for method in OF_DEPTH:
        outcomes = of_case[method][str(depth)]
        there = reached(outcomes, target)
        found.append((-len(there), median(there) if there else math.inf, method))
    solved, taken, method = min(found)
    return -solved, taken, method.split(" +")[0]


def summary(data, depths):
    yield from header("problem", depths)
    for name in CASES:
        cells = [best(data["runs"][name], depth, target_of(name)) for depth in depths]
        first = min((-solved, taken) for solved, taken, _ in cells)
        shown = []
        for solved, taken, method in cells:
            cell = f"{taken:.0f} {method} ({solved})" if solved else "–"
            shown.append(f"**{cell}**" if solved and (-solved, taken) == first else cell)
        yield line(name, shown)


def shares(data, depths):
    """The share of runs that reach each target, of problems with one minimiser."""
    yield from header("share of runs that reach", depths)
    wanted = {
        "error": "the minimiser",
        "gradient": "a vanishing gradient",
        "loss": "the least loss",
    }
    kinds = {"all problems but of rank 5": False, "rank 5": True}
    for kind, many in kinds.items():
        for target, words in wanted.items():
            cells = []
            for depth in depths:
                runs = [
                    outcomes
                    for name, of_case in data["runs"].items()
                    if ("rank 5" in name) == many
                    for outcomes in (of_case[method][str(depth)] for method in OF_DEPTH)
                ]
                there = sum(len(reached(outcomes, target)) for outcomes in runs)
                cells.append(f"{there / sum(map(len, runs)):.0%}")
            yield line(f"{words}; {kind}", cells)


def methods(data, depths):
    for name, of_case in data["runs"].items():
        target = target_of(name)
        yield f"**{name}.** {CASES[name].func.__doc__} To the target of the {target}."
        yield ""
        yield from header("method", depths)
        for method in METHODS + PYMANOPT:
            cells = []
            for depth in depths:
                outcomes = of_case.get(method, {}).get(str(depth), [])
                there = reached(outcomes, target)
                cell = count(outcomes, target) if outcomes else ""
                spread = f", {min(there)} to {max(there)}" if len(there) > 1 else ""
                cells.append(cell.replace(" (", spread + " ("))
            if any(cells):
                yield line(method.replace(", pymanopt", ", pymanopt's own manifold"), cells)
        yield ""


def conditions(data, depths):
    yield from header("minimum", depths)
    for name in MINIMA:
        found = [np.median(data["conditions"][name][str(depth)], 0) for depth in depths]
        yield line(
            name.removesuffix(", spectral"),
            [f"{short(own)} (≤ {short(bound)})" for own, _, bound in found],
        )
    ratios = [
        [
            root / own
            for of_case in data["conditions"].values()
            for own, root, _ in of_case[str(depth)]
        ]
        for depth in depths
    ]
    cells = [f"{short(min(of_depth))} to {short(max(of_depth))}" for of_depth in ratios]
    yield line("that of the root over it, all minima", cells)


def flows(data, depths, condition):
    yield from header("start", depths)
    for which, words in WORDS.items():
        found = [np.median(data["flows"][condition][which][str(depth)], 0) for depth in depths]
        yield line(words, [f"{short(first)} → {short(most)}" for first, most, _ in found])


def ends(data, depths):
    yield from header("start", depths)
    for which, words in WORDS.items():
        found = [np.median(data["ends"][which][str(depth)], 0) for depth in depths]
        yield line(words, [f"{short(least)}; {short(loss)}" for least, loss in found])


def extremes(data, depths, condition):
    yield from header("start", depths)
    for which, words in WORDS.items():
        found = [np.median(data["extremes"][condition][which][str(depth)], 0) for depth in depths]
        yield line(words, [f"{short(least)} to {short(most)}" for least, _, most in found])


def starts(data, depths):
    yield from header("start, method", depths)
    for which, words in WORDS.items():
        for method, of_method in data["starts"][which].items():
            cells = [count(of_method[str(depth)], "error") for depth in depths]
            yield line(f"{words}, {method}", cells)


def spikes(data, depths):
    yield from header("completion", depths)
    for name, of_case in data["spikes"].items():
        found = [np.median(of_case[str(depth)], 0) for depth in depths]
        yield line(
            name.removeprefix("completion").removeprefix(", ").strip(),
            [f"{short(error)}; {share:.0%}" for error, share, _ in found],
        )


def over(data):
    """The least loss at rank 5: the metric of depth 1 on the manifold of depth 2 beside others."""
    columns = {
        "TR, N = 1": ("TR", "1"),
        "TR, N = 2": ("TR", "2"),
        "TR + P(1), N = 2": ("TR + P(1)", "2"),
        "CG, N = 1": ("CG", "1"),
        "LBFGS, N = 1": ("LBFGS + P(N)", "1"),
    }
    yield "| problem | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for name, of_case in data["runs"].items():
        if "rank 5" in name:
            cells = [count(of_case[method][depth], "loss") for method, depth in columns.values()]
            yield line(name, cells)


def recovered(data):
    columns = list(data["recovered"])
    yield "| " + " | ".join(name.removesuffix(", spectral") for name in columns) + " |"
    yield "|" + " --- |" * len(columns)
    yield "| " + " | ".join(short(max(data["recovered"][name])) for name in columns) + " |"


def measured(data):
    minutes, settings = data["cpu_seconds"] / 60, data["settings"]
    seeds = len(data["runs"][MINIMA[0]]["CG"]["1"])
    yield (
        f"Measured {data['measured']}: {minutes:.0f} minutes of one core, {seeds} seeds, up to "
        f"{settings['limit']} evaluations a run."
    )


def fragments(data):
    """Yield the names of the parts of depth.md, and their lines."""
    depths = data["settings"]["depths"]
    yield "measured", measured(data)
    yield "summary", summary(data, depths)
    yield "shares", shares(data, depths)
    yield "conditions", conditions(data, depths)
    yield "flows", flows(data, depths, "1000")
    yield "extremes", extremes(data, depths, "1000")
    yield "ends", ends(data, depths)
    yield "over", over(data)
    yield "recovered", recovered(data)
    yield "starts", starts(data, depths)
    yield "spikes", spikes(data, depths)
    yield "methods", methods(data, depths)


def page(data):
    """Return the text of depth.md: what stands between marks is included by docs/depth.md."""
    lines = []
    for name, part in fragments(data):
        lines += [f"<!-- {name} begins -->", "", *part, "", f"<!-- {name} ends -->", ""]
    return "\n".join(lines)


def draw_conditions(data, path):
    """Draw the evaluations over the condition at the minimum."""
    import matplotlib.pyplot as plt

    from fixedrank.plotting import depth_style

    figure, panels = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True, sharey=True)
    kinds = {"SD": "steepest descent", "CG": "conjugate gradients", "LBFGS + P(N)": "L-BFGS, P(N)"}
    for axes, (method, title) in zip(panels, kinds.items(), strict=True):
        for depth in data["settings"]["depths"]:
            places = []
            for name in MINIMA:
                there = reached(data["runs"][name][method][str(depth)], "error")
                own = np.median(data["conditions"][name][str(depth)], 0)[0]
                places += [(own, median(there))] if there else []
            look = depth_style(depth) | {"linestyle": "none"}
            axes.loglog(*zip(*places, strict=True), label=f"$N = {depth}$", **look)
        power, words = (1, r"\kappa_N") if method == "SD" else (0.5, r"\sqrt{\kappa_N}")
        scale = np.array([3.0, 1e6])
        axes.loglog(scale, 12 * scale**power, color="0.45", linewidth=1)
        axes.set(title=f"{title}; line: $\\propto {words}$", xlabel=r"condition $\kappa_N$")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("evaluations to the minimiser")
    panels[0].set(xlim=(0.7, 2e6), ylim=(10, 4000))
    panels[2].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_overshoot(data, path):
    """Draw the least singular value along flows."""
    import matplotlib.pyplot as plt

    from fixedrank.plotting import depth_style

    figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True)
    shown = {"1": "true small singular values", "spectral": "spectral start"}
    shown["large known"] = "large parts known"
    for axes, (which, title) in zip(panels, shown.items(), strict=True):
        for depth in data["settings"]["depths"]:
            (values,) = data["curves"]["1000"][which][str(depth)]
            axes.loglog(
                TIMES[::3][1:],
                values[1:],
                label=f"$N = {depth}$",
                markevery=0.15,
                **depth_style(depth),
            )
        axes.axhline(1, color="0.45", linewidth=1)
        axes.set(title=title, xlabel="time $t$")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(r"$s_k(t) \,/\, s_k$ of the minimiser")
    panels[0].legend(loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def render(data, text, pictures):
    """Write the tables and the pictures."""
    text.write_text(page(data), encoding="utf-8")
    draw_conditions(data, pictures / "depth-conditions.png")
    draw_overshoot(data, pictures / "depth-overshoot.png")
