"""Packages that are not required: imported where they are used, with an error that helps."""

from __future__ import annotations

import importlib
from typing import Any


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional extra, or say which extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ModuleNotFoundError(
            f"{purpose} needs {name}, which is not installed: pip install 'fixedrank[{extra}]'",
            name=name,
        ) from error
