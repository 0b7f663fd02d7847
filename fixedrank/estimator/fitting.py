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
) -> Model:
    """Return the best model of at most this rank: by sweeps, and then on the manifold.

    Each part ends where the objective falls by less than a share, `tol` on the manifold.
    """
    model = swept(table, start, penalties, rank, tol=_BY_SWEEPS * tol, max_iter=max_iter, rng=rng)
    if model.point.s.size == 0:
        return model
    model = descended(table, model, penalties, depth, tol=tol, max_iter=max_iter)
    return without_idle(table, model, penalties.ridge)


def swept(
    table: Table,
    start: Model,
    penalties: Penalties,
    rank: int,
    *,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> Model:
    """Sweep until the objective falls by less than its share `tol`.

    New directions come before each sweep, while there are fewer than `rank` and some that pay.
    """
    sweeps, model = Sweeps(table), start
    value = table.objective(model, penalties)
    for _ in range(max_iter):
        model = raised(table, model, penalties.ridge, rank, rng) or model
        model = without_idle(table, sweeps.sweep(model, penalties), penalties.ridge)
        before, value = value, table.objective(model, penalties)
        if before - value <= tol * before:
            break
    return model
