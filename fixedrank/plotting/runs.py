"""What distinguishes runs that are drawn together: depth, kind, order; and how each then looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fixedrank.plotting.palette import depth_style, order_style

_KINDS = {
    "layers": "layers, flow (5)",
    "points": "Riemannian, flow (9)",
    "descent": "gradient descent",
}
# What the kinds change where more than one is drawn, so that each is seen behind the others.
_BENEATH = {"linewidth": 5.0, "alpha": 0.35, "linestyle": "-", "marker": "", "zorder": 1.5}
_BESIDE: dict[str, dict[str, Any]] = {
    "layers": {},
    "points": {"marker": ""},
    "descent": {"linestyle": "", "markerfacecolor": "none", "zorder": 3},
}


@dataclass(frozen=True)
class Run:
    """A trajectory, what it is, and how it is drawn."""

    trajectory: Any
    kind: str
    depth: float | None
    label: str
    look: dict[str, Any]


def runs_of(trajectories: Sequence[Any], labels: Sequence[str] | None) -> list[Run]:
    """Return the runs that trajectories and comparisons hold, with their labels and looks.

    Raises
    ------
    TypeError, ValueError
        If there is none, one is something else, or labels are not as many.
    """
    if hasattr(trajectories, "loss") or hasattr(trajectories, "factored"):
        raise TypeError("trajectories must be a sequence of runs; put a single one in a list")
    parts = [_parts(trajectory) for trajectory in trajectories]
    if not parts:
        raise ValueError("there is no run to draw: trajectories is empty")
    if labels is not None and (isinstance(labels, str) or len(labels) != len(parts)):
        raise ValueError(
            f"labels must be a sequence of as many as there are runs, {len(parts)}, got {labels!r}"
        )
    found = [one for part in parts for one in part]
    about = [(kind_of(one), depth_of(one)) for one in found]
    if labels is None:
        told = _differences(found, about)
    else:
        told = [label for label, part in zip(labels, parts, strict=True) for _ in part]
    looks = _looks(about)
    return [
        Run(one, kind, depth, label, look)
        for one, (kind, depth), label, look in zip(found, about, told, looks, strict=True)
    ]


def kind_of(trajectory: Any) -> str:
    """Return "layers", "points" or "descent"."""
    if hasattr(trajectory, "step_size"):
        return "descent"
    return "points" if hasattr(trajectory, "metric") else "layers"


def depth_of(trajectory: Any) -> float | None:
    """Return the depth of a run, None where its metric has none or nothing is left of it."""
    if kind_of(trajectory) == "points":
        depth: float | None = trajectory.depth
        return depth
    layers = trajectory.factors[:1] if kind_of(trajectory) == "descent" else [trajectory.last]
    return len(layers[0]) if layers else None


def _parts(trajectory: Any) -> list[Any]:
    if hasattr(trajectory, "factored") and hasattr(trajectory, "riemannian"):
        return [trajectory.factored, trajectory.riemannian]
    if hasattr(trajectory, "runs"):
        return list(trajectory.runs)
    if not (hasattr(trajectory, "loss") and hasattr(trajectory, "t")):
        raise TypeError(
            "trajectories must be those of a flow or of gradient descent, or comparisons of "
            f"flows, got {type(trajectory).__name__}"
        )
    return [trajectory]


def _differences(found: Sequence[Any], about: Sequence[tuple[str, float | None]]) -> list[str]:
    """Say of each run what differs among them: depth, kind, step size; else its number."""
    kinds, depths = zip(*about, strict=True)
    steps = [getattr(one, "step_size", None) for one in found]
    words: list[list[str]] = [[] for _ in found]
    for one, word, depth, kind, step in zip(found, words, depths, kinds, steps, strict=True):
        if len(set(depths)) > 1:
            word.append(_depth_in_words(one, depth))
        if len(set(kinds)) > 1:
            word.append(_KINDS[kind])
        if step is not None and len({*steps} - {None}) > 1:
            word.append(rf"$\eta = {step:.3g}$")
    told = [", ".join(word) for word in words]
    if len(found) > 1 and len(set(told)) == 1:
        return [f"run {i}" for i in range(1, len(found) + 1)]
    return told


def _depth_in_words(trajectory: Any, depth: float | None) -> str:
    if depth is None:
        return type(getattr(trajectory, "metric", trajectory)).__name__
    return r"$N = \infty$" if depth == float("inf") else f"$N = {depth:g}$"


def _looks(about: Sequence[tuple[str, float | None]]) -> list[dict[str, Any]]:
    if len(about) > 1 and len(set(about)) == 1:
        return [order_style(i) for i in range(len(about))]
    kinds = {kind for kind, _ in about}
    looks = []
    for kind, depth in about:
        look = depth_style(depth)
        if kind == "layers" and "points" in kinds:
            look |= _BENEATH
        elif len(kinds) > 1:
            look |= _BESIDE[kind]
        looks.append(look)
    return looks
