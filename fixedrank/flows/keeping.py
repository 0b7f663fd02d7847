"""What is kept of a flow at each of the asked times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fixedrank._checks import Array
from fixedrank._memory import free_memory, held

# A name, or a function of what would be kept by default.
Keep: TypeAlias = str | Callable[[Any], Any]


class Outcome(NamedTuple):
    """A flow at an output time.

    Attributes
    ----------
    loss, gradient_norm : float
        The loss and the length of the gradient.
    singular_values : ndarray, shape (k,)
        Those of W.
    imbalance : float or None
        How far layers are from balanced; None of layers that are kept, and of points.
    kept : object
        What is kept besides.
    sign : float or None
        The sign of the determinant of W, where one is asked for.
    penalty : float or None
        What weight decay adds to the loss, where there is any.
    time : float or None
        The time t of a run in the clock of its loss.
    """

    loss: float
    gradient_norm: float
    singular_values: Array
    imbalance: float | None
    kept: Any
    sign: float | None = None
    penalty: float | None = None
    time: float | None = None


def chosen(
    keep: Keep, choices: Mapping[str, Callable[[Any], Any]]
) -> tuple[str, Callable[..., Any]]:
    """Return the name of what a user keeps of a record, and the function that returns it.

    Raises
    ------
    ValueError
        If it is neither one of the choices nor a function.
    """
    if callable(keep):
        return "function", keep
    if keep not in choices:
        names = ", ".join(map(repr, choices))
        raise ValueError(f"keep must be one of {names}, or a function of a record, got {keep!r}")
    return keep, choices[keep]


def with_penalties(
    losses: Array, half_squares: Array | None, weight_decay: float, in_loss: float
) -> tuple[list[float], Sequence[float | None]]:
    """Return losses, with the decay that is a part of them, and what weight decay adds to them.

    Both are so many times half the squared length of the layers, which is None without decay.
    """
    penalties: Sequence[float | None] = [None] * len(losses)
    if half_squares is not None:
        losses = losses + in_loss * half_squares
        if weight_decay:
            penalties = (weight_decay * half_squares).tolist()
    return losses.tolist(), penalties


def columns(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what outcomes hold as arrays over time, and what was kept as a list."""
    losses, norms, values, _, kept, _, penalties, _ = zip(*outcomes, strict=True)
    singular_values = np.zeros((len(outcomes), max(s.size for s in values)))
    for row, s in zip(singular_values, values, strict=True):
        row[: s.size] = s
    return {
        "loss": np.array(losses),
        "gradient_norm": np.array(norms),
        "singular_values": singular_values,
        "kept": list(kept),
        "penalty": None if penalties[0] is None else np.array(penalties),
    }


def packed(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return outcomes as a few arrays and a list, as files hold them."""
    several = {name: [getattr(one, name) for one in outcomes] for name in Outcome._fields}
    return {
        name: None if several[name][0] is None else np.array(several[name])
        for name in ("loss", "gradient_norm", "imbalance", "sign", "penalty", "time")
    } | {name: several[name] for name in ("singular_values", "kept")}


def unpacked(content: Mapping[str, Any]) -> list[Outcome]:
    """Return the outcomes that were packed."""
    count = len(content["kept"])
    several = [
        part if isinstance(part, list) else [None] * count if part is None else part.tolist()
        for part in map(content.__getitem__, Outcome._fields)
    ]
    return [Outcome(*values) for values in zip(*several, strict=True)]


def itself(record: Any) -> Any:
    """Keep a record as it is."""
    return record


def nothing(record: Any) -> None:
    """Keep nothing of a record."""


def require_memory(record: Any, times: int) -> None:
    """Raise a MemoryError if as many records as times do not fit into the free memory."""
    each, free = held(record), free_memory()
    if each * times > free:
        raise MemoryError(
            f"the flow at {times} output times may take {each * times / 1e9:.3g} GB, "
            f"{each / 1e6:.3g} MB each, but {free / 1e9:.3g} GB are free: ask for fewer times, or "
            "keep less of each, such as keep='points', keep='last' or a function of what you need"
        )


def not_kept(what: str, name: str, keep: str) -> AttributeError:
    """Return the error of one who asks for what was not kept."""
    return AttributeError(
        f"{what} were not kept: keep={name!r} keeps them, and here it was {keep!r}"
    )
