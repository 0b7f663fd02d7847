"""Animations of a flow: its singular values up to now, and W(t) as a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fixedrank._checks import Array, positive_integer
from fixedrank._files import beside
from fixedrank._optional import import_extra
from fixedrank.plotting.figures import PAGE, grid, new_figure, tidy
from fixedrank.plotting.panels import PANELS, draw_curves, label_axes, suit_scales
from fixedrank.plotting.runs import runs_of

# A larger W is shown by means over blocks, as many as this a side.
_SIDE = 60
# By the suffix of a file, the writer of matplotlib that makes it.
_WRITERS = {
    **dict.fromkeys((".gif", ".webp", ".png", ".apng"), "pillow"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm"), "ffmpeg"),
    ".html": "html",
}


def animate_trajectory(
    trajectory: Any, path: str | os.PathLike[str] | None, frames: int, fps: float
) -> Any:
    """Animate a trajectory, and write it if there is a path: `animate` of trajectories."""
    animation = import_extra("matplotlib.animation", "plot", "an animation")
    count = positive_integer("frames", frames)
    if not 0 < fps < np.inf:
        raise ValueError(f"fps must be positive and finite, got {fps!r}")
    if len(trajectory.t) == 0:
        raise ValueError("there is nothing to animate: the trajectory holds no time")
    file = None if path is None else Path(path)
    writer = None if file is None else _writer(animation, file)
    last = len(trajectory.t) - 1
    shown = np.unique(np.linspace(0, last, min(count, last + 1)).round().astype(int))
    figure, show = _scene(trajectory, shown)
    made = animation.FuncAnimation(
        figure, show, frames=shown.size, interval=1000 / fps, init_func=list
    )
    if file is not None:
        with beside(file) as partial:
            if writer == "html":
                partial.write_text(made.to_jshtml(fps=fps), encoding="utf-8")
            else:
                made.save(partial, writer=writer, fps=fps, dpi=100)
    return made


def _writer(animation: Any, path: Path) -> str:
    """Return the writer for a file, or say which kinds of files can be written here."""
    suffix, available = path.suffix.lower(), animation.writers.list()
    wanted = _WRITERS.get(suffix)
    if wanted is not None and wanted in available:
        return wanted
    possible = ", ".join(kind for kind, writer in _WRITERS.items() if writer in available)
    raise ValueError(
        f"cannot write an animation to {path.name!r}: "
        + (
            f"files {suffix} need the writer {wanted}, which is not installed"
            if wanted
            else "the suffix tells no writer"
        )
        + f"; here can be written: {possible}"
    )


def _scene(trajectory: Any, shown: Array) -> tuple[Any, Any]:
    """Return a figure at the first of the times shown, and what moves it to another of them."""
    run = runs_of([trajectory], None)[0]
    pictures = _pictures(trajectory, shown)
    figure = new_figure(PAGE, 3.2, "an animation")
    count = 2 if pictures.size else 1
    singular, *others = grid(figure, count, count)
    clock, panel = getattr(trajectory, "clock", None), PANELS["singular_values"]
    t = np.asarray(trajectory.t if clock is None else clock)
    values = np.asarray(panel.values(trajectory))
    look = run.look | {"marker": ""}
    # All of the curves, pale, fix the axes; what has been is drawn over them.
    draw_curves(singular, t, values, look | {"alpha": 0.3}, None)
    curves = singular.plot(t[:1], values[:1], **look | {"marker": "o", "markevery": [-1]})
    label_axes(singular, panel, "time $t$" if clock is None else r"clock $\tau$")
    suit_scales(singular, panel.logarithmic)
    tidy(singular)
    images = [_image(axes, trajectory, pictures) for axes in others]
    symbol = "$t$" if clock is None else r"$\tau$"
    title = figure.suptitle("")

    def show(frame: int) -> Sequence[Any]:
        until = shown[frame] + 1
        for curve, column in zip(curves, values.T, strict=True):
            curve.set_data(t[:until], column[:until])
        for image in images:
            image.set_data(pictures[frame])
        title.set_text(f"{symbol} = {t[until - 1]:.3g}")
        return [*curves, *images, title]

    show(0)
    # The panels stay where they are, whatever numbers come.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure, show


def _image(axes: Any, trajectory: Any, pictures: Array) -> Any:
    """Draw the first picture of W, with colours that are those of all."""
    first = trajectory.last if hasattr(trajectory, "last") else trajectory.factors[0]
    left, right = (first.u, first.vt) if hasattr(first, "vt") else (first[-1], first[0])
    m, n = left.shape[0], right.shape[1]
    largest = float(np.nanmax(np.abs(pictures))) or 1.0
    image = axes.imshow(
        pictures[0], cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest"
    )
    axes.set(title=f"$W(t)$, {m} x {n}", xticks=[], yticks=[])
    if pictures.shape[1:] != (m, n):
        axes.set_xlabel(f"in {pictures.shape[1]} x {pictures.shape[2]} blocks, the mean of each")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    return image


def _pictures(trajectory: Any, shown: Array) -> Array:
    """Return W, or its means over blocks, at some of the times; nothing where W was not kept."""
    keep = getattr(trajectory, "keep", "layers")
    if keep not in _PICTURE:
        return np.empty(0)
    kept = trajectory.factors if hasattr(trajectory, "step_size") else trajectory.kept
    return np.array([_PICTURE[keep](kept[i]) for i in shown])


def _of_layers(layers: Sequence[Array]) -> Array:
    found = _means(layers[0], 1)
    for layer in layers[1:-1]:
        found = layer @ found
    return _means(layers[-1], 0) @ found if len(layers) > 1 else _means(found, 0)


# By what was kept of a time, the picture of W there; no large W is formed.
_PICTURE: dict[str, Callable[[Any], Array]] = {
    "layers": _of_layers,
    "points": lambda point: _means(point[0] * point[1], 0) @ _means(point[2], 1),
    "products": lambda product: _means(_means(product, 0), 1),
}


def _means(matrix: Array, axis: int) -> Array:
    """Return the means of blocks of rows (axis 0) or columns (axis 1), or all if they are few."""
    size = matrix.shape[axis]
    if size <= _SIDE:
        return matrix
    edges = np.arange(_SIDE + 1) * size // _SIDE
    counts = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
    return np.asarray(np.add.reduceat(matrix, edges[:-1], axis=axis) / counts)
