"""Results of flows in files: `save` and `load` of what is made of arrays, points and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Self

from fixedrank._aliases import FileLike
from fixedrank._archive import UnreadableError, read_archive, write_archive
from fixedrank._fingerprint import fingerprint
from fixedrank.flows.rank_change import RankChange
from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
)
from fixedrank.geometry.metric.depth import DepthMetric
from fixedrank.geometry.metric.imbalanced import ImbalancedMetric
from fixedrank.geometry.metric.spectral import SpectralMetric

# What a flow keeps beside arrays, numbers and text.
RECORDS = {
    kind.__name__: kind
    for kind in (FixedRankPoint, FixedRankTangentVector, FactorDirections, RankChange)
}


class Saved:
    """A dataclass that goes to a file and comes back; its fields are what a file holds."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def save(self, path: FileLike, *, compressed: bool = False) -> None:
        """Write the result to a file, whole or not at all.

        It is an ``.npz`` file without pickle: ``numpy.load(path)`` has its arrays by their names,
        and the class method `load` makes the same result of it again, bit for bit.

        Parameters
        ----------
        path : path-like
            The file; nothing is added to its name.
        compressed : bool
            Whether to compress the arrays: slower, and smaller where many digits are zero.

        Raises
        ------
        TypeError
            If something that was kept, or the data of a loss, is neither an array, a point, a
            number nor text, nor a tuple, list or dict of those.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import numpy as np, fixedrank, pathlib, tempfile
        >>> problem = fixedrank.LinearRegression(np.eye(2), np.diag([3.0, 1.0]))
        >>> start = [np.ones((1, 2)), np.ones((2, 1))]
        >>> flow = fixedrank.factored_flow(problem, start, [0.0, 10.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "flow.npz"
        ...     flow.save(path)
        ...     again, arrays = fixedrank.FactoredTrajectory.load(path), dict(np.load(path))
        >>> bool((again.loss == flow.loss).all()), again.status == flow.status
        (True, True)
        >>> arrays["singular_values"].shape
        (2, 1)
        """
        write_archive(
            path, type(self).__name__, self._content(), records=RECORDS, compressed=compressed
        )

    @classmethod
    def load(cls, path: FileLike) -> Self:
        """Return the result that `save` wrote to a file.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        object of this class
            The same result.

        Raises
        ------
        ValueError
            If the file is none of these, was cut off or damaged, holds a result of another kind,
            or was written in the format of a later version.
        OSError
            If it cannot be read.
        """
        return cls._restored(read_archive(path, cls.__name__, records=RECORDS), path)

    def _content(self) -> dict[str, Any]:
        """Return the fields as a file holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def _restored(cls, content: Mapping[str, Any], path: Any) -> Self:
        """Return the object that such fields make."""
        cls._require_fields(content, path)
        return cls(**content)

    @classmethod
    def _require_fields(cls, content: Mapping[str, Any], path: Any) -> None:
        """Raise an UnreadableError unless the fields are those of this class."""
        known = {field.name: field for field in fields(cls)}
        missing = [
            name
            for name, field in known.items()
            if name not in content and field.default is MISSING and field.default_factory is MISSING
        ]
        unknown = [name for name in content if name not in known]
        if missing or unknown:
            raise UnreadableError(
                f"{path} is not a file that {cls.__name__}.save of this version has written: "
                f"missing {missing}, unknown {unknown}"
            )


def metric_content(metric: SpectralMetric) -> dict[str, Any]:
    """Return what a file holds of a metric: all, or of one of a user what tells it again."""
    if isinstance(metric, DepthMetric) and DepthMetric(metric.depth) is metric:
        return {"depth": metric.depth}
    if type(metric) is ImbalancedMetric:
        return {"imbalance": list(metric.imbalance)}
    return {"name": type(metric).__qualname__, "fingerprint": _told(metric)}


def restored_metric(
    content: Mapping[str, Any], given: SpectralMetric | None, path: Any
) -> SpectralMetric:
    """Return the metric of a file, which one that is not of the library has to be given for.

    Raises
    ------
    TypeError, ValueError
        If none is given where one is needed, or another one.
    """
    if "depth" in content or "imbalance" in content:
        metric: SpectralMetric = (
            DepthMetric(content["depth"])
            if "depth" in content
            else ImbalancedMetric(content["imbalance"])
        )
        if given is not None and given != metric:
            raise ValueError(f"{path} holds a flow of {metric!r}, not of the metric {given!r}")
        return metric
    name = content["name"]
    if given is None:
        raise TypeError(
            f"{path} holds a flow of the metric {name}, which is not the library's own: give it "
            "as load(path, metric=...)"
        )
    if (type(given).__qualname__, _told(given)) != (name, content["fingerprint"]):
        raise ValueError(
            f"{path} holds a flow of another metric than the {type(given).__qualname__} that was "
            f"given: its class {name} had another source or other attributes when it was saved; "
            "numpy.load(path) has the arrays in any case"
        )
    return given


def _told(metric: SpectralMetric) -> str | None:
    """Return what tells a metric from another, None where nothing can."""
    try:
        return fingerprint(metric, versioned=False)
    except TypeError:
        return None
