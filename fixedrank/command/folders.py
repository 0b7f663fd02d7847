"""Folders for output."""

from __future__ import annotations

import tempfile
from pathlib import Path


def writable(name: str) -> Path:
    """Return the folder, made if need be, or say why nothing can be written there."""
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"--out {name}: cannot write there: {error.strerror or error}") from error
    return folder
