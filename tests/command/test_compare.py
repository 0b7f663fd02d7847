"""``fixedrank compare`` in this process: the table, the verdict, the picture and the numbers."""

import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import logsumexp

from fixedrank.command import main

pytest.importorskip("matplotlib")

QUICK = ["--points", "6", "--time", "2"]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def compare(tmp_path, capsys):
    """Run the command, and return its output and the numbers that it leaves."""

    def run(*arguments, code=0):
        folder = tmp_path / "out" / "here"
        assert main(["compare", *map(str, arguments), "--out", str(folder)]) == code
        shown = capsys.readouterr()
        assert not shown.err
        assert {path.name for path in folder.iterdir()} == {"compare.png", "compare.npz"}
        picture = (folder / "compare.png").read_bytes()
        assert picture.startswith(PNG)
        assert len(picture) > 10_000
        assert str(folder) in shown.out
        with np.load(folder / "compare.npz", allow_pickle=False) as numbers:
            return shown.out, dict(numbers)

    return run


def table(text):
    """The rows of the printed table: lines of six numbers."""
    rows = [line.split() for line in text.splitlines()]
    return np.array([row for row in rows if len(row) == 6 and row[0][0].isdigit()], dtype=float)


def check(text, numbers, points, end):
    t = numbers["t"]
    np.testing.assert_allclose(t, np.linspace(0, end, points), rtol=1e-15)
    for name in ("loss_layers", "loss_riemannian", "gap", "balancedness", "distance_to_limit"):
        assert numbers[name].shape == (points,)
    assert (np.diff(numbers["loss_layers"]) <= 0).all()
    # Near a perfect fit losses are squares of what the tolerances leave over.
    small = 1e-12 * numbers["loss_layers"][0]
    np.testing.assert_allclose(
        numbers["loss_layers"], numbers["loss_riemannian"], rtol=1e-6, atol=small
    )
    np.testing.assert_allclose(
        numbers["singular_values_layers"], numbers["singular_values_riemannian"], atol=1e-6
    )
    norms = np.linalg.norm(numbers["singular_values_riemannian"], axis=1)
    assert (numbers["gap"] <= 1e-6 * norms).all()

    heading = next(line for line in text.splitlines() if "loss, layers" in line)
    for column in ("t", "loss, Riemannian", "gap", "imbalance", "|W - limit|"):
        assert column in heading
    rows = table(text)
    index = [int(np.abs(t - time).argmin()) for time in rows[:, 0]]
    assert index[0] == 0
    assert index[-1] == points - 1
    for column, name in (
        (1, "loss_layers"),
        (2, "loss_riemannian"),
        (4, "balancedness"),
        (5, "distance_to_limit"),
    ):
        np.testing.assert_allclose(rows[:, column], numbers[name][index], rtol=0.06, atol=1e-300)
    np.testing.assert_allclose(rows[:, 3], (numbers["gap"] / norms)[index], rtol=0.06, atol=1e-300)
    assert "The two flows are one: largest gap" in text


def test_digits(compare):
    pytest.importorskip("sklearn")
    text, numbers = compare(*QUICK)
    check(text, numbers, 6, 2)
    assert "1797 images of 64 pixels" in text
    assert "restricted to the range of X, 61 of 64" in text
    assert numbers["singular_values_layers"].shape == (6, 10)
    # An autoencoder's limit is the projection to the leading eigenvectors.
    limit = numbers["limit"]
    assert limit.shape == (64, 61)
    np.testing.assert_allclose(np.linalg.svd(limit)[1][:10], 1, rtol=1e-8)
    np.testing.assert_allclose(numbers["singular_values_layers"][0], 0.01, rtol=1e-8)


def test_gaussian(compare):
    text, numbers = compare("--data", "gaussian", "--time", 20, "--points", 5)
    check(text, numbers, 5, 20)
    assert "60 samples in dimension 20" in text
    assert numbers["singular_values_layers"].shape == (5, 2)
    np.testing.assert_allclose(numbers["singular_values_layers"][0], 1, rtol=1e-12)
    assert "[20, 2, 7, 11, 16, 20]" in text


def test_gaussian_options(compare):
    text, numbers = compare(
        "--data", "gaussian", "--dim", 8, "--rank", 3, "--depth", 2, "--scale", 0.5, *QUICK
    )
    check(text, numbers, 6, 2)
    assert "[8, 3, 8]" in text
    np.testing.assert_allclose(numbers["singular_values_layers"][0], [0.5] * 3, rtol=1e-12)


def test_seeds(compare):
    arguments = ["--data", "gaussian", "--dim", 6, *QUICK]
    first, again, other = (compare(*arguments, "--seed", s)[1]["loss_layers"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def own_data(seed=0, d_x=5, d_y=3, samples=20):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((d_x, samples)) / 4, rng.standard_normal((d_y, samples)) / 4


def best(X, Y, k):
    """The best W of rank k, from the singular value decomposition of the best predictions."""
    predictions = Y @ np.linalg.pinv(X) @ X
    u = np.linalg.svd(predictions)[0][:, :k]
    return u @ u.T @ Y @ np.linalg.pinv(X)


@pytest.mark.parametrize("ending", ["npy", "csv"])
@pytest.mark.parametrize("rows", [False, True])
def test_own_files(compare, tmp_path, ending, rows):
    X, Y = own_data()
    names = []
    for name, array in (("x", X), ("y", Y)):
        path = tmp_path / f"{name}.{ending}"
        array = array.T if rows else array
        if ending == "npy":
            np.save(path, array)
        else:
            np.savetxt(path, array, delimiter=",")
        names += [f"--{name}", path]
    extra = ["--samples-in-rows"] if rows else []
    text, numbers = compare(*names, *extra, "--rank", 2, "--time", 3, "--points", 4)
    check(text, numbers, 4, 3)
    assert "20 samples, 5 to 3 dimensions" in text
    np.testing.assert_allclose(numbers["limit"], best(X, Y, 2), rtol=0, atol=1e-10)
    np.testing.assert_array_less(
        0.5 * np.linalg.norm(numbers["limit"] @ X - Y) ** 2, numbers["loss_layers"]
    )


def test_an_autoencoder_of_own_data(compare, tmp_path):
    X, _ = own_data(1)
    np.save(tmp_path / "x.npy", X)
    text, numbers = compare("--x", tmp_path / "x.npy", "--rank", 2, *QUICK)
    check(text, numbers, 6, 2)
    u = np.linalg.svd(X)[0][:, :2]
    np.testing.assert_allclose(numbers["limit"], u @ u.T, rtol=0, atol=1e-10)


def test_integers_and_one_column_of_csv(compare, tmp_path):
    (tmp_path / "x.csv").write_text("1,0,2,1\n")
    arguments = ("--x", tmp_path / "x.csv", "--depth", 2, "--scale", 0.5)
    text, numbers = compare(*arguments, "--points", 6, "--time", 1)
    check(text, numbers, 6, 1)
    assert "4 samples, 1 to 1 dimensions" in text
    # x x^T = 6, so that w' = 12 w (1 - w).
    w = 1 / (1 + np.exp(-12 * numbers["t"]))
    np.testing.assert_allclose(numbers["loss_layers"], 3 * (1 - w) ** 2, rtol=0, atol=1e-7)


def test_rk4_with_a_step(compare):
    text, numbers = compare(
        "--data", "gaussian", "--method", "RK4", "--step", 0.002, "--points", 4, "--time", 1
    )
    check(text, numbers, 4, 1)
    assert "RK4" in text
    assert re.search(r"layers: \d+ evaluations in \d+ steps", text)


def test_too_coarse_a_step_is_exit_code_1(compare):
    # RK4 at a step of 0.4 is stable and inaccurate: the flows differ, and the code says so.
    text, numbers = compare(
        *("--data", "gaussian", "--dim", 6, "--depth", 2, "--method", "RK4", "--step", 0.4),
        *("--rtol", 1e-12, *QUICK),
        code=1,
    )
    norms = np.linalg.norm(numbers["singular_values_riemannian"], axis=1)
    assert (numbers["gap"] / norms).max() > 1e-10
    assert "The two flows differ" in text


@pytest.mark.parametrize("unit", [1e-13, 1e9])
def test_units_of_own_data(compare, tmp_path, unit):
    # Of magnetic fields in tesla; the time to the limit is told in the unit of 1 / (X X^T).
    X, Y = own_data()
    np.save(tmp_path / "x.npy", unit * X)
    np.save(tmp_path / "y.npy", unit * Y)
    files = ["--x", tmp_path / "x.npy", "--y", tmp_path / "y.npy", "--rank", 2, "--points", 6]
    text, numbers = compare(*files)
    assert "The two flows are one" in text
    assert (numbers["gap"] <= 1e-6 * np.linalg.norm(numbers["limit"])).all()
    np.testing.assert_allclose(numbers["limit"], best(X, Y, 2), rtol=0, atol=1e-9)


def test_times_without_end(compare, tmp_path):
    X, Y = own_data()
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    files = ["--x", tmp_path / "x.npy", "--y", tmp_path / "y.npy", "--rank", 2, "--depth", 2]
    text, numbers = compare(*files, "--time", "1e300", "--points", 3)
    assert text.count("stationary from t = ") == 2
    assert "The two flows are one" in text
    assert numbers["distance_to_limit"][-1] <= 1e-10 * np.linalg.norm(numbers["limit"])


def test_weight_decay(compare, tmp_path):
    # w' = 3 w^(4/3) (1 - w) - 3 * 0.2 w at depth 3 with one number in and one out.
    np.save(tmp_path / "x.npy", np.ones((1, 1)))
    arguments = ("--x", tmp_path / "x.npy", "--weight-decay", 0.2, "--points", 4, "--time", 3)
    text, numbers = compare(*arguments)
    assert "weight decay 0.2" in text
    assert "The two flows are one" in text
    assert "limit" not in numbers
    exact = solve_ivp(
        lambda t, w: 3 * w ** (4 / 3) * (1 - w) - 0.6 * w,
        (0, 3),
        [1.0],
        t_eval=numbers["t"],
        rtol=1e-11,
        atol=1e-13,
    )
    for flow in ("layers", "riemannian"):
        np.testing.assert_allclose(numbers[f"singular_values_{flow}"][:, 0], exact.y[0], rtol=1e-6)
    np.testing.assert_allclose(numbers["effective_rank"], 1, rtol=1e-12)
    assert len(table(text)) == 4


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_imbalance(compare, tmp_path, decay):
    X, Y = own_data()
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    files = ["--x", tmp_path / "x.npy", "--y", tmp_path / "y.npy", "--rank", 2]
    text, numbers = compare(*files, "--imbalance=-0.5,0.2", "--weight-decay", decay, *QUICK)
    assert "3 layers of widths [5, 2, 2, 3]" in text
    assert "The two flows are one" in text
    np.testing.assert_allclose(numbers["singular_values_layers"][0], 1, rtol=1e-10)
    # The largest difference is that of -0.5 I, and decays as exp(-2 lambda t).
    expected = 0.5 * np.sqrt(2) * np.exp(-2 * decay * numbers["t"])
    np.testing.assert_allclose(numbers["balancedness"], expected, rtol=1e-6)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("signs", [False, True])
def test_classes(compare, tmp_path, column, signs):
    # Fewer samples than dimensions.
    rng = np.random.default_rng(3)
    X, labels = (
        rng.standard_normal((9, 6)),
        np.array([0, 1, 1, 0, 1, 0] if signs else [*range(3)] * 2),
    )
    np.savetxt(tmp_path / "x.csv", X, delimiter=",")
    given = 2 * labels - 1 if signs else labels
    np.savetxt(tmp_path / "y.csv", given[:, None] if column else given[None], "%d", delimiter=",")
    files = ["--x", tmp_path / "x.csv", "--y", tmp_path / "y.csv", "--loss", "softmax"]
    text, numbers = compare(*files, "--rank", 1, "--depth", 2, "--time", 5, "--points", 6)
    assert f"6 samples of {2 if signs else 3} classes in dimension 9" in text
    assert "The two flows are one" in text
    assert (np.diff(numbers["loss_layers"]) < 0).all()
    np.testing.assert_allclose(numbers["loss_layers"], numbers["loss_riemannian"], rtol=1e-6)
    assert numbers["margin"][-1] > numbers["margin"][0]
    # From a margin alone the loss of the worst sample follows, and with it bounds of all.
    worst = logsumexp([0, -numbers["margin"][-1]])
    assert worst <= numbers["loss_layers"][-1] <= 6 * logsumexp([0, *[-numbers["margin"][-1]] * 2])


def test_classes_of_digits(compare):
    pytest.importorskip("sklearn")
    text, numbers = compare("--loss", "softmax", "--rank", 3, "--depth", 2, *QUICK)
    assert "ten classes of digits: 1797 images of 64 pixels" in text
    assert "[64, 3, 10]" in text
    # At W = 0 each of ten classes is as likely.
    np.testing.assert_allclose(numbers["loss_layers"][0], 1797 * np.log(10), rtol=1e-2)
