"""What the commands say, and how they show that they go on."""

from __future__ import annotations

import importlib.util
import os
import sys

from fixedrank._progress import Shown


def say(text: str = "") -> None:
    """Print a text; where nobody reads any more, go on in silence.

    After ``fixedrank compare | head -1`` the files are to be written all the same.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def progress() -> Shown:
    """Return how to show progress: a bar on a terminal, else lines."""
    if sys.stderr is None:
        return False
    bar = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    return True if bar else "lines"
