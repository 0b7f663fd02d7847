"""What tests of ensembles share."""

import pytest

from fixedrank.ensembles import compiled


@pytest.fixture(params=["NumPy", "compiled"])
def both_steps(request, monkeypatch):
    """The steps of narrow networks: those in NumPy, and those that numba compiles."""
    if request.param == "NumPy":
        monkeypatch.setattr(compiled, "kernels", lambda module: None)
    else:
        pytest.importorskip("numba", reason="numba, which compiles the steps, is not installed")
