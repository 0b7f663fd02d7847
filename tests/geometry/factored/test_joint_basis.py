"""The orthonormal basis of [U, Up], by Cholesky passes and by Householder QR at every size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank.geometry.factored import orthonormal


@pytest.mark.parametrize("few", [0, 10**9])
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 5),
    extra=st.integers(-3, 40),
    spread=st.sampled_from([0, 3, 8, 100]),
    rank=st.integers(0, 5),
    drift=st.sampled_from([0, 1e-9]),
)
def test_basis_is_orthonormal_and_reproduces_both_blocks(few, seed, k, extra, spread, rank, drift):
    rng = np.random.default_rng(seed)
    m = max(k, 2 * k + extra)
    u = np.linalg.qr(rng.standard_normal((m, k)))[0] + drift * rng.standard_normal((m, k))
    # Columns of any length, of full rank or not, with a part in the range of u or almost none.
    up = rng.standard_normal((m, min(rank, k))) @ rng.standard_normal((min(rank, k), k))
    up = up + 10.0 ** -rng.integers(0, 18) * rng.standard_normal((m, k))
    up *= 10.0 ** rng.uniform(-spread, spread, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orthonormal, "_FEW_COLUMNS", 0)
        patch.setattr(orthonormal, "_FEW_OPERATIONS", few)
        basis = orthonormal.joint_basis(u, up)
    q = basis.combine(np.eye(len(basis.coefficients)))
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=1e-13)
    both = np.hstack((u, up))
    lengths = np.linalg.norm(both, axis=0)
    error = np.linalg.norm(q @ basis.coefficients - both, axis=0)
    assert (error <= 1e-13 * lengths).all()


@pytest.mark.parametrize(
    ("m", "k", "kind"),
    [
        (3000, 5, orthonormal.CholeskyBasis),
        (300, 5, orthonormal.HouseholderBasis),
        (3000, 2, orthonormal.HouseholderBasis),
        (299, 150, orthonormal.HouseholderBasis),
    ],
)
def test_large_blocks_of_good_condition_take_the_cholesky_passes(m, k, kind):
    rng = np.random.default_rng(0)
    u, up = np.linalg.qr(rng.standard_normal((m, k)))[0], rng.standard_normal((m, k))
    assert isinstance(orthonormal.joint_basis(u, up), kind)
    up[:, 1] = up[:, 0]
    assert isinstance(orthonormal.joint_basis(u, up), orthonormal.HouseholderBasis)
