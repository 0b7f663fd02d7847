"""The metric that the arguments of FixedRank choose, and what is wrong where they choose none."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import ParamSpec

from fixedrank._checks import finite_array
from fixedrank.geometry.metric.depth import DepthMetric, as_metric
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric

_Arguments = ParamSpec("_Arguments")

_NAMED = (
    "the depth N is named, as depth=2, and depth=1 is the embedded metric, that of pymanopt's "
    "FixedRankEmbedded"
)


def arguments_told(init: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Say what is wrong with the arguments in terms of the class that users know."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked(*sizes: _Arguments.args, **named: _Arguments.kwargs) -> None:
        try:
            signature.bind(*sizes, **named)
        except TypeError as error:
            raise TypeError(f"FixedRank(m, n, k, *, depth): {error}; {_NAMED}") from None
        init(*sizes, **named)

    return checked


def metric_of(
    depth: float | SpectralMetric, imbalance: Sequence[float] | None = None
) -> SpectralMetric:
    """Return the metric of N layers of an imbalance, that of depth N where there is none.

    Raises
    ------
    TypeError, ValueError
        If the depth is no number >= 1 and no metric, or there are not N - 1 finite numbers for a
        whole N.
    """
    metric = as_metric(depth)
    if imbalance is None:
        return metric
    values = finite_array("imbalance", imbalance, 1)
    number = metric.depth
    if number is None:
        raise ValueError(
            f"an imbalance is that of layers, and belongs to a depth N, not to the metric {metric}"
        )
    if not number.is_integer():
        raise ValueError(
            f"an imbalance is that of N layers, a whole number, got depth {number:g}: leave it out"
        )
    if values.size + 1 != number:
        raise ValueError(
            "imbalance must hold lambda_1, ..., lambda_(N-1), one number for each layer and the "
            f"next: {number - 1:g} at depth {number:g}, got {values.size}"
        )
    return ImbalancedMetric(values.tolist()) if values.any() else DepthMetric(number)


def chosen_metric(
    depth: float | None,
    metric: SpectralMetric | None,
    imbalance: Sequence[float] | None = None,
) -> SpectralMetric:
    """Return the metric that the arguments give."""
    if metric is None:
        if depth is None:
            raise TypeError(
                "FixedRank(m, n, k, *, depth): missing a required argument: 'depth' (depth must be "
                f"a real number N >= 1 or math.inf, got None); {_NAMED}"
            )
        return metric_of(depth, imbalance)
    if imbalance is not None:
        raise ValueError(
            f"imbalance={imbalance!r} belongs to a depth, but a metric is given, {metric!r}: leave "
            "one of them out"
        )
    if depth is not None:
        raise ValueError(
            f"the metric of FixedRank is given twice, as depth={depth} and as metric={metric!r}: "
            "leave one of them out"
        )
    if not isinstance(metric, SpectralMetric):
        raise TypeError(
            f"metric must be an object of a class derived from SpectralMetric, got {metric!r}; "
            "the depth N is named, as depth=2"
        )
    return metric
