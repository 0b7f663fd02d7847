"""Fixed-rank matrices with the metric of deep linear networks.

The manifold M_k of m x n matrices of rank k with the depth-N metric, as a pymanopt manifold; deep
linear networks; and the two gradient flows that the metric makes one.

"The paper", in these pages, is Terstiege, Rauhut, Bah and Westdickenberg, "A Riemannian gradient
flow perspective on learning deep linear neural networks"; its equations and theorems are cited by
their numbers there.
"""

from fixedrank._aliases import AmbientLike, LossLike, PointLike, TangentLike
from fixedrank._version import version as _version
from fixedrank.ensembles import (
    Ensemble,
    Experiment,
    RunRecord,
    run_ensemble,
)
from fixedrank.flows import (
    RK4,
    RKC,
    ROCK4,
    AutoSwitching,
    DescentTrajectory,
    FactoredTrajectory,
    FlowComparison,
    MethodProperties,
    RankChange,
    RiemannianTrajectory,
    aligned_singular_value,
    aligned_solution,
    compare_flows,
    factored_flow,
    gradient_descent,
    hessian_bound,
    riemannian_flow,
    safe_step_size,
    two_layer_solution,
)
from fixedrank.geometry import (
    DepthMetric,
    DepthOperator,
    FactorDirections,
    FixedRank,
    FixedRankPoint,
    FixedRankTangentVector,
    GeodesicNotFoundError,
    MatrixSum,
    Product,
    RankLostError,
    SpectralMetric,
    integral_inner_product,
)
from fixedrank.landscape import (
    Classification,
    CriticalPoint,
    FactorsClassification,
    Hypotheses,
    Theorem,
    check_hypotheses,
    classify,
    classify_factors,
    critical_points,
    global_minimizer,
)
from fixedrank.losses import LinearRegression, Loss, MomentRegression, NetworkHessian
from fixedrank.networks import (
    balanced_factors,
    balancedness,
    gaussian_factors,
    layer_widths,
    product,
    random_balanced_factors,
)
from fixedrank.optimizers import watch
from fixedrank.recovery import (
    ExactStartLineSearcher,
    MatrixCompletion,
    MatrixSensing,
    rank_increase,
    truncate,
)

__all__ = [
    "RK4",
    "RKC",
    "ROCK4",
    "AmbientLike",
    "AutoSwitching",
    "Classification",
    "CriticalPoint",
    "DepthMetric",
    "DepthOperator",
    "DescentTrajectory",
    "Ensemble",
    "ExactStartLineSearcher",
    "Experiment",
    "FactorDirections",
    "FactoredTrajectory",
    "FactorsClassification",
    "FixedRank",
    "FixedRankPoint",
    "FixedRankTangentVector",
    "FlowComparison",
    "GeodesicNotFoundError",
    "Hypotheses",
    "LinearRegression",
    "Loss",
    "LossLike",
    "MatrixCompletion",
    "MatrixSensing",
    "MatrixSum",
    "MethodProperties",
    "MomentRegression",
    "NetworkHessian",
    "PointLike",
    "Product",
    "RankChange",
    "RankLostError",
    "RiemannianTrajectory",
    "RunRecord",
    "SpectralMetric",
    "TangentLike",
    "Theorem",
    "aligned_singular_value",
    "aligned_solution",
    "balanced_factors",
    "balancedness",
    "check_hypotheses",
    "classify",
    "classify_factors",
    "compare_flows",
    "critical_points",
    "factored_flow",
    "gaussian_factors",
    "global_minimizer",
    "gradient_descent",
    "hessian_bound",
    "integral_inner_product",
    "layer_widths",
    "product",
    "random_balanced_factors",
    "rank_increase",
    "riemannian_flow",
    "run_ensemble",
    "safe_step_size",
    "truncate",
    "two_layer_solution",
    "watch",
]

__version__ = _version()
