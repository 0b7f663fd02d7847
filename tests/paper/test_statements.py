"""What each of the nine figures must show, on smaller settings of the same kind."""

from dataclasses import replace

import numpy as np
import pytest

from fixedrank.paper import compute_all, paper_figures

T = 300.0
# In the place of (20, 2), (200, 20) and of (20, 1), (200, 10).
SMALLER = {(20, 2): (6, 2), (200, 20): (9, 2), (20, 1): (6, 1), (200, 10): (9, 2)}
SMALL = {(200, 20): (20, 2), (200, 10): (20, 1)}


def smaller(setting):
    """The setting with a small dimension; the depth and everything else stay.

    The larger dimension is taken at the smallest and the largest depth.
    """
    size = (setting.d, setting.rank)
    if setting.rounding == "nearest":
        d = {2: 4, 5: 5, 10: 5, 20: 6}[setting.d // setting.depth]
        size = (d, (d + 1) // 2)
    else:
        size = SMALLER[size if setting.depth in (2, 20) else SMALL.get(size, size)]
    return replace(setting, d=size[0], rank=size[1], end=T)


def settings(number):
    return list(dict.fromkeys(smaller(s) for s in paper_figures()[number].settings))


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")

    def computed(number):
        return list(compute_all(settings(number), 4, folder, workers=1).items())

    return computed


@pytest.mark.parametrize("number", [1, 2])
def test_supervised_flows_reach_the_critical_point(curves, number):
    for setting, found in curves(number):
        assert found.complete
        distance = found["distance_to_limit"]
        # Deep networks pass plateaus that may be longer than T; the last one is low.
        bound = 1e-6 if setting.depth <= 5 else 0.1
        assert distance[-1] <= bound * distance[0], setting.key


def test_which_is_the_true_matrix(curves):
    for setting, found in curves(3):
        assert found["distance_to_true"][-1] <= 0.1 * found["distance_to_true"][0], setting.key
        np.testing.assert_allclose(
            found["distance_to_true"], found["distance_to_limit"], rtol=1e-6, atol=1e-9
        )


def test_the_loss_goes_to_zero_and_never_rises(curves):
    for setting, found in curves(4):
        assert found["loss"][-1] <= 1e-3 * found["loss"][0], setting.key
        assert (np.diff(found["loss"]) <= 1e-6 * found["loss"][0]).all()


@pytest.mark.parametrize("number", [5, 7])
def test_autoencoders_reach_the_projection(curves, number):
    for setting, found in curves(number):
        distance = found["distance_to_limit"]
        assert distance[-1] <= 1e-2 * distance[0], setting.key


def test_the_reconstruction_error_reaches_its_limit(curves):
    for setting, found in curves(6):
        # sum_{i>r} sigma_i^2 from the singular values of X.
        tail = np.linalg.svd(setting.instance(4).X, compute_uv=False)[setting.rank :]
        assert found["reconstruction_error"][-1] == pytest.approx(np.linalg.norm(tail), rel=1e-5)
        assert found["reconstruction_error"][0] > 1.5 * found["reconstruction_error"][-1]


@pytest.mark.parametrize("number", [8, 9])
def test_the_distance_to_the_final_matrix_falls(curves, number):
    for setting, found in curves(number):
        distance = found["distance_to_final"]
        assert distance[-1] <= 1e-14
        late = distance[found.t >= 30]
        assert late[0] < distance[0], setting.key
        assert (np.diff(late) <= 1e-4 * distance[0]).all(), setting.key
        assert distance[found.t >= 200][0] <= 0.1 * distance[0], setting.key
