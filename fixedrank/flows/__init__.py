"""The two flows that the paper connects, and their comparison (sections 2 and 3)."""

from fixedrank.flows.comparison import FlowComparison, compare_flows
from fixedrank.flows.factored import factored_flow
from fixedrank.flows.riemannian import riemannian_flow
from fixedrank.flows.solvers import RK4
from fixedrank.flows.trajectory import FactoredTrajectory, RankChange, RiemannianTrajectory

__all__ = [
    "RK4",
    "FactoredTrajectory",
    "FlowComparison",
    "RankChange",
    "RiemannianTrajectory",
    "compare_flows",
    "factored_flow",
    "riemannian_flow",
]
