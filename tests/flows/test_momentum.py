"""The heavy ball of layers is that of the manifold if the start is aligned, and not else."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank import FixedRank, LinearRegression, balanced_factors, product
from tests.geometry.dense import orthonormal

END, FRICTION = 0.8, 1.5
OPTIONS = {"method": "DOP853", "rtol": 1e-9, "atol": 1e-11}


def ball_of_layers(target, layers):
    count, d = len(layers), len(target)

    def velocity(_, state):
        W, V = state.reshape(2, count, d, d)
        G = np.linalg.multi_dot([*W[::-1], np.eye(d)]) - target
        force = []
        for j in range(count):
            part = G
            for later in W[:j:-1]:
                part = later.T @ part
            for earlier in W[:j]:
                part = part @ earlier.T
            force.append(part)
        return np.concatenate((V.ravel(), (-FRICTION * V - np.array(force)).ravel()))

    start = np.concatenate((np.ravel(layers), np.zeros(count * d * d)))
    state = solve_ivp(velocity, (0, END), start, **OPTIONS).y[:, -1]
    return list(state.reshape(2, count, d, d)[0])


def ball_of_the_manifold(problem, W, depth):
    d = len(W)
    manifold = FixedRank(d, d, d, depth=depth)

    def velocity(_, state):
        W, V = state.reshape(2, d, d)
        point = manifold.point(W)
        Z = manifold.projection(point, V)
        pull = manifold.euclidean_to_riemannian_gradient(point, problem.gradient(W))
        force = manifold.tangent_to_matrix(point, manifold.christoffel(point, Z, Z) + pull)
        return np.concatenate((V.ravel(), (-FRICTION * V - force).ravel()))

    start = np.concatenate((W.ravel(), np.zeros(d * d)))
    return solve_ivp(velocity, (0, END), start, **OPTIONS).y[: d * d, -1].reshape(d, d)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("aligned", [True, False])
def test_two_heavy_balls(depth, aligned):
    rng = np.random.default_rng(0)
    U, V = orthonormal(rng, 2, 2), orthonormal(rng, 2, 2)
    target, s = (U * [3.0, 1.0]) @ V.T, np.array([1.2, 0.8])
    start = (U, s, V.T) if aligned else (orthonormal(rng, 2, 2), s, orthonormal(rng, 2, 2).T)
    layers = balanced_factors(start, [2] * (depth + 1), rng=1)
    ball = ball_of_layers(target, layers)
    W = ball_of_the_manifold(LinearRegression(np.eye(2), target), product(layers), depth)
    gap = np.linalg.norm(product(ball) - W)
    imbalance = np.linalg.norm(ball[1].T @ ball[1] - ball[0] @ ball[0].T)
    moved = np.linalg.norm(W - product(layers))
    assert moved > 0.5
    if aligned:
        assert gap < 1e-6
        assert imbalance < 1e-8
    else:
        assert gap > 0.02
        assert imbalance > 0.02
