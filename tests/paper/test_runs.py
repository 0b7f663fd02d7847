"""Curves against an integration of the layers by other means, and what is kept on disk."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank._jobs import Lost
from fixedrank.losses.moment_loss import MomentLoss
from fixedrank.paper import (
    QUANTITIES,
    Curves,
    Figure,
    Panel,
    Quantity,
    Setting,
    compute,
    compute_all,
    draw,
    findings,
    runs,
)
from tests.geometry.dense import matrix

SMALL = Setting("supervised", "balanced", 6, 2, 3, 5.0)
SETTINGS = [
    SMALL,
    Setting("supervised", "gaussian", 6, 2, 4, 5.0),
    Setting("autoencoder", "balanced", 8, 3, 5, 5.0, "nearest"),
    Setting("autoencoder", "gaussian", 8, 3, 2, 5.0),
]


def layers_by_scipy(setting, seed):
    """The products of layers under flow (5), from the samples, to 1e-10."""
    X, Y, _, factors, *_ = setting.instance(seed)
    shapes = [factor.shape for factor in factors]
    bounds = np.cumsum([factor.size for factor in factors])[:-1]

    def layers(state):
        return [p.reshape(s) for p, s in zip(np.split(state, bounds), shapes, strict=True)]

    def multiplied(matrices, size):
        result = np.eye(size)
        for factor in matrices:
            result = factor @ result
        return result

    def velocity(t, state):
        parts, d = layers(state), X.shape[0]
        residual = (multiplied(parts, d) @ X - Y) @ X.T
        return -np.concatenate(
            [
                (
                    multiplied(parts[j + 1 :], parts[j].shape[0]).T
                    @ residual
                    @ multiplied(parts[:j], d).T
                ).ravel()
                for j in range(len(parts))
            ]
        )

    t = runs.output_times(setting.end)
    start = np.concatenate([factor.ravel() for factor in factors])
    found = solve_ivp(velocity, (0, t[-1]), start, "DOP853", t_eval=t, rtol=1e-10, atol=1e-12)
    return t, [multiplied(layers(state), X.shape[0]) for state in found.y.T]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_curves_are_those_of_the_layers(setting):
    t, products = layers_by_scipy(setting, 5)
    curves = compute(setting, 5)
    X, Y, _, _, limit, true, _ = setting.instance(5)
    np.testing.assert_array_equal(curves.t, t)

    def distances(to):
        return np.array([np.linalg.norm(W - to) for W in products])

    expected = {
        "distance_to_limit": distances(matrix(limit)),
        "distance_to_final": distances(products[-1]),
        "loss": np.array([np.linalg.norm(Y - W @ X) ** 2 / 2 for W in products]),
        "reconstruction_error": np.array([np.linalg.norm(Y - W @ X) for W in products]),
    }
    if true is not None:
        expected["distance_to_true"] = distances(matrix(true))
    else:
        assert np.isnan(curves["distance_to_true"]).all()
    assert expected.keys() | {"distance_to_true"} == {quantity.name for quantity in QUANTITIES}
    for name, values in expected.items():
        # What runs.py claims of the tolerances that it takes.
        np.testing.assert_allclose(
            curves[name], values, rtol=0, atol=1e-3 * values[0], err_msg=name
        )


def test_times():
    t = runs.output_times(1000.0)
    assert t[0] == 0
    assert t[1] == pytest.approx(0.01)
    assert t[-1] == pytest.approx(1000)
    assert t.size == 2 + 24 * 5
    np.testing.assert_allclose(np.diff(np.log10(t[1:])), 1 / 24, rtol=1e-9)


def same(a, b):
    for field in fields(Curves):
        if field.name not in ("seconds", "values"):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
    assert a.values.keys() == b.values.keys()
    for name in a.values:
        np.testing.assert_array_equal(a[name], b[name])


def test_what_is_kept_is_not_computed_again(tmp_path, monkeypatch):
    first = compute_all(SETTINGS[:2], 0, tmp_path, workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{setting.key}-seed0.npz" for setting in SETTINGS[:2]
    )
    called = []
    monkeypatch.setattr(runs, "compute", lambda *args: called.append(args))
    second = compute_all(SETTINGS[:2], 0, tmp_path, workers=1)
    assert not called
    for setting in SETTINGS[:2]:
        same(first[setting], second[setting])
        assert first[setting].seconds == second[setting].seconds


def test_an_interrupted_call_goes_on(tmp_path, monkeypatch):
    asked = []

    def stubborn(setting, seed):
        asked.append(setting)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return compute(setting, seed)

    monkeypatch.setattr(runs, "compute", stubborn)
    with pytest.raises(KeyboardInterrupt):
        compute_all(SETTINGS, 0, tmp_path, workers=1)
    assert len(list(tmp_path.iterdir())) == 1
    found = compute_all(SETTINGS, 0, tmp_path, workers=1)
    assert list(found) == SETTINGS
    assert len(asked) == 5
    assert asked[1:].count(asked[0]) == 0


def test_an_interruption_inside_an_integration(tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(MomentLoss, "gradient_products", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute_all([SMALL], 0, tmp_path, workers=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "empty", "other format"])
def test_damaged_files_are_computed_again(tmp_path, monkeypatch, damage):
    expected = compute_all([SMALL], 0, tmp_path, workers=1)[SMALL]
    (path,) = tmp_path.iterdir()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        monkeypatch.setattr(runs, "_FORMAT", -1)
    calls = []
    monkeypatch.setattr(runs, "compute", lambda *args: calls.append(args) or compute(*args))
    same(compute_all([SMALL], 0, tmp_path, workers=1)[SMALL], expected)
    assert len(calls) == 1


def test_seeds_have_files_of_their_own(tmp_path):
    zero = compute_all([SMALL], 0, tmp_path, workers=1)[SMALL]
    one = compute_all([SMALL], 1, tmp_path, workers=1)[SMALL]
    assert zero["loss"][0] != one["loss"][0]
    same(compute_all([SMALL], 0, tmp_path, workers=1)[SMALL], zero)


def test_curves_that_were_cut_short_are_not_kept(tmp_path, monkeypatch):
    whole = compute(SMALL, 0)
    short = replace(whole, complete=False, status="step size collapsed")
    monkeypatch.setattr(runs, "compute", lambda *args: short)
    assert compute_all([SMALL], 0, tmp_path, workers=1)[SMALL].status == "step size collapsed"
    assert not list(tmp_path.iterdir())


def test_another_figure_is_one_entry(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    largest = Quantity(
        "largest_singular_value",
        lambda instance, flow: np.array([point.s[0] for point in flow.points]),
        r"s_1(t)",
        "s_1 -> 0",
        floor=None,
    )
    compute_all(SETTINGS[:1], 0, tmp_path, workers=1)
    monkeypatch.setattr(runs, "QUANTITIES", (*QUANTITIES, largest))
    # What was kept without it is computed again.
    curves = compute_all(SETTINGS[:2], 0, tmp_path, workers=1)
    panels = tuple(Panel(s.key, ((s.start, s),)) for s in SETTINGS[:2])
    figure = Figure(10, "the largest singular value", largest, panels)
    picture = draw(figure, curves)
    assert picture.axes[0].get_ylabel() == "$s_1(t)$"
    for axes, setting in zip(picture.axes, SETTINGS[:2], strict=True):
        values = curves[setting]["largest_singular_value"]
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values[1:])
        factors = setting.instance(0).factors
        start = np.linalg.multi_dot(factors[::-1])
        assert values[0] == pytest.approx(np.linalg.norm(start, 2), rel=1e-9)
    found = findings({10: figure}, curves)
    assert [finding.statement for finding in found] == ["s_1 -> 0"] * 2
    assert {finding.holds for finding in found} == {False}


def test_a_process_that_died_is_told(tmp_path, monkeypatch):
    def died(work, keys, store, lost, **options):
        raise lost(keys[0], Lost("the process that ran it died", OSError()))

    monkeypatch.setattr(runs, "run_jobs", died)
    with pytest.raises(RuntimeError, match=r"balanced-d6.* died.* start again to go on"):
        compute_all([SMALL], 0, tmp_path, workers=2)


def test_processes_give_the_same_numbers(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    alone = compute_all(SETTINGS, 0, tmp_path / "one", workers=1)
    shared = compute_all(SETTINGS, 0, Path(tmp_path / "two"), workers=2)
    assert list(shared) == SETTINGS
    for setting in SETTINGS:
        for name in ("loss", "distance_to_limit"):
            np.testing.assert_allclose(
                shared[setting][name], alone[setting][name], rtol=1e-6, atol=1e-9
            )
