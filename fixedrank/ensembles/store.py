"""Records on disk, in an SQLite file that survives being killed at any moment."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import RunRecord

_FORMAT = 3
_COLUMNS = ", ".join(f'"{name}"' for name in RunRecord._fields)
_TABLES = {"experiment": ["format", "fingerprint"], "runs": list(RunRecord._fields)}
# What SQLite returns for the fields of a record; NaN is kept as NULL.
_KINDS: dict[Any, Any] = {int: int, float: (float, type(None)), str: str}
_TYPES = [_KINDS[kind] for kind in get_type_hints(RunRecord).values()]


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
        If the file holds records of another experiment or of another version of the library, or is
        no such file: a database of other things is not touched.
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
            # Of two processes that begin at once, one makes the tables and the other finds them.
            connection.execute("BEGIN IMMEDIATE")
            tables = self._tables(connection)
            if not tables:
                connection.execute("CREATE TABLE experiment (format, fingerprint)")
                connection.execute(f"CREATE TABLE runs ({columns})")
                connection.execute("INSERT INTO experiment VALUES (?, ?)", (_FORMAT, fingerprint))
                return
            found = []
            if tables.get("experiment") == _TABLES["experiment"]:
                found = connection.execute("SELECT format, fingerprint FROM experiment").fetchall()
            older = "runs" in tables and [row[0] for row in found] not in ([], [_FORMAT])
            if tables != _TABLES and not older:
                names = ", ".join(sorted(tables))
                raise ValueError(
                    f"{self.path} is not a store of an ensemble, but a database with the tables "
                    f"{names}: choose another file"
                )
            if found != [(_FORMAT, fingerprint)]:
                raise ValueError(
                    f"{self.path} holds runs of another experiment (other data, widths, "
                    "initialisation, times or tolerances) or of another version of the library: "
                    "choose another file, or remove it"
                )

    @staticmethod
    def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
        """Return all tables and views of the file, with the names of their columns."""
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        quoted = {name: name.replace('"', '""') for name in names}
        return {
            name: [row[1] for row in connection.execute(f'PRAGMA table_info("{quoted[name]}")')]
            for name in names
        }

    def save(self, results: Mapping[int, RunRecord]) -> None:
        """Write records, all of them or, if the process dies, none."""
        marks = ", ".join("?" * len(RunRecord._fields))
        with self._errors(), self._connection as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO runs VALUES ({marks})", results.values()
            )

    def load(self, keys: Sequence[int]) -> dict[int, RunRecord]:
        """Return the records of those seeds that there are.

        Raises
        ------
        ValueError
            If a cell is not of the type of its column.
        """
        with self._errors():
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM runs").fetchall()
        for row in rows:
            for name, value, kind in zip(RunRecord._fields, row, _TYPES, strict=True):
                if not isinstance(value, kind):
                    raise ValueError(
                        f"{self.path} was changed: the run of seed {row[0]!r} has {name} = "
                        f"{value!r}; remove that row, and it is computed again"
                    )
        filled: list[Any] = [
            [math.nan if value is None else value for value in row] for row in rows
        ]
        found = {row[0]: RunRecord(*row) for row in filled}
        return {seed: found[seed] for seed in keys if seed in found}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
