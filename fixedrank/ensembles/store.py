"""Records on disk, in an SQLite file that survives being killed at any moment."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.runs import RunRecord

_FORMAT = 1
_COLUMNS = ", ".join(f'"{name}"' for name in RunRecord._fields)


class RecordStore:
    """The records of one experiment; every batch is written in one transaction.

    Parameters
    ----------
    path : path-like
        The file; it is made if it does not exist.
    experiment : Experiment
        The experiment that the records are of.

    Raises
    ------
    ValueError
        If the file holds records of another experiment, or is no such file.
    OSError
        If it cannot be written.
    """

    def __init__(self, path: Any, experiment: Experiment) -> None:
        self.path = Path(path)
        fingerprint = experiment.fingerprint()
        with self._errors():
            self._connection = sqlite3.connect(self.path)
        try:
            with self._errors():
                self._set_up(fingerprint)
        except (ValueError, OSError):
            self._connection.close()
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of SQLite into those of files and of values."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: cannot be used as a store: {error}") from error
        except sqlite3.Error as error:
            raise ValueError(f"{self.path} is not a store of an ensemble: {error}") from error

    def _set_up(self, fingerprint: str) -> None:
        columns = _COLUMNS.replace('"seed"', '"seed" INTEGER PRIMARY KEY')
        with self._connection as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS experiment (format, fingerprint)")
            connection.execute(f"CREATE TABLE IF NOT EXISTS runs ({columns})")
            found = connection.execute("SELECT format, fingerprint FROM experiment").fetchone()
            if found is None:
                connection.execute("INSERT INTO experiment VALUES (?, ?)", (_FORMAT, fingerprint))
            elif found != (_FORMAT, fingerprint):
                raise ValueError(
                    f"{self.path} holds runs of another experiment (other data, widths, "
                    "initialisation, times or tolerances): choose another file, or remove it"
                )

    def add(self, records: Iterable[RunRecord]) -> None:
        """Write records, all of them or, if the process dies, none."""
        marks = ", ".join("?" * len(RunRecord._fields))
        with self._errors(), self._connection as connection:
            connection.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", records)

    def records(self) -> dict[int, RunRecord]:
        """Return all records by their seeds."""
        with self._errors():
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM runs").fetchall()
        # SQLite keeps NaN as NULL.
        found: list[Any] = [[math.nan if value is None else value for value in row] for row in rows]
        return {row[0]: RunRecord(*row) for row in found}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
