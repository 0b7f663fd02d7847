"""Progress of long computations: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Literal

from fixedrank._optional import import_extra

# False: nothing; True: a bar; "lines": a line on standard error every ten seconds.
Shown = bool | Literal["lines"]
_SECONDS = 10.0


class Progress:
    """Counts what is done of a total, and shows it.

    Parameters
    ----------
    total : float
        How much there is to do.
    shown : bool or "lines"
        Whether and how to show it.
    purpose : str
        For what tqdm is needed, in the error of an installation without it.
    done : float
        How much was done before.
    **options
        For the bar: see tqdm.

    Raises
    ------
    ModuleNotFoundError
        If a bar is asked for and tqdm is not installed.
    """

    def __init__(
        self, total: float, shown: Shown, purpose: str, *, done: float = 0, **options: Any
    ) -> None:
        self.total, self.done, self.unit = total, done, options.get("unit", "")
        self.lines = shown == "lines"
        self.began = self.last = time.monotonic()
        self.bar: Any = None
        if shown is True:
            tqdm = import_extra("tqdm", "progress", purpose)
            self.bar = tqdm.tqdm(total=total, initial=done, **options)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()

    def add(self, amount: float, about: str = "") -> None:
        """Count more as done."""
        self.done += amount
        if self.bar is not None:
            if about:
                self.bar.set_postfix_str(about, refresh=False)
            self.bar.update(amount)
        elif self.lines and time.monotonic() - self.last >= _SECONDS:
            self.last = time.monotonic()
            unit = f" {self.unit}s" if self.unit else ""
            parts = [f"{self.done:.4g} of {self.total:.4g}{unit}", about]
            text = ", ".join(part for part in parts if part)
            sys.stderr.write(f"{text} after {self.last - self.began:.0f} s\n")
            sys.stderr.flush()
