"""Averages of Langevin dynamics, effective sample sizes, files and pictures."""

import numpy as np
import pytest
from scipy.signal import lfilter

import fixedrank

START = fixedrank.FixedRank(3, 2, 2, depth=2).random_gibbs(2.0, size=50, rng=0)
RUN = fixedrank.langevin(
    fixedrank.SchattenDecay(1.0, 2), START, 2, [0, 0.5, 1], temperature=0.5, rng=1, step=0.5
)
ONE = fixedrank.langevin(
    fixedrank.SchattenDecay(1.0, 2),
    [part[0] for part in START],
    2,
    [0, 0.5, 1],
    temperature=0.5,
    rng=1,
    step=0.5,
)


def test_observables():
    traces = np.trace(
        RUN.points.u[..., :2, :] * RUN.points.s[..., None, :] @ RUN.points.vt, axis1=-2, axis2=-1
    )
    mean, error = RUN.observable(lambda W: np.trace((W.u[:2] * W.s) @ W.vt))
    np.testing.assert_allclose(mean, traces.mean(1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(error, traces.std(1) / np.sqrt(49), rtol=1e-12)
    both, of_both = RUN.observable(lambda W: W.s)
    np.testing.assert_allclose(both, RUN.singular_values.mean(1), rtol=1e-12)
    assert of_both.shape == (3, 2)
    np.testing.assert_array_equal(RUN.observable(RUN.loss)[0], RUN.loss.mean(1))
    values, unknown = ONE.observable(lambda W: W.s[0])
    np.testing.assert_array_equal(values, ONE.singular_values[:, 0])
    assert np.isnan(unknown).all()
    with pytest.raises(ValueError, match=r"shape \(2, 50\), but there are \(3, 50\)"):
        RUN.observable(np.ones((2, 50)))


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.9])
def test_effective_sample_size_of_an_autoregression(rho):
    """Of x' = rho x + noise it is (1 - rho) / (1 + rho) of all, for one series and for many."""
    noise = np.random.default_rng(0).standard_normal((4000, 40))
    noise[0] /= np.sqrt(1 - rho**2)
    series = lfilter([1], [1, -rho], noise, axis=0)
    exact = (1 - rho) / (1 + rho)
    shares = np.array([RUN.effective_sample_size(column) / 4000 for column in series.T])
    chance = shares.std() / np.sqrt(40)
    # Of each series the sum that is cut has a small bias, besides chance.
    assert abs(shares.mean() - exact) < 5 * chance + 0.05 * exact
    together = RUN.effective_sample_size(series) / series.size
    assert abs(together - exact) < 5 * chance + 0.02 * exact


@pytest.mark.parametrize("unit", [1e-200, 1e150])
def test_effective_sample_size_in_any_unit(unit):
    series = np.random.default_rng(0).standard_normal((100, 3)).cumsum(0)
    one = RUN.effective_sample_size(series)
    assert RUN.effective_sample_size(unit * series) == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("values", [np.ones(5), np.zeros((3, 2)), np.empty(0)])
def test_values_that_do_not_vary(values):
    with pytest.raises(ValueError, match="do not vary"):
        RUN.effective_sample_size(values)


def test_more_axes_are_refused():
    with pytest.raises(ValueError, match=r"\(times,\) or \(times, copies\), got .*\(3, 50, 2\)"):
        RUN.effective_sample_size(RUN.singular_values)


def test_files(tmp_path):
    for run in (RUN, ONE):
        run.save(tmp_path / "run.npz")
        again = fixedrank.LangevinTrajectory.load(tmp_path / "run.npz")
        np.testing.assert_array_equal(again.points.u, run.points.u)
        assert repr(again) == repr(run)
        assert type(again.points) is fixedrank.FixedRankPoint


def test_pictures():
    pytest.importorskip("matplotlib")
    figure = RUN.plot(label="fifty")
    loss, values = figure.axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), RUN.loss.mean(1), rtol=1e-12)
    assert (len(values.lines), len(values.collections)) == (2, 2)
    ONE.plot(figure.axes, label="one", color="black")
    assert len(values.lines) == 4
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["fifty", "one"]
    with pytest.raises(ValueError, match="need two axes, got 1"):
        RUN.plot(loss)


def test_a_function_without_a_result_is_refused():
    with pytest.raises(TypeError, match=r"values of the function .* holds None"):
        RUN.observable(lambda point: None)
