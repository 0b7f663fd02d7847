"""Results of benchmarks by date, in results.json, of which the tables and a picture are made."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
FILE, TABLE = HERE / "results.json", HERE / "results.md"
PICTURE = HERE.parent / "_static" / "over_time.png"
# The columns of each table.
DEFAULT, ONE = "default", "one thread"

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
COLUMNS, TIME = re.compile(r"\s{2,}"), re.compile(r"([\d.]+(?:e[+-]\d+)?) (us|ms|s)\b")


class Compared(NamedTuple):
    """What the picture shows: a time over another one of the same run, as rows and columns."""

    label: str
    benchmark: str
    heading: str
    row: str
    other: str | None = None  # the same row, in its second column


# Ratios travel between machines and stand the load of a day, which times do not.
SHOWN = (
    Compared("retraction / bare LAPACK", "limits", "(10000, 10000, 20)", "retraction"),
    Compared("gradient, factors / bare BLAS", "limits", "(10000, 10000, 20)", "gradient, factors"),
    Compared("Hessian, factors / bare BLAS", "limits", "(10000, 10000, 20)", "Hessian, factors"),
    Compared("retraction / pymanopt", "manifold", "(2000, 2000, 20)", "retraction"),
    Compared("gradient / pymanopt", "manifold", "(2000, 2000, 20)", "gradient conversion"),
    Compared(
        "gradient of layers / jax",
        "gradients",
        "d = 20, r = 2, N = 10",
        "network_gradient",
        "jax, C and B, narrow",
    ),
    Compared(
        "flow (9) / flow (5), auto",
        "flows",
        "d = 200, r = 20, N = 10",
        "flow (9), auto",
        "flow (5), narrowest layer first, auto",
    ),
    Compared(
        "flow (9), auto / DOP853",
        "flows",
        "d = 200, r = 20, N = 10",
        "flow (9), auto",
        "flow (9), DOP853",
    ),
)


@dataclass
class Record:
    """One benchmark of one day.

    Attributes
    ----------
    benchmark, date : str
        Its name, and the day.
    settings : list of str
        The columns of its table: "default", "one thread", or both; none where it sets its own.
    seconds : int
        How long it took.
    machine : str
        What it ran on, and how busy that was.
    text : list of str
        The lines of its table.
    times : dict
        For each setting the times in each row, in seconds, by "heading; row".
    """

    benchmark: str
    date: str
    settings: list[str]
    seconds: int
    machine: str
    text: list[str]
    times: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.times:
            self.times = times_of(self.text, self.settings)


def times_of(lines: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Return the times in each row of a table, in seconds, by "heading; row"."""
    found: dict[str, dict[str, list[float]]] = {setting: {} for setting in settings}
    heading = ""
    for line in lines:
        if line and not line.startswith(" "):
            heading = line.partition("|")[0].partition(";")[0].strip()
            continue
        for setting, columns in zip(settings, _sides(line), strict=False):
            times = [TIME.match(column) for column in columns[1:]]
            seconds = [float(time[1]) * UNITS[time[2]] for time in times if time]
            if seconds:
                # A table may have parts with the same headings: the last one counts.
                found[setting][f"{heading}; {columns[0].rstrip(':')}"] = seconds
    return {setting: times for setting, times in found.items() if times}


def _sides(line: str) -> Iterator[list[str]]:
    """Yield the columns of a line on the left and on the right, which shows what differs only."""
    sides = [COLUMNS.split(side.strip().removeprefix("|").strip()) for side in line.split("  |  ")]
    for side in sides:
        yield side if side is sides[0] else sides[0][: len(sides[0]) - len(side)] + side
    if len(sides) == 1:
        yield sides[0]


def load(file: Path = FILE) -> list[Record]:
    """Return all records, the oldest first."""
    if not file.exists():
        return []
    return [Record(**record) for record in json.loads(file.read_text(encoding="utf-8"))]


def save(records: Sequence[Record], file: Path = FILE) -> None:
    """Write records; of one benchmark with the same settings on one day the last counts."""
    kept = {(r.benchmark, r.date, tuple(r.settings)): r for r in records}
    ordered = sorted(kept.values(), key=lambda record: record.date)
    text = json.dumps([asdict(record) for record in ordered], indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def latest(records: Sequence[Record]) -> dict[str, Record]:
    """Return the last record of each benchmark."""
    return {record.benchmark: record for record in records}


def section(record: Record, title: str, says: str) -> str:
    """Return a section of the results."""
    one = f" {ONE}," if record.settings == [ONE] else ""
    return (
        f"### {title}\n\n{says} `docs/benchmarks/{record.benchmark}.py`, {record.date},{one} "
        f"{record.seconds} s.\n\n<details>\n<summary>Table: {title}</summary>\n\n"
        "```text\n" + "\n".join(record.text) + "\n```\n\n</details>\n"
    )


def draw(records: Sequence[Record], file: Path) -> None:
    """Draw ratios of times over dates, with one thread."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9.5, 4.6), layout="constrained")
    for i, compared in enumerate(SHOWN):
        ratios = series(records, compared)
        if ratios:
            style = {"color": f"C{i}", "marker": "osD^v<>p"[i % 8], "ls": "-" if i % 2 else "--"}
            label = f"{compared.label}: {list(ratios.values())[-1]:.2g}"
            axes.plot(list(ratios), list(ratios.values()), label=label, lw=1.5, ms=5, **style)
    axes.axhline(1, color="0.6", lw=1, ls=":", zorder=1)
    axes.set_yscale("log", base=2)
    low, high = axes.get_ylim()
    ticks = [2.0**power for power in range(-8, 9) if low <= 2.0**power <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    days = sorted({date.fromisoformat(record.date) for record in records})
    axes.set_xticks(days, [str(day) for day in days], rotation=30 if len(days) > 4 else 0)
    axes.set(xlabel="date of the run", ylabel="time over that of the alternative, same run")
    axes.set_title(
        "Ratios of times over the dates of the benchmarks, one thread", fontsize="medium"
    )
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside right upper",
        frameon=False,
        fontsize="small",
        title="ratio, and its last value",
    )
    figure.savefig(file, dpi=130)
    plt.close(figure)


def series(records: Sequence[Record], compared: Compared) -> dict[date, float]:
    """Return a ratio by the dates on which both its times were measured with one thread."""
    found = {}
    for record in records:
        if record.benchmark == compared.benchmark:
            times = {
                name.rpartition("; ")[2]: seconds
                for name, seconds in record.times.get(ONE, {}).items()
                if name.startswith(compared.heading)
            }
            ours = times.get(compared.row, [])
            other = ours[1:] if compared.other is None else times.get(compared.other, [])
            if ours and other:
                found[date.fromisoformat(record.date)] = ours[0] / other[0]
    return found
