"""Progress of long computations: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

from fixedrank._optional import import_extra

# False: nothing; True: a bar; "lines": a line on standard error every ten seconds.
Shown = bool | Literal["lines"]
# Seconds between two lines, and between two looks at what a bar shows.
_LINES, _BAR = 10.0, 0.2


class Progress:
    """Counts what is done of a total, and shows it a few times a second.

    Parameters
    ----------
    total : float
        How much there is to do.
    shown : bool or "lines"
        Whether and how to show it.
    done : float
        How much was done before.
    **options
        For the bar: see tqdm.

    Raises
    ------
    ModuleNotFoundError
        If a bar is asked for and tqdm is not installed.
    """

    def __init__(self, total: float, shown: Shown, *, done: float = 0, **options: Any) -> None:
        self.total, self.unit = total, options.get("unit", "")
        self.lines = shown == "lines"
        self.began = self.last = time.monotonic()
        self.bar: Any = None
        if shown is True:
            tqdm = import_extra("tqdm", "progress", "progress=True")
            self.bar = tqdm.tqdm(total=total, initial=done, **options)
            self.last = -math.inf

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    @property
    def shown(self) -> bool:
        """Whether anything is shown."""
        return self.bar is not None or self.lines

    def reach(self, done: float, about: Callable[[], str] = str) -> None:
        """Say how much is done; where it is time to show it, with a text beside it."""
        if not self.shown:
            return
        now = time.monotonic()
        if self.bar is not None:
            if now - self.last < _BAR and done < self.total:
                return
            self.bar.set_postfix_str(about(), refresh=False)
            self.bar.update(done - self.bar.n)
        elif now - self.last < _LINES:
            return
        else:
            unit = f" {self.unit}s" if self.unit else ""
            parts = [f"{done:.4g} of {self.total:.4g}{unit}", about()]
            text = ", ".join(part for part in parts if part)
            sys.stderr.write(f"{text} after {now - self.began:.0f} s\n")
            sys.stderr.flush()
        self.last = now
