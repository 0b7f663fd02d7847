"""Pictures of flows and ensembles, with matplotlib (an extra, imported when needed).

Figures are made without pyplot, which would keep each of them until it is closed.
"""

from fixedrank.plotting.animation import animate_trajectory
from fixedrank.plotting.comparison import plot_comparison
from fixedrank.plotting.ensemble import plot_ensemble
from fixedrank.plotting.figures import PAGE, legend_below, new_figure, tidy
from fixedrank.plotting.greedy import plot_greedy_path
from fixedrank.plotting.langevin import plot_langevin
from fixedrank.plotting.many import plot_many
from fixedrank.plotting.palette import depth_style, order_style
from fixedrank.plotting.trajectories import plot_trajectories, plot_trajectory

__all__ = [
    "PAGE",
    "animate_trajectory",
    "depth_style",
    "legend_below",
    "new_figure",
    "order_style",
    "plot_comparison",
    "plot_ensemble",
    "plot_greedy_path",
    "plot_langevin",
    "plot_many",
    "plot_trajectories",
    "plot_trajectory",
    "tidy",
]
