"""``fixedrank figures``: the nine figures of the paper, with data, a manifest and a table."""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from fixedrank._files import replacing
from fixedrank._optional import import_extra
from fixedrank.command.folders import add_out, writable
from fixedrank.command.limits import check_network
from fixedrank.command.output import progress, say
from fixedrank.paper import (
    Curves,
    Figure,
    Finding,
    Setting,
    compute_all,
    draw,
    findings,
    paper_figures,
    unique_settings,
)
from fixedrank.paper.runs import FLOWS


def add_parser(commands: Any) -> None:
    """Add the subcommand and its options."""
    parser = commands.add_parser(
        "figures",
        help="the nine figures of the paper's appendix",
        description=(
            "Recompute the experiments of the paper's appendix, draw its figures, and set what "
            "they show beside what the paper says. Interrupted, it goes on where it was when "
            "started again with the same options."
        ),
    )
    parser.add_argument(
        "numbers", nargs="*", type=int, metavar="NUMBER", help="which figures (default: 1 to 9)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smaller dimensions, depths and times: less than a minute",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is random")
    parser.add_argument("--workers", type=int, metavar="P", help="processes (default: all cores)")
    add_out(parser, "figures", "pictures, data and manifest")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the subcommand."""
    import_extra("matplotlib", "plot", "fixedrank figures")
    figures = _chosen(options)
    folder = writable(options.out)
    kept = writable(str(folder / "experiments"))
    settings = unique_settings(list(figures.values()))
    say(f"{len(settings)} experiments to T = {settings[0].end:g}, seed {options.seed}")
    began, started = time.perf_counter(), datetime.now(UTC)
    try:
        curves = compute_all(
            settings,
            options.seed,
            kept,
            workers=options.workers or os.cpu_count() or 1,
            progress=progress(),
        )
    except KeyboardInterrupt:
        say(f"interrupted: what ended is kept in {kept}; start again to go on")
        return 130
    files = {number: _write(folder, figure, curves) for number, figure in figures.items()}
    found = findings(figures, curves)
    table = _table(found)
    with replacing(folder / "findings.txt", "w", encoding="utf-8") as file:
        file.write(table + "\n")
    seconds = time.perf_counter() - began
    manifest = {
        "command": {"figures": list(figures), "quick": options.quick, "seed": options.seed},
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "versions": _versions(),
        "integrator": {"method": "RKC"} | {start: flow.rtol for start, flow in FLOWS.items()},
        "figures": {
            str(number): {"title": figures[number].title, "files": names}
            for number, names in files.items()
        },
        "experiments": [_experiment(setting, curves[setting]) for setting in settings],
        "findings": [finding._asdict() for finding in found],
    }
    text = json.dumps(manifest, indent=1)
    with replacing(folder / "manifest.json", "w", encoding="utf-8") as file:
        file.write(text + "\n")
    say(table)
    short = [setting for setting in settings if not curves[setting].complete]
    for setting in short:
        say(f"{setting.key} was cut short: {curves[setting].status}")
    say(f"{seconds:.1f} s; pictures, data and manifest in {folder}")
    return 1 if short else 0


def _chosen(options: argparse.Namespace) -> dict[int, Figure]:
    figures = paper_figures(quick=options.quick)
    unknown = [number for number in options.numbers if number not in figures]
    if unknown:
        raise ValueError(f"the paper has Figures 1 to 9, not {unknown[0]}")
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {options.seed}")
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {options.workers}")
    check_network(None, None, options.workers)
    return {n: f for n, f in figures.items() if n in options.numbers or not options.numbers}


def _write(folder: Path, figure: Figure, curves: Mapping[Setting, Curves]) -> list[str]:
    """Write a figure as PNG, PDF and CSV, and return the names of the files."""
    name = f"figure-{figure.number}"
    picture = draw(figure, curves)
    with replacing(folder / f"{name}.png") as file:
        picture.savefig(file, format="png", dpi=200)
    with replacing(folder / f"{name}.pdf") as file:
        # Without the date, the same numbers make the same file.
        picture.savefig(file, format="pdf", metadata={"CreationDate": None})
    with replacing(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["panel", "case", "start", "d", "r", "N", "t", figure.quantity.name])
        for panel, side in zip(figure.panels, ("left", "right"), strict=True):
            for _, s in panel.curves:
                found = curves[s]
                about = (side, s.case, s.start, s.d, s.rank, s.depth)
                writer.writerows(
                    (*about, repr(float(t)), repr(float(value)))
                    for t, value in zip(found.t, found[figure.quantity.name], strict=True)
                )
    return [f"{name}.{kind}" for kind in ("png", "pdf", "csv")]


_LEGEND = """\
yes: as the paper says; NO: not so; ?: T came first
Times to 1 % are those of one draw of the data and layers, and --seed gives others: over ten draws
they vary by factors from 2 to over 200, so that where two are compared a NO may be chance."""


def _table(found: Sequence[Finding]) -> str:
    """Return the findings as text, a statement of the paper once above all that concern it."""
    lines, statement = [_LEGEND], ""
    for finding in found:
        if finding.statement != statement:
            statement = finding.statement
            lines.append(f"\n{statement}: yes if {finding.criterion}")
        verdict = "?" if finding.holds is None else "yes" if finding.holds else "NO"
        measured = finding.measured.replace("; ", f"\n{'':39}")
        lines.append(f"  {verdict:3} {finding.where:32} {measured}")
    return "\n".join(lines)


def _experiment(setting: Setting, curves: Curves) -> dict[str, Any]:
    return {
        **asdict(setting),
        "seconds": round(curves.seconds, 2),
        "evaluations": curves.evaluations,
        "steps": curves.steps,
        "status": curves.status,
    }


def _versions() -> dict[str, str]:
    packages = ("fixedrank", "numpy", "scipy", "pymanopt", "autograd", "matplotlib")
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
