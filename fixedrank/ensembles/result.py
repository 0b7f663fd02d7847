"""The table of an ensemble, and its statistics."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fixedrank._aliases import FileLike
from fixedrank._archive import read_archive
from fixedrank._checks import Array
from fixedrank._files import replacing
from fixedrank._shown import Displayed, Table, counted, number, some
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import FAILED, MINIMUM, OPEN, REST, RunRecord
from fixedrank.ensembles.saving import (
    experiment_content,
    records_content,
    restored_experiment,
    restored_records,
)
from fixedrank.flows.saving import RECORDS, Saved
from fixedrank.flows.tables import data_frame
from fixedrank.landscape.certificates import certify
from fixedrank.losses.regression import LinearRegression, require_data


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Displayed, Saved):
    """The runs of an experiment, ordered by seed.

    Attributes
    ----------
    experiment : Experiment
        The experiment.
    records : tuple of RunRecord
        A record for each seed; none is left out, failed runs included.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    >>> experiment = fixedrank.Experiment(problem, [2, 2, 2])
    >>> ensemble = fixedrank.run_ensemble(experiment, range(20), workers=1)
    >>> ensemble.limits
    {'global minimum': 20}
    """

    experiment: Experiment
    records: tuple[RunRecord, ...]

    def __len__(self) -> int:
        return len(self.records)

    def _shown_title(self) -> str:
        widths = some([str(width) for width in self.experiment.widths], 8)
        return f"{type(self).__name__}: {counted(len(self), 'run')}, widths {widths}"

    def _shown_facts(self) -> dict[str, str]:
        first, *others = self._statistics()
        facts = {"limits": first.partition(": ")[2]}
        for line in others:
            name, _, facts[name] = line.partition(": ")
        return facts

    def _shown_table(self) -> Table:
        rows = []
        for limit, count in self.limits.items():
            those = [record for record in self.records if record.limit == limit]
            ranks = sorted({record.rank for record in those if limit != FAILED})
            times, losses = ([getattr(record, name) for record in those] for name in ("t", "loss"))
            middle = [number(np.median(values)) for values in (times, losses)]
            rows.append([limit, str(count), some([str(rank) for rank in ranks]), *middle])
        return Table(["limit", "runs", "ranks", "median t", "median loss"], rows)

    @property
    def limits(self) -> dict[str, int]:
        """How many runs have each limit: "global minimum", "at rest", "not decided", "failed"."""
        counts = Counter(record.limit for record in self.records)
        return {kind: counts[kind] for kind in (MINIMUM, REST, OPEN, FAILED) if counts[kind]}

    @property
    def ranks(self) -> dict[int, int]:
        """How many runs end at each rank; failed ones left out."""
        counts = Counter(record.rank for record in self.records if record.limit != FAILED)
        return dict(sorted(counts.items()))

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the table.

        Parameters
        ----------
        name : str
            A field of :class:`RunRecord`.

        Returns
        -------
        ndarray, shape (runs,)
            Its values.

        Raises
        ------
        ValueError
            If there is no such column.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
        >>> experiment = fixedrank.Experiment(problem, [1, 1, 1])
        >>> fixedrank.run_ensemble(experiment, [3, 1], workers=1).column("seed")
        array([1, 3])
        """
        if name not in RunRecord._fields:
            raise ValueError(f"no column {name!r}: choose one of {', '.join(RunRecord._fields)}")
        return np.array([getattr(record, name) for record in self.records])

    def summary(self) -> str:
        """Return the statistics in words.

        Returns
        -------
        str
            A few lines.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
        >>> experiment = fixedrank.Experiment(problem, [1, 1, 1])
        >>> print(fixedrank.run_ensemble(experiment, range(5), workers=1).summary())
        5 runs, N = 2: global minimum 5
        rank of the limit: 1 (5)
        time to tolerance: median ...
        starts below the next critical value: 2
        """
        lines = self._statistics()
        if self.experiment.certificate is not None:
            lines.append(f"starts below the next critical value: {self._starts_below.sum()}")
        return "\n".join(lines)

    def _statistics(self) -> list[str]:
        """Return what the records tell without the critical values, which take an SVD."""
        limits = ", ".join(f"{kind} {count}" for kind, count in self.limits.items())
        ranks = ", ".join(f"{rank} ({count})" for rank, count in self.ranks.items())
        lines = [
            f"{len(self)} runs, N = {self.experiment.depth}: {limits}",
            f"rank of the limit: {ranks}",
        ]
        times: Array = self.column("time_to_tolerance")
        times = times[np.isfinite(times)]
        if times.size:
            lines.append(
                f"time to tolerance: median {np.median(times):.3g}, "
                f"largest {times.max():.3g}, in {times.size} runs that came within it"
            )
        return lines

    @property
    def _starts_below(self) -> NDArray[np.bool_]:
        """Which starts are certain to reach the minimum, by their loss and more than round-off."""
        certificate, initial = self.experiment._certain(), self.column("initial_loss")
        margin = 1e-10 * (initial + certificate.scale)
        return np.asarray(initial - certificate.minimum < certificate.gap - margin)

    def certified_rates(self) -> Array:
        """Return the rates of convergence that are proven of the runs, before any is run.

        The starts are drawn again, and each has a certificate of its own, which takes about a
        millisecond.

        Returns
        -------
        ndarray, shape (runs,)
            The rate of :func:`certify` for each run, zero where none is proven; NaN for failed
            runs.

        Raises
        ------
        TypeError
            If the loss is not a regression by its data.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
        >>> experiment = fixedrank.Experiment(problem, [2, 6, 2])
        >>> rates = fixedrank.run_ensemble(experiment, range(5), workers=1).certified_rates()
        >>> bool((rates > 0).all())
        True
        """
        experiment, problem = self.experiment, self.experiment.problem
        require_data(problem, "a certified rate")
        assert isinstance(problem, LinearRegression)
        rates = np.full(len(self), np.nan)
        for i, record in enumerate(self.records):
            if record.limit != FAILED:
                layers = experiment.start(record.seed, reduced=True)
                decay = experiment.weight_decay
                rates[i] = certify(problem, layers, weight_decay=decay).rate
        return rates

    def to_dataframe(self) -> Any:
        """Return the records as a table, a row for each run.

        Returns
        -------
        pandas.DataFrame
            With a row for each run and the fields of :class:`RunRecord` as columns.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; it comes with the extra `data`.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
        >>> experiment = fixedrank.Experiment(problem, [1, 1, 1])
        >>> table = fixedrank.run_ensemble(experiment, range(5), workers=1).to_dataframe()
        >>> table.groupby("limit").size().to_dict()
        {'global minimum': 5}
        """
        return data_frame(**{name: self.column(name) for name in RunRecord._fields})

    @classmethod
    def load(cls, path: FileLike, *, experiment: Experiment | None = None) -> Self:
        """Return the ensemble that `save` wrote to a file.

        Parameters
        ----------
        path : path-like
            The file.
        experiment : Experiment, optional
            The experiment, where its loss or its initialisation is one of your own, which a file
            does not hold. A file holds a LinearRegression and a MatrixCompletion.

        Returns
        -------
        Ensemble
            The same records, of the same experiment.

        Raises
        ------
        TypeError
            If the file does not hold the experiment, and it is not given.
        ValueError
            If another experiment is given; if the file is none of these, was cut off or damaged,
            holds a result of another kind, or was written in the format of a later version.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> import numpy as np, fixedrank, pathlib, tempfile
        >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
        >>> experiment = fixedrank.Experiment(problem, [1, 1, 1])
        >>> ensemble = fixedrank.run_ensemble(experiment, range(5), workers=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ensemble.save(pathlib.Path(folder) / "runs.npz")
        ...     again = fixedrank.Ensemble.load(pathlib.Path(folder) / "runs.npz")
        >>> again.records == ensemble.records, again.experiment.minimum
        (True, 0.0)
        """
        content = read_archive(path, cls.__name__, records=RECORDS)
        return cls._restored(content, path, experiment)

    def _content(self) -> dict[str, Any]:
        experiment = experiment_content(self.experiment)
        return {"experiment": experiment, "records": records_content(self.records)}

    @classmethod
    def _restored(
        cls, content: Mapping[str, Any], path: Any, experiment: Experiment | None = None
    ) -> Self:
        cls._require_fields(content, path)
        known = restored_experiment(content["experiment"], experiment, path)
        return cls(known, restored_records(content["records"]))

    def to_csv(self, path: FileLike) -> None:
        """Write the table to a CSV file, with a line of names.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        OSError
            If it cannot be written.

        Examples
        --------
        >>> import numpy as np, fixedrank, pathlib, tempfile
        >>> problem = fixedrank.LinearRegression(np.eye(1), np.eye(1))
        >>> ensemble = fixedrank.run_ensemble(
        ...     fixedrank.Experiment(problem, [1, 1, 1]), range(2), workers=1
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ensemble.to_csv(pathlib.Path(folder) / "runs.csv")
        ...     len((pathlib.Path(folder) / "runs.csv").read_text().splitlines())
        3
        """
        with replacing(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(RunRecord._fields)
            writer.writerows(self.records)
