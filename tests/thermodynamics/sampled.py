"""What tests of Langevin dynamics share: laws by other ways than the sampler's."""

import numpy as np
from scipy import integrate

import fixedrank


def squared_radii(s, depth):
    """Return r^2 = N sum s^(2/N)."""
    return depth * (s ** (2 / depth)).sum(-1)


def matrices(points):
    return (points.u * points.s[..., None, :]) @ points.vt


def deviates(values, exact):
    """Return by how many standard errors the mean of independent values is off."""
    return (values.mean(0) - exact) / (values.std(0, ddof=1) / np.sqrt(len(values)))


def two_dimensional(b, temperature, decay, depth):
    """Return a problem of 2 x 1 matrices, and means of its law by quadrature.

    The loss is |W - b e_1|^2 / 2, the volume that of the cone: r dr dphi with r^2 = N s^(2/N). The
    means are those of the loss, of r^2 and of W_11.
    """
    problem = fixedrank.LinearRegression(np.eye(1), np.array([[b], [0.0]]))

    def loss(r, phi):
        s = (r / np.sqrt(depth)) ** depth
        return (s * s - 2 * b * s * np.cos(phi) + b * b) / 2

    def weight(phi, r):
        return r * np.exp(-(loss(r, phi) + decay * r * r / 2) / temperature)

    def integral(function):
        return integrate.dblquad(
            lambda phi, r: function(r, phi) * weight(phi, r), 0, 7, 0, 2 * np.pi, epsabs=1e-8
        )[0]

    total = integral(lambda r, phi: 1.0)
    quantities = (
        loss,
        lambda r, phi: r * r,
        lambda r, phi: (r / np.sqrt(depth)) ** depth * np.cos(phi),
    )
    return problem, np.array([integral(each) for each in quantities]) / total
