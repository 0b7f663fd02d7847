"""From data and penalties to the model that is best for them."""

from __future__ import annotations

import numpy as np

from fixedrank.estimator.descent import descended
from fixedrank.estimator.growth import raised, without_idle
from fixedrank.estimator.objective import Model, Penalties, Table
from fixedrank.estimator.sweeps import Sweeps

# A sweep costs as much as some iterations on the manifold, and brings more while much is to gain.
_BY_SWEEPS = 10.0


def fitted(
    table: Table,
    start: Model,
    penalties: Penalties,
    rank: int,
    depth: float,
    *,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> tuple[Model, int]:
    """Return the best model of at most this rank, and in how many iterations.

    It comes by sweeps, and then on the manifold; each part ends where the objective falls by less
    than a share, `tol` on the manifold.
    """
    model, count = swept(
        Sweeps(table), start, penalties, rank, tol=_BY_SWEEPS * tol, max_iter=max_iter, rng=rng
    )
    if model.point.s.size == 0:
        return model, count
    model, more = descended(table, model, penalties, depth, tol=tol, max_iter=max_iter)
    return without_idle(table, model, penalties.ridge), count + more


def swept(
    sweeps: Sweeps,
    start: Model,
    penalties: Penalties,
    rank: int,
    *,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> tuple[Model, int]:
    """Sweep until the objective falls by less than its share `tol`; return how often, too.

    New directions come before each sweep, while there are fewer than `rank` and some that pay.
    """
    table, model, count = sweeps.table, start, 0
    value = table.objective(model, penalties)
    while count < max_iter:
        count += 1
        model = raised(table, model, penalties.ridge, rank, rng) or model
        model = without_idle(table, sweeps.sweep(model, penalties), penalties.ridge)
        before, value = value, table.objective(model, penalties)
        if before - value <= tol * before:
            break
    return model, count
