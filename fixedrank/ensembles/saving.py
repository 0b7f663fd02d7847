"""Ensembles in files: their records, and of the experiment what arrays and numbers tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np

from fixedrank._archive import UnreadableError
from fixedrank._fingerprint import fingerprint
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import RunRecord
from fixedrank.losses.regression import LinearRegression
from fixedrank.recovery.completion import MatrixCompletion

_KINDS = get_type_hints(RunRecord)


def records_content(records: tuple[RunRecord, ...]) -> dict[str, Any]:
    """Return the columns of records: arrays of numbers, and lists of words."""
    columns: list[Any] = [list(column) for column in zip(*records, strict=True)]
    return {
        name: column if _KINDS[name] is str else np.array(column, dtype=_KINDS[name])
        for name, column in zip(RunRecord._fields, columns or [[]] * len(_KINDS), strict=True)
    }


def restored_records(content: Mapping[str, Any]) -> tuple[RunRecord, ...]:
    """Return the records of such columns."""
    columns = (content[name] for name in RunRecord._fields)
    columns = (one.tolist() if isinstance(one, np.ndarray) else one for one in columns)
    return tuple(RunRecord(*row) for row in zip(*columns, strict=True))


def experiment_content(experiment: Experiment) -> dict[str, Any]:
    """Return what a file holds of an experiment: all of it, or what tells it from others."""
    content: dict[str, Any] = {
        "kind": type(experiment).__qualname__,
        "fingerprint": _told(experiment),
        "description": repr(experiment),
    }
    known = {field.name: getattr(experiment, field.name) for field in fields(Experiment)}
    known["problem"] = _problem_content(experiment.problem)
    own = type(experiment) is not Experiment or callable(experiment.initialisation)
    held = not own and known["problem"] is not None
    # A loss that was given further attributes would not come back with them.
    if held and _told(_experiment(known, "")) == content["fingerprint"]:
        content["fields"] = known
    return content


def restored_experiment(
    content: Mapping[str, Any], given: Experiment | None, path: Any
) -> Experiment:
    """Return the experiment of a file, which one that is not held there has to be given for.

    Raises
    ------
    TypeError, ValueError
        If none is given where one is needed, or another one.
    """
    if given is None:
        if "fields" not in content:
            raise TypeError(
                f"{path} does not hold its experiment, as the loss, the initialisation or the "
                "class is not the library's own: give it as load(path, experiment=...). It was\n"
                f"{content['description']}"
            )
        return _experiment(content["fields"], path)
    if (type(given).__qualname__, _told(given)) != (content["kind"], content["fingerprint"]):
        raise ValueError(
            f"{path} holds the runs of another experiment than the one that was given (other "
            "data, widths, start, times or tolerances, or another source of a loss or a start of "
            f"your own). numpy.load(path) has the records in any case. It was\n"
            f"{content['description']}"
        )
    return given


def _experiment(known: Mapping[str, Any], path: Any) -> Experiment:
    unknown = sorted(known.keys() - {field.name for field in fields(Experiment)})
    if unknown:
        raise UnreadableError(
            f"{path} holds an experiment with {', '.join(unknown)}, which this version does not "
            "know: install a later one to load it"
        )
    return Experiment(**{**known, "problem": _restored_problem(known["problem"])})


def _told(experiment: Experiment) -> str | None:
    """Return what tells an experiment from another, None where nothing can."""
    try:
        return fingerprint(experiment, versioned=False)
    except TypeError:
        return None


# The losses of which a file holds all.

_OF_COMPLETION = ("rows", "cols", "values", "shape", "weights", "ridge")


def _problem_content(problem: Any) -> dict[str, Any] | None:
    """Return what a loss is made of, or None if a file does not hold it."""
    if type(problem) is MatrixCompletion:
        return {"completion": {name: getattr(problem, name) for name in _OF_COMPLETION}}
    parts = problem._parts() if type(problem) is LinearRegression else None
    return None if parts is None else {"regression": parts}


def _restored_problem(content: Mapping[str, Any]) -> LinearRegression | MatrixCompletion:
    if "completion" in content:
        return MatrixCompletion(**content["completion"])
    return LinearRegression._from_parts(content["regression"])
