"""The curves that a run leaves, and the folder that keeps them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fixedrank._checks import Array
from fixedrank._files import replacing
from fixedrank.paper.settings import Setting


@dataclass(frozen=True)
class Curves:
    """What a run leaves: the quantities of all figures at the times t.

    Attributes
    ----------
    t : ndarray, shape (times,)
        Zero, and times from 0.01 to the final time, evenly spaced on a logarithmic scale.
    values : mapping of str to ndarray, shape (times,)
        The values of each quantity by its name; ``curves[name]`` is short for it.
    tail : float
        The limit of the reconstruction error.
    status : str
        Why the integration ended.
    complete : bool
        Whether it reached T.
    evaluations, steps : int
        What the integration took.
    seconds : float
        The same in time.
    """

    t: Array
    values: Mapping[str, Array]
    tail: float
    status: str
    complete: bool
    evaluations: int
    steps: int
    seconds: float

    def __getitem__(self, name: str) -> Array:
        return self.values[name]


_ABOUT = [field.name for field in fields(Curves) if field.name != "values"]


class CurveStore:
    """A folder with a file for each setting, whole or not there.

    Parameters
    ----------
    folder : Path
        The folder.
    name : callable
        Returns the name of the file of a setting.
    fingerprint : callable
        Returns what a file of a setting must have been computed from.
    """

    def __init__(
        self,
        folder: Path,
        name: Callable[[Setting], str],
        fingerprint: Callable[[Setting], str],
    ) -> None:
        self.folder, self.name, self.fingerprint = folder, name, fingerprint

    def load(self, keys: Sequence[Setting]) -> dict[Setting, Curves]:
        """Return the curves of those settings that have a file as it should be."""
        found = {setting: self._read(setting) for setting in keys}
        return {setting: curves for setting, curves in found.items() if curves is not None}

    def save(self, results: Mapping[Setting, Curves]) -> None:
        """Write the curves that were not cut short."""
        for setting, curves in results.items():
            if curves.complete:
                values: dict[str, Any] = asdict(curves)
                values |= values.pop("values") | {"about": self.fingerprint(setting)}
                with replacing(self.folder / self.name(setting)) as file:
                    np.savez(file, **values)

    def _read(self, setting: Setting) -> Curves | None:
        try:
            with (
                (self.folder / self.name(setting)).open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                if str(arrays["about"]) != self.fingerprint(setting):
                    return None
                kept = {name: arrays[name] for name in arrays if name != "about"}
            about = {name: x if (x := kept.pop(name)).ndim else x.item() for name in _ABOUT}
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return Curves(values=kept, **about)
