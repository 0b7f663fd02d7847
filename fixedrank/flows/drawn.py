"""What draws trajectories: `plot` and `animate`, for those of flows and of gradient descent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from fixedrank.plotting import animate_trajectory, plot_trajectory


class Drawn:
    """A trajectory that draws itself, with matplotlib."""

    def plot(
        self,
        axes: Any = None,
        *,
        quantities: Sequence[str] | str | None = None,
        label: str | None = None,
        over: str | None = None,
        **style: Any,
    ) -> Any:
        """Draw the loss, the singular values, the effective rank and the balancedness.

        Parameters
        ----------
        axes : matplotlib Axes or sequence of such, optional
            One for each quantity, so that runs overlay: give the next run ``figure.axes`` of the
            first. A new figure is made if they are left out; it does not belong to pyplot.
        quantities : sequence of str, optional
            Some of "loss", "singular_values", "effective_rank", "balancedness", "gradient_norm"
            and, of flows, "objective", the loss with the penalty of weight decay. By default as
            many of the first four as there are axes; on a new figure all four, without a
            balancedness that is not known or zero by definition.
        label : str, optional
            What a legend says of the run.
        over : {"time", "steps"}, optional
            What the horizontal axis shows: the time t or, of gradient descent, the number i of the
            iterate, which stands beside the flow at time eta i. By default the steps where there
            are any.
        **style
            Properties of the lines, such as ``color``, in place of those that
            :func:`fixedrank.plotting.depth_style` gives to the depth.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; ``savefig`` writes it.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ValueError
            If a quantity is not known, axes are not as many as quantities, or a flow is to be
            drawn over steps.

        See Also
        --------
        fixedrank.plot_trajectories : Several runs, with a legend.

        Examples
        --------
        >>> import numpy as np, fixedrank
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> start = fixedrank.FixedRank(2, 2, 1, depth=2).point(np.ones((2, 2)))
        >>> flow = fixedrank.riemannian_flow(problem, start, 2, [0.0, 1.0, 2.0])
        >>> figure = flow.plot(quantities=["loss", "effective_rank"], color="black")
        >>> [axes.get_title() for axes in figure.axes]
        ['Loss', 'Effective rank']
        """
        return plot_trajectory(self, axes, quantities, label, over, style)

    def animate(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        frames: int = 100,
        fps: float = 20.0,
    ) -> Any:
        """Animate the singular values up to t, and W(t) as a picture where it was kept.

        A W with more than 60 rows or columns is shown by means over blocks, which are computed from
        its factors.

        Parameters
        ----------
        path : path-like, optional
            A file to write; its suffix tells the kind. pillow, which comes with matplotlib, writes
            .gif, .webp and .apng; ffmpeg, where it is installed, .mp4 and others; a page .html has
            buttons.
        frames : int
            The number of pictures at most, spread evenly over the output times.
        fps : float
            How many are shown a second.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            The animation. Keep it while it is shown; in a notebook, its ``to_jshtml()``.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        TypeError, ValueError
            If `frames` or `fps` are out of range, no writer for the file is installed (the message
            says which files can be written), or the trajectory holds no time.
        """
        return animate_trajectory(self, path, frames, fps)
