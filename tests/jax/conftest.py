"""The tests of the companion: skipped without its packages, and else in double precision."""

import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("diffrax")
pytest.importorskip("optax")


@pytest.fixture(autouse=True)
def double_precision():
    """Let a test have float64; other tests keep what they have."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
