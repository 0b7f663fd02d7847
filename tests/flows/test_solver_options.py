"""Options and tolerances of the solvers here, as SciPy's methods take them."""

import numpy as np
import pytest

from tests.flows.test_solver_contract import adaptive, every, solve


@every
@pytest.mark.parametrize("option", ["jac", "jac_sparsity", "lband", "min_step", "no_such"])
def test_options_without_effect_warn(method, option):
    with pytest.warns(UserWarning, match=f"no effect for a chosen solver: `{option}`"):
        found = solve(method, lambda t, y: -y, (0, 1), [1.0], **{option: None})
    assert found.success


@adaptive
def test_tolerances_for_each_entry(method):
    options = {"rtol": [1e-3, 1e-7], "atol": np.array([1e-3, 1e-9])}
    found = solve(method, lambda t, y: -y, (0, 2), [1.0, 1.0], **options)
    loose = solve(method, lambda t, y: -y, (0, 2), [1.0, 1.0], rtol=1e-3, atol=1e-3)
    error = abs(found.y[1, -1] - np.exp(-2))
    assert error < 1e-5
    assert error < abs(loose.y[1, -1] - np.exp(-2)) / 10


@adaptive
@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_tolerances_that_do_not_fit(method, name):
    with pytest.raises(ValueError, match=rf"{name}.*2 entries.*\(3,\)"):
        solve(method, lambda t, y: -y, (0, 1), [1.0, 2.0], **{name: [1e-3] * 3})
    for bad in (0, -1e-3, np.nan, [1e-3, 0]):
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            solve(method, lambda t, y: -y, (0, 1), [1.0, 2.0], **{name: bad})


@adaptive
def test_a_tolerance_below_round_off_is_raised(method):
    with pytest.warns(UserWarning, match="rtol is too small"):
        found = solve(method, lambda t, y: -y, (0, 1e-3), [1.0], rtol=1e-20)
    assert found.y[0, -1] == pytest.approx(np.exp(-1e-3), rel=1e-10)


@adaptive
@pytest.mark.parametrize("interval", [(0, 1), (1, 0)])
def test_steps_that_do_not_fit(method, interval):
    def fun(t, y):
        raise AssertionError("nothing is to be computed")

    with pytest.raises(ValueError, match="first_step must not exceed the interval of length 1"):
        solve(method, fun, interval, [1.0], first_step=1.5)
    for name in ("first_step", "max_step"):
        for bad in (0, -0.1, np.nan):
            with pytest.raises(ValueError, match=f"{name} must be positive"):
                solve(method, fun, interval, [1.0], **{name: bad})


@adaptive
def test_steps_are_as_asked_for(method):
    found = solve(method, lambda t, y: -y, (0, 1), [1.0], max_step=0.03)
    assert np.diff(found.t).max() <= 0.03 * (1 + 1e-12)
    found = solve(method, lambda t, y: -y, (0, 1), [1.0], first_step=1e-3, rtol=1e-2)
    assert 0.5e-3 <= found.t[1] <= 1e-3 * (1 + 1e-12)
    assert solve(method, lambda t, y: -y, (0, 1), [1.0], first_step=1.0).success
