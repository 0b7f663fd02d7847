"""The chart of the benchmarks that comes first on their page, made of results.json.

Every panel compares times of one run with one thread; `run.py --render` draws it anew.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from records import ONE, Record, latest

OURS, THEIRS = "#1b5e9b", "#b3541e"


class Panel(NamedTuple):
    """Some rows of a table: the first time of each, and the second if that has a name."""

    title: str
    benchmark: str
    heading: str
    rows: tuple[tuple[str, str, bool], ...]  # the label, the row, and whether it is ours
    other: str = ""  # what the second time is of


PANELS = (
    Panel(
        "Operations on 2000 x 2000 matrices of rank 20, depth 3",
        "manifold",
        "(2000, 2000, 20)",
        (
            ("retraction", "retraction", True),
            ("gradient", "gradient conversion", True),
            ("transport", "transport", True),
            ("random tangent vector", "random tangent vector", True),
        ),
        "pymanopt",
    ),
    Panel(
        "Operations on 10,000 x 10,000 matrices of rank 20, depth 3",
        "limits",
        "(10000, 10000, 20)",
        (
            ("retraction", "retraction", True),
            ("gradient", "gradient, factors", True),
            ("transport", "transport", True),
            ("Hessian", "Hessian, factors", True),
        ),
        "bare BLAS and LAPACK",
    ),
    Panel(
        "The same curve, d = 200, r = 20, N = 10, times up to 5",
        "flows",
        "d = 200, r = 20, N = 10",
        (
            ("product, default method", "flow (9), auto", True),
            ("product, DOP853", "flow (9), DOP853", True),
            ("layers, default method", "flow (5), narrowest layer first, auto", True),
            ("layers, DOP853", "flow (5), narrowest layer first, DOP853", True),
            ("layers, diffrax Dopri8", "flow (5), diffrax Dopri8, narrowest first", False),
        ),
    ),
    Panel(
        "One gradient of ten layers, d = 200, r = 20",
        "gradients",
        "d = 200, r = 20, N = 10",
        (
            ("network_gradient", "network_gradient", True),
            ("jax", "jax, C and B, narrow", False),
            ("torch", "torch, C and B, narrow", False),
            ("autograd", "autograd, C and B, narrow", False),
        ),
    ),
)


def draw_beside(records: Sequence[Record], file: Path) -> None:
    """Draw the times of the last records beside those of the alternatives."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    last = latest(records)
    panels = [(panel, found) for panel in PANELS if (found := _bars(last, panel))]
    if not panels:
        return
    heights = [len(found) + 1 for _, found in panels]
    figure, all_axes = plt.subplots(
        len(panels),
        figsize=(7.6, 0.28 * sum(heights) + 0.5 * len(panels)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for axes, (panel, bars) in zip(all_axes.flat, panels, strict=True):
        for row, (_, seconds, own) in enumerate(bars):
            style = {"color": OURS} if own else {"color": THEIRS, "hatch": "///", "ec": "white"}
            axes.barh(row, seconds, height=0.8, **style)
            axes.annotate(
                _text(seconds), (seconds, row), (4, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(bars)), [label for label, *_ in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.12 * max(seconds for _, seconds, _ in bars))
        axes.xaxis.set_major_formatter(lambda seconds, _: _text(seconds) if seconds else "0")
        axes.set_title(panel.title, fontsize=10, loc="left", fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    names = [Patch(color=OURS), Patch(color=THEIRS, hatch="///", ec="white")]
    figure.legend(names, ["fixedrank", "the alternative"], loc="outside upper right", ncols=2)
    figure.savefig(file, dpi=200)
    plt.close(figure)


def _bars(last: dict[str, Record], panel: Panel) -> list[tuple[str, float, bool]]:
    """The label, the time and whether it is ours, of each bar of a panel."""
    times = last[panel.benchmark].times.get(ONE, {}) if panel.benchmark in last else {}
    bars = []
    for label, row, own in panel.rows:
        found = [
            seconds
            for name, seconds in times.items()
            if name.startswith(panel.heading) and name.rpartition("; ")[2] == row
        ]
        if found:
            bars.append((label, found[0][0], own))
            if panel.other and len(found[0]) > 1:
                bars.append((panel.other, found[0][1], False))
    return bars


def _text(seconds: float) -> str:
    """A time in the unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
