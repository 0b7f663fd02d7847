"""The two flows that the paper connects, their comparison, and gradient descent beside them."""

from fixedrank.flows.aligned_steps import AlignedDescent, aligned_descent
from fixedrank.flows.chebyshev import RKC
from fixedrank.flows.comparison import FlowComparison, compare_flows
from fixedrank.flows.descent import gradient_descent
from fixedrank.flows.descent_trajectory import DescentTrajectory
from fixedrank.flows.exact import aligned_singular_value, aligned_solution, two_layer_solution
from fixedrank.flows.factored import factored_flow
from fixedrank.flows.greedy import greedy_path
from fixedrank.flows.many.results import FactoredTrajectories, RiemannianTrajectories
from fixedrank.flows.methods import MethodProperties
from fixedrank.flows.rank_change import RankChange
from fixedrank.flows.riemannian import riemannian_flow
from fixedrank.flows.rock import ROCK4
from fixedrank.flows.safe_steps import hessian_bound, safe_step_size
from fixedrank.flows.solvers import RK4
from fixedrank.flows.stages import GreedyPath, GreedyStage
from fixedrank.flows.switching import AutoSwitching
from fixedrank.flows.trajectory import FactoredTrajectory, RiemannianTrajectory

__all__ = [
    "RK4",
    "RKC",
    "ROCK4",
    "AlignedDescent",
    "AutoSwitching",
    "DescentTrajectory",
    "FactoredTrajectories",
    "FactoredTrajectory",
    "FlowComparison",
    "GreedyPath",
    "GreedyStage",
    "MethodProperties",
    "RankChange",
    "RiemannianTrajectories",
    "RiemannianTrajectory",
    "aligned_descent",
    "aligned_singular_value",
    "aligned_solution",
    "compare_flows",
    "factored_flow",
    "gradient_descent",
    "greedy_path",
    "hessian_bound",
    "riemannian_flow",
    "safe_step_size",
    "two_layer_solution",
]
