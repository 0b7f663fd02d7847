"""The doctests of the companion for JAX: skipped without it, and else in double precision."""

import importlib.util
from pathlib import Path

import pytest

_COMPANION = Path(__file__).parent / "fixedrank" / "jax"
_INSTALLED = all(importlib.util.find_spec(name) for name in ("jax", "diffrax", "optax"))

collect_ignore_glob = [] if _INSTALLED else [str(_COMPANION / "*")]


@pytest.fixture(autouse=True)
def _double_precision(request):
    """Let the doctests of the companion have float64, and no others."""
    if request.path.is_relative_to(_COMPANION):
        import jax

        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        yield
        jax.config.update("jax_enable_x64", before)
    else:
        yield
