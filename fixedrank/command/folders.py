"""Folders for output, and the option that names one."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path


def add_out(parser: argparse.ArgumentParser, command: str, holds: str) -> None:
    """Add the option --out of a command, for a folder that holds something."""
    name = f"fixedrank-{command}"
    parser.add_argument(
        "--out", metavar="DIR", default=name, help=f"folder for {holds} (default {name})"
    )


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
