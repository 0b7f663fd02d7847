"""The file of one long run: what it has kept so far, and from where it goes on."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from fixedrank._aliases import FileLike
from fixedrank._archive import UnreadableError, read_archive, write_archive
from fixedrank._checks import Array
from fixedrank._fingerprint import fingerprint
from fixedrank.flows.between import State
from fixedrank.flows.saving import RECORDS

_KIND = "stored run"
_RECORDS = {**RECORDS, "State": State}
# Seconds between two writings, but so many times what one takes.
_EVERY, _TIMES = 10.0, 20.0


class RunStore:
    """Keeps a run in a file, which is written whole or not at all, now and then and at the end.

    Parameters
    ----------
    path : path-like
        The file; it is made if it does not exist.
    parts : tuple
        What decides the run, but for what is asked of it.
    asked : ndarray
        The output times, or the numbers of the iterates; a run of fewer of the first of them is
        gone on with.

    Attributes
    ----------
    found : dict or None
        What the file holds of this run.
    extended : bool
        Whether more is asked for than when the file was written.

    Raises
    ------
    TypeError
        If a part is of a kind of which no fingerprint can be made.
    ValueError
        If the file holds another run, or no run at all.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: FileLike, parts: tuple[Any, ...], asked: Array) -> None:
        self.path, self.asked = Path(path), asked
        self.fingerprint = fingerprint(*parts)
        self.found = self._read() if self.path.exists() else None
        self.extended = self.found is not None and self.found["asked"].size < asked.size
        self.noted: dict[str, Any] | None = None
        self.due = -math.inf if self.found is None else time.monotonic() + _EVERY

    def _read(self) -> dict[str, Any]:
        try:
            content = read_archive(self.path, _KIND, records=_RECORDS)
        except UnreadableError as error:
            raise ValueError(
                f"{self.path} is not the store of a run: choose another file, or remove it; {error}"
            ) from error
        if content["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"{self.path} holds another run (another problem, start, method, tolerance, step "
                "size or choice of what to keep), or one of another version of the library: choose "
                "another file, or remove it"
            )
        before = content["asked"]
        if not np.array_equal(before, self.asked[: before.size]):
            outputs = np.array2string(before, threshold=8)
            raise ValueError(
                f"{self.path} holds this run with other outputs, {outputs}: ask for these, and for "
                "more after the last of them as you like, or choose another file"
            )
        return content

    def note(self, content: dict[str, Any]) -> None:
        """Take what the run may go on from, and write it if that is due."""
        self.noted = content
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write what was noted last, if it is not there already."""
        if self.noted is None:
            return
        began = time.monotonic()
        content = {name: part() if callable(part) else part for name, part in self.noted.items()}
        content |= {"fingerprint": self.fingerprint, "asked": self.asked}
        try:
            write_archive(self.path, _KIND, content, records=_RECORDS)
        except TypeError as error:
            self.noted = None
            raise TypeError(f"what is kept does not go into a store: {error}") from error
        self.noted = None
        ended = time.monotonic()
        self.due = ended + max(_EVERY, _TIMES * (ended - began))
