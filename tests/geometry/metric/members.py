"""The metrics that keep the contract of test_contract.py: a new one joins by a line."""

import math

from fixedrank import DepthMetric, FixedRank, ImbalancedMetric
from tests.geometry.own_metrics import Logarithmic, TwoLayers

METRICS = {
    "depth 1": DepthMetric(1),
    "depth 2": DepthMetric(2),
    "depth 3.5": DepthMetric(3.5),
    "depth 1000": DepthMetric(1000),
    "limit": DepthMetric(math.inf),
    "logarithm": Logarithmic(),
    "own, two layers": TwoLayers(1.5),
    "two layers": ImbalancedMetric([-0.7]),
    "three layers": ImbalancedMetric([1.2, -0.5]),
    "five layers": ImbalancedMetric([-0.3, 0.0, 0.8, -0.5]),
}
SHAPES = [(5, 4, 2), (3, 4, 3), (3, 3, 3), (4, 2, 1)]
MANIFOLDS = {
    f"{name} {shape}": FixedRank(*shape, metric=metric)
    for name, metric in METRICS.items()
    for shape in SHAPES
    if metric.normal_directions or shape == (3, 3, 3)
}
