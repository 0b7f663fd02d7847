"""Fixed-rank matrices with the metric of deep linear networks.

The manifold M_k of m x n matrices of rank k with the depth-N metric, as a pymanopt manifold; deep
linear networks; and the two gradient flows that the metric makes one.

"The paper", in these pages, is Terstiege, Rauhut, Bah and Westdickenberg, "A Riemannian gradient
flow perspective on learning deep linear neural networks"; its equations and theorems are cited by
their numbers there.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

    from fixedrank import estimator as estimator
    from fixedrank import optimizers as optimizers
    from fixedrank import plotting as plotting
    from fixedrank import testing as testing
    from fixedrank._aliases import AmbientLike, LossLike, PointLike, TangentLike
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
        AlignedDescent,
        AutoSwitching,
        DescentTrajectory,
        FactoredTrajectories,
        FactoredTrajectory,
        FlowComparison,
        GreedyPath,
        GreedyStage,
        MethodProperties,
        RankChange,
        RiemannianTrajectories,
        RiemannianTrajectory,
        aligned_descent,
        aligned_singular_value,
        aligned_solution,
        compare_flows,
        factored_flow,
        gradient_descent,
        greedy_path,
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
        ImbalancedMetric,
        MatrixSum,
        Product,
        RankLostError,
        SpectralMetric,
        integral_inner_product,
    )
    from fixedrank.landscape import (
        CriticalPoint,
        DualCertificate,
        FactorsClassification,
        Hypotheses,
        PointClassification,
        RateCertificate,
        Theorem,
        certify,
        check_hypotheses,
        classify,
        classify_factors,
        dual_certificate,
        global_minimizer,
    )
    from fixedrank.landscape.critical_points import critical_points
    from fixedrank.losses import (
        Classification,
        LinearRegression,
        Loss,
        MomentRegression,
        NetworkHessian,
        SchattenDecay,
        edge_of_stability,
        schatten_threshold,
        sharpness,
    )
    from fixedrank.networks import (
        Imbalances,
        NetworkOperator,
        balanced_factors,
        balancedness,
        factors_from,
        gaussian_factors,
        imbalance,
        imbalanced_factors,
        layer_widths,
        product,
        random_balanced_factors,
    )
    from fixedrank.optimizers import watch
    from fixedrank.plotting import plot_trajectories
    from fixedrank.recovery import (
        ExactStartLineSearcher,
        MatrixCompletion,
        MatrixSensing,
        OccurringPart,
        Recovery,
        rank_increase,
        truncate,
    )
    from fixedrank.recovery.recover import recover

__all__ = [
    "RK4",
    "RKC",
    "ROCK4",
    "AlignedDescent",
    "AmbientLike",
    "AutoSwitching",
    "Classification",
    "CriticalPoint",
    "DepthMetric",
    "DepthOperator",
    "DescentTrajectory",
    "DualCertificate",
    "Ensemble",
    "ExactStartLineSearcher",
    "Experiment",
    "FactorDirections",
    "FactoredTrajectories",
    "FactoredTrajectory",
    "FactorsClassification",
    "FixedRank",
    "FixedRankPoint",
    "FixedRankTangentVector",
    "FlowComparison",
    "GeodesicNotFoundError",
    "GreedyPath",
    "GreedyStage",
    "Hypotheses",
    "ImbalancedMetric",
    "Imbalances",
    "LinearRegression",
    "Loss",
    "LossLike",
    "MatrixCompletion",
    "MatrixSensing",
    "MatrixSum",
    "MethodProperties",
    "MomentRegression",
    "NetworkHessian",
    "NetworkOperator",
    "OccurringPart",
    "PointClassification",
    "PointLike",
    "Product",
    "RankChange",
    "RankLostError",
    "RateCertificate",
    "Recovery",
    "RiemannianTrajectories",
    "RiemannianTrajectory",
    "RunRecord",
    "SchattenDecay",
    "SpectralMetric",
    "TangentLike",
    "Theorem",
    "aligned_descent",
    "aligned_singular_value",
    "aligned_solution",
    "balanced_factors",
    "balancedness",
    "certify",
    "check_hypotheses",
    "classify",
    "classify_factors",
    "compare_flows",
    "critical_points",
    "dual_certificate",
    "edge_of_stability",
    "factored_flow",
    "factors_from",
    "gaussian_factors",
    "global_minimizer",
    "gradient_descent",
    "greedy_path",
    "hessian_bound",
    "imbalance",
    "imbalanced_factors",
    "integral_inner_product",
    "layer_widths",
    "plot_trajectories",
    "product",
    "random_balanced_factors",
    "rank_increase",
    "recover",
    "riemannian_flow",
    "run_ensemble",
    "safe_step_size",
    "schatten_threshold",
    "sharpness",
    "truncate",
    "two_layer_solution",
    "watch",
]

# Modules to use by their names, which are imported when they are asked for.
_MODULES = ("estimator", "optimizers", "plotting", "testing")

# What is used is imported, and with it what it is made of: each layer only knows those before it.
_LAYERS = (
    "geometry",
    "optimizers",
    "networks",
    "losses",
    "recovery",
    "landscape",
    "plotting",
    "flows",
    "ensembles",
    "_aliases",
)


def __dir__() -> list[str]:
    basics = (name for name in globals() if name.startswith("__"))
    return sorted({*basics, *__all__, *_MODULES, "__version__"})


if not TYPE_CHECKING:  # else any name would seem to be there

    def __getattr__(name):
        if name in _MODULES or name in _LAYERS:
            return import_module(f"fixedrank.{name}")
        if name == "__version__":
            value = import_module("fixedrank._version").version()
        elif name in __all__:
            layers = map(import_module, (f"fixedrank.{layer}" for layer in _LAYERS))
            value = next(getattr(layer, name) for layer in layers if name in layer.__all__)
        else:
            raise AttributeError(f"module 'fixedrank' has no attribute {name!r}")
        globals()[name] = value
        return value
