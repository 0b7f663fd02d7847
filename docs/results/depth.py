"""Does depth precondition? What docs/depth.md says is measured here.

python docs/results/depth.py [--quick] [--again] [--render] [--out FOLDER] [PART ...]

runs: optimisers at depths from 1 to 10 from the same starts (depth_runs.py) on problems whose
minimiser is known (depth_problems.py). conditions and extremes: the Hessian at the minimum and at
starts (depth_hessians.py). flows, ends and curves: the least singular value along gradient flows
(depth_flows.py). starts: optimisers from the starts of these flows. spikes: where the error is at
the end of completions; recovered: what fixedrank.recover makes of them.

Keeps what it has in depth.json; where it is stopped the next call goes on. Of the file it makes
depth.md and the pictures (depth_tables.py); --render does the latter alone. --again begins anew.
--quick takes one seed, few evaluations and two depths, and writes nothing but in FOLDER.
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import depth_tables
from depth_flows import CONDITIONS, STARTS, begin, curve, end, overshoot
from depth_hessians import conditions, extremes
from depth_problems import CASES, MINIMA, completion
from depth_runs import DEPTHS, LIMIT, METHODS, PYMANOPT, applies, outcome, recovered, spike

HERE = Path(__file__).resolve().parent
# How many seeds each part takes.
SEEDS = {
    "runs": 5,
    "conditions": 3,
    "extremes": 3,
    "flows": 3,
    "curves": 1,
    "ends": 1,
    "starts": 3,
    "spikes": 3,
    "recovered": 3,
}
# Completions that end elsewhere.
SPIKED = ("completion, 100, spectral", "completion of rank 5, 1, spectral")
SAVE_EVERY = 10.0


def started(condition, which, seed):
    """Return a completion with one of the starts of the flows."""
    task = completion(seed, condition, "spectral")
    return replace(task, start=begin(task, which))


def cells(depths, limit):
    """Yield where outcomes are kept, and a function that measures one, of a task, and the task."""
    for name, draw in CASES.items():
        if "rank 5" not in name and name.startswith("completion") and "spectral" in name:
            yield ("recovered", name), recovered, draw
    for depth in depths:
        run = {
            method: partial(outcome, depth=depth, method=method, limit=limit)
            for method in METHODS + PYMANOPT
        }
        for name, draw in CASES.items():
            for method, measure in run.items():
                if applies(name, method, depth):
                    yield ("runs", name, method, depth), measure, draw
        for name in SPIKED:
            measure = partial(spike, depth=depth, method="LBFGS + P(N)", limit=limit)
            yield ("spikes", name, depth), measure, CASES[name]
        for name in MINIMA:
            yield ("conditions", name, depth), partial(conditions, depth=depth), CASES[name]
        for condition in CONDITIONS:
            for which in STARTS:
                draw = partial(started, condition, which)
                for part, measure in (
                    ("flows", overshoot),
                    ("curves", curve),
                    ("extremes", extremes),
                ):
                    yield (part, f"{condition}", which, depth), partial(measure, depth=depth), draw
        for which in STARTS:
            draw = partial(started, CONDITIONS[0], which)
            yield ("ends", which, depth), partial(end, depth=depth), draw
            for method in ("CG", "TR", "LBFGS + P(N)"):
                yield ("starts", which, method, depth), run[method], draw


class Record:
    """What was measured, in a file that is written whole or not at all."""

    def __init__(self, path, settings, again=False):
        self.path, self.data = path, {"settings": settings, "cpu_seconds": 0.0}
        if path is not None and path.exists() and not again:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["settings"] != settings:
                raise SystemExit(f"{path} was made with {kept['settings']}: --again begins anew")
            self.data = kept
        self.began = self.saved = time.process_time()

    def outcomes(self, path):
        """Return the list of the outcomes of a cell, one for each seed so far."""
        place = self.data
        for name in path[:-1]:
            place = place.setdefault(name, {})
        return place.setdefault(str(path[-1]), [])

    def save(self):
        now = time.process_time()
        self.data["cpu_seconds"] = round(self.data["cpu_seconds"] + now - self.began, 1)
        self.began = self.saved = now
        libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pymanopt"))
        self.data["measured"] = (
            f"on {date.today()} with Python {platform.python_version()}, {libraries}"
        )
        if self.path is not None:
            beside = self.path.with_suffix(".part")
            beside.write_text(text(self.data), encoding="utf-8")
            beside.replace(self.path)


def text(data):
    """Return the JSON with a line for each cell."""
    return json.dumps(data, separators=(",", ":")).replace("}},", "}},\n") + "\n"


def measure_all(record, depths, limit, parts, quick=False):
    """Add what is missing, the first seed of all cells first."""
    for seed in range(1 if quick else max(SEEDS.values())):
        for path, measure, draw in cells(depths, limit):
            found = record.outcomes(path)
            if path[0] in parts and len(found) <= seed < SEEDS[path[0]]:
                found.append(measure(draw(seed)))
                if time.process_time() - record.saved > SAVE_EVERY:
                    record.save()
                    minutes = record.data["cpu_seconds"] / 60
                    print(f"seed {seed}: {', '.join(map(str, path))}; {minutes:.1f} minutes")
    record.save()


def main():
    """Measure, or render what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few evaluations")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--render", action="store_true", help="only write what the file says")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(SEEDS))
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(SEEDS)):
        parser.error(f"no part is named {', '.join(unknown)}; there are {', '.join(SEEDS)}")
    out = options.out or HERE
    out.mkdir(parents=True, exist_ok=True)
    depths, limit = (DEPTHS[:2], 100) if options.quick else (DEPTHS, LIMIT)
    written = None if options.quick and options.out is None else out / "depth.json"
    record = Record(written, {"depths": list(depths), "limit": limit}, options.again)
    if not options.render:
        measure_all(record, depths, limit, options.parts or list(SEEDS), options.quick)
    places = [path for path, *_ in cells(depths, limit)]
    if written is not None and not options.quick and all(map(record.outcomes, places)):
        pictures = HERE.parent / "_static" if options.out is None else out
        depth_tables.render(record.data, out / "depth.md", pictures)


if __name__ == "__main__":
    main()
