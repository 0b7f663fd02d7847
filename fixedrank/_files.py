"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def replacing(path: Any, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a file beside `path`, and move it there when all is written.

    If the body or the disk fails, what was there before stays as it was.

    Parameters
    ----------
    path : path-like
        The file.
    mode : str
        "wb" or "w".
    **options
        As for :func:`open`.
    """
    with beside(path) as partial, partial.open(mode, **options) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def beside(path: Any) -> Iterator[Path]:
    """Yield the name of a file beside `path`, with its suffix, and move that there at the end."""
    final = Path(path)
    partial = final.with_name(f"{final.stem}-{os.getpid()}.partial{final.suffix}")
    try:
        yield partial
        partial.replace(final)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
