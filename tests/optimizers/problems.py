"""Problems for the optimisers, small, with gradients of every kind."""

import autograd.numpy as anp
import numpy as np
import pymanopt

from fixedrank import FixedRank, Loss

TARGET = np.random.default_rng(0).standard_normal((8, 6))


def slow(rows=60, columns=50):
    """A matrix with singular values that fall slowly."""
    rng = np.random.default_rng(1)
    left = np.linalg.qr(rng.standard_normal((rows, columns)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    return (left / np.arange(1, columns + 1) ** 0.5) @ right.T


class Entrywise(Loss):
    """The sum over the entries of a function of W - A, with its derivative and the second one."""

    def __init__(self, A, value, first, second, weights=1.0):
        self.shape, self.A, self.weights = A.shape, A, weights
        self.value, self.first, self.second = value, first, second

    def misfit(self, W):
        return (W[0] * W[1]) @ W[2] - self.A

    def loss(self, W):
        return float((self.weights * self.value(self.misfit(W))).sum())

    def gradient(self, W):
        return self.weights * self.first(self.misfit(W))

    def hessian_product(self, W, Z):
        return self.weights * self.second(self.misfit(W)) * (Z[0] @ Z[1].T)


def squared(A, weights=1.0):
    return Entrywise(A, lambda E: E**2 / 2, lambda E: E, np.ones_like, weights)


def huber(A, delta):
    def root(E):
        return np.sqrt(1 + (E / delta) ** 2)

    return Entrywise(
        A, lambda E: delta**2 * (root(E) - 1), lambda E: E / root(E), lambda E: root(E) ** -3
    )


def by_hand(manifold, target=TARGET):
    """Half the squared distance with the Riemannian gradient A(P_T(W - target)), written out."""

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return np.sum(((u * s) @ vt - target) ** 2) / 2

    @pymanopt.function.numpy(manifold)
    def gradient(u, s, vt):
        residual, p = (u * s) @ vt - target, s ** (2 / manifold.depth)
        powers = np.arange(manifold.depth)
        c = sum(np.outer(p ** (manifold.depth - 1 - l), p**l) for l in powers)
        core = u.T @ residual @ vt.T
        normal = s ** (2 - 2 / manifold.depth)
        up, vp = residual @ vt.T - u @ core, residual.T @ u - vt.T @ core.T
        return up * normal, c * core, vp * normal

    return pymanopt.Problem(manifold, cost, riemannian_gradient=gradient)


def automatic(manifold, target=TARGET):
    @pymanopt.function.autograd(manifold)
    def cost(u, s, vt):
        return anp.sum(((u * s) @ vt - target) ** 2) / 2

    return pymanopt.Problem(manifold, cost)


def start(depth=1, shape=(8, 6), k=2, seed=1):
    return FixedRank(*shape, k, depth=depth).random_point(rng=seed)
