"""The metric that the arguments of FixedRank choose, and what is wrong where they choose none."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

from fixedrank.geometry.metric.depth import as_metric
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


def chosen_metric(depth: float | None, metric: SpectralMetric | None) -> SpectralMetric:
    """Return the metric that one of two arguments gives."""
    if metric is None:
        if depth is None:
            raise TypeError(
                "FixedRank(m, n, k, *, depth): missing a required argument: 'depth' (depth must be "
                f"a real number N >= 1 or math.inf, got None); {_NAMED}"
            )
        return as_metric(depth)
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
