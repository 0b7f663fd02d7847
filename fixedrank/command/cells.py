"""Several experiments of ``fixedrank ensemble``: their names, and one table of all."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from fixedrank._files import replacing
from fixedrank.ensembles import Ensemble

_MINIMUM = "global minimum"


class Cell(NamedTuple):
    """What tells an experiment from the others of one call."""

    depth: int
    dim: int
    width: int | None
    scale: float | None

    def name(self) -> str:
        """Return a name for files."""
        scale = "default" if self.scale is None else f"{self.scale:g}"
        return f"depth{self.depth}-dim{self.dim}-width{self.width or self.dim}-scale-{scale}"


@dataclass(frozen=True)
class CellSummary:
    """What came out of an experiment.

    Attributes
    ----------
    widths : list of int
        The widths of the network.
    scale : float or None
        The scale of the starts, as it was given.
    end, continue_to : float
        The last time, and that of runs that were not decided then.
    runs, decided, continued : int
        How many runs there were, how many are certain to tend to the global minimum, and how many
        of these are so only after the last time.
    median_t, longest_t : float
        When the runs that are certain stopped.
    open_runs : list of dict
        The other runs: seed, state and why they stopped.
    """

    widths: list[int]
    scale: float | None
    end: float
    continue_to: float
    runs: int
    decided: int
    continued: int
    median_t: float
    longest_t: float
    open_runs: list[dict[str, Any]]

    @classmethod
    def of(cls, ensemble: Ensemble) -> Self:
        """Return the summary of an ensemble."""
        experiment = ensemble.experiment
        decided = [record for record in ensemble.records if record.limit == _MINIMUM]
        t = np.array([record.t for record in decided] or [math.nan])
        gap = experiment.next_critical_gap if experiment.certificate else math.nan
        return cls(
            widths=list(experiment.widths),
            scale=experiment.scale,
            end=experiment.end,
            continue_to=experiment.continue_to or experiment.end,
            runs=len(ensemble),
            decided=len(decided),
            continued=int((t > experiment.end).sum()),
            median_t=float(np.median(t)),
            longest_t=float(t.max()),
            open_runs=[
                {
                    "seed": record.seed,
                    "loss_gap": record.loss_gap,
                    "loss_gap_by_next_critical_gap": record.loss_gap / gap,
                    "rank": record.rank,
                    "nearest": record.indices,
                    "distance": record.distance,
                    "t": record.t,
                    "steps": record.steps,
                    "status": record.status,
                }
                for record in ensemble.records
                if record.limit != _MINIMUM
            ],
        )


def _known(value: Any) -> Any:
    """Return lists and dicts with None in place of numbers that are not finite."""
    if isinstance(value, dict):
        return {name: _known(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_cells(folder: Path, rows: list[CellSummary]) -> None:
    """Write the table of all experiments, cells.csv, and with the open runs, cells.json."""
    tables = [asdict(row) for row in rows]
    with replacing(folder / "cells.json", "w", encoding="utf-8") as file:
        # JSON knows no NaN: what is unknown is null.
        json.dump(_known(tables), file, indent=1, allow_nan=False)
    with replacing(folder / "cells.csv", "w", newline="", encoding="utf-8") as file:
        names = [name for name in tables[0] if name != "open_runs"]
        writer = csv.writer(file)
        writer.writerow(names)
        for table in tables:
            widths = " ".join(map(str, table["widths"]))
            writer.writerow([widths, *(table[name] for name in names[1:])])
