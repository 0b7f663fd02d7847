"""The experiments of the paper's appendix: settings, runs, figures, and what they show."""

from fixedrank.paper.definitions import Figure, Panel, paper_figures, unique_settings
from fixedrank.paper.drawing import draw
from fixedrank.paper.findings import Finding, findings
from fixedrank.paper.runs import Curves, compute, compute_all
from fixedrank.paper.settings import Instance, Setting

__all__ = [
    "Curves",
    "Figure",
    "Finding",
    "Instance",
    "Panel",
    "Setting",
    "compute",
    "compute_all",
    "draw",
    "findings",
    "paper_figures",
    "unique_settings",
]
