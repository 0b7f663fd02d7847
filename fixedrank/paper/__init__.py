"""The experiments of the paper's appendix: settings, runs, figures, and what they show."""

from fixedrank.paper.curves import Curves
from fixedrank.paper.definitions import Figure, Panel, paper_figures, unique_settings
from fixedrank.paper.findings import Finding, findings
from fixedrank.paper.pictures import draw
from fixedrank.paper.quantities import QUANTITIES, Quantity
from fixedrank.paper.runs import compute, compute_all
from fixedrank.paper.settings import Instance, Setting

__all__ = [
    "QUANTITIES",
    "Curves",
    "Figure",
    "Finding",
    "Instance",
    "Panel",
    "Quantity",
    "Setting",
    "compute",
    "compute_all",
    "draw",
    "findings",
    "paper_figures",
    "unique_settings",
]
