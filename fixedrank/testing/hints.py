"""Guess the mistake from the ratio of what a quantity is to what it should be."""

from __future__ import annotations

_FACTORS = {-1.0: "has the wrong sign", 0.0: "is zero"}


def off_by(what: str, ratio: float) -> str:
    """Say by which factor something is off."""
    for factor, text in _FACTORS.items():
        if abs(ratio - factor) < 1e-3:
            return f"{what} {text}"
    return f"{what} is off by a factor {ratio:.3f}"
