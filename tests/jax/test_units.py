"""All units of double precision, and single precision at its own tolerance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fixedrank.jax import (
    CorePoint,
    apply_operator,
    christoffel,
    from_fixedrank,
    retract,
    retract_orthographic,
    riemannian_field,
    solve_operator,
    tangential_weights,
    to_matrix,
)
from fixedrank.jax.core_functions import core_functions, solved_core
from fixedrank.jax.imbalance import layer_offsets
from fixedrank.jax.spectra import LayerSpectrum, power_spectrum
from tests.jax.adapter import distance
from tests.jax.cases import point_and_vectors, rotation
from tests.jax.reference import metric_of
from tests.jax.reference import weights as library_weights

UNITS = [1e-150, 1e-30, 1e30, 1e150]
SINGLE = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("depth", [1, 2, 2.5, 3])
def test_values_and_derivatives_of_a_core(depth):
    """A_S(M) is of degree 2 - 2/N in S, its derivative along a direction in its unit too."""
    rng = np.random.default_rng(0)
    core = rotation(3, 0) @ np.diag([2.0, 2.0, 0.3]) @ rotation(3, 1)
    m, direction = rng.standard_normal((2, 3, 3))
    spectrum, parameters = power_spectrum(depth)

    @jax.jit
    def both(S, D):
        return jax.jvp(lambda X: core_functions(spectrum, parameters, X, m), (S,), (D,))

    ones = both(core, direction)
    for unit in UNITS:
        others, factor = both(unit * core, unit * direction), unit ** (2 - 2 / depth)
        same_in_unit(ones, others, factor, unit)


def same_in_unit(ones, others, factor, unit):
    """Compare functions of a core and their derivatives, of which turns are of a degree less."""
    factors = (factor, factor, factor, factor / unit, factor / unit)
    for one, other in zip(ones, others, strict=True):
        for part, there, power in zip(one, other, factors, strict=True):
            np.testing.assert_allclose(there / power, part, atol=1e-11 * np.abs(part).max())


def test_imbalanced_layers():
    """Offsets are in units of s^(2/N)."""
    core = rotation(3, 0) @ np.diag([2.0, 2.0, 0.3]) @ rotation(3, 1)
    m = np.random.default_rng(0).standard_normal((3, 3))
    spectrum = LayerSpectrum(3)

    @jax.jit
    def both(S, offsets):
        return jax.jvp(lambda X: core_functions(spectrum, (offsets,), X, m), (S,), (S,))

    offsets = layer_offsets(jnp.array([0.5, -0.2]))
    ones = both(core, offsets)
    for unit in (1e-140, 1e140):
        others = both(unit * core, unit ** (2 / 3) * offsets)
        same_in_unit(ones, others, unit ** (4 / 3), unit)


@pytest.mark.parametrize("unit", UNITS)
def test_christoffel_and_retractions(unit):
    P, A, B = map(from_fixedrank, point_and_vectors((5, 4, 3), 2.5, "a pair"))
    there = P._replace(s=unit * P.s)
    a, b = (jax.tree.map(lambda part: unit * part, vector) for vector in (A, B))
    expected = christoffel(P, A, B, 2.5)
    scaled = jax.tree.map(lambda part: part / unit, christoffel(there, a, b, 2.5))
    assert distance(scaled, expected) < 1e-12
    for function in (retract, retract_orthographic):
        small = jax.tree.map(lambda part: part / 4, A)
        moved = to_matrix(function(there, jax.tree.map(lambda part: unit * part, small)))
        assert distance(moved / unit, to_matrix(function(P, small))) < 1e-13


def scaled(tree, unit):
    return jax.tree.map(lambda part: unit * part, tree)


@jax.jit
def derivatives(point, core, image, a, b, depth):
    """Return slopes along the values reversed, of what has units as W, and of the inverse."""
    spectrum, parameters = power_spectrum(depth)
    forms = [
        lambda s: christoffel(point._replace(s=s), a, b, depth),
        lambda s: to_matrix(retract(point._replace(s=s), a)),
        lambda s: to_matrix(retract_orthographic(point._replace(s=s), a)),
    ]
    slopes = [jax.jvp(form, (point.s,), (point.s[::-1],))[1] for form in forms]
    inverse = jax.jvp(lambda S: solved_core(spectrum, parameters, S, image), (core,), (core.T,))[1]
    return slopes, inverse


@pytest.mark.parametrize("depth", [1.0, 1.5, 3.0, 20.0, 1000.0])
def test_derivatives_of_a_traced_depth(depth):
    P, A, B = map(from_fixedrank, point_and_vectors((5, 4, 3), depth))
    A = scaled(A, 0.25)
    core = rotation(3, 0) @ np.diag([2.0, 2.0, 0.3]) @ rotation(3, 1)
    image = np.random.default_rng(0).standard_normal((3, 3))
    slopes, inverse = derivatives(P, core, image, A, B, depth)
    for unit in UNITS:
        there = P._replace(s=unit * P.s)
        factor = unit ** (2 - 2 / depth)
        moved, inverted = derivatives(
            there, unit * core, factor * image, scaled(A, unit), scaled(B, unit), depth
        )
        # Measured 2e-15, and 9e-14 of the powers of a unit.
        for part, other in zip(moved, slopes, strict=True):
            assert distance(scaled(part, 1 / unit), other) < 1e-13
        powers = 1.0, factor, factor
        for part, other, power in zip(inverted, inverse, powers, strict=True):
            assert distance(scaled(part, power), other) < 1e-12


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("depth", [1.5, 2, 3, 20])
def test_single_precision(depth, unit):
    """All in float32, beside float64 at the tolerance of float32."""
    point, a, b = point_and_vectors((5, 4, 3), depth, "a pair")
    P, A, B = map(from_fixedrank, (point._replace(s=unit * point.s), a, b))
    low = [jax.tree.map(lambda part: part.astype(jnp.float32), value) for value in (P, A, B)]
    s = np.asarray(P.s)
    np.testing.assert_allclose(
        tangential_weights(low[0].s, depth),
        library_weights(s, metric_of(depth))[0],
        # s^(2-2/N) by logarithms and powers.
        rtol=(12 + 2 * np.abs(np.log(s)).max()) * SINGLE,
    )
    close = 1000 * SINGLE
    for function in (apply_operator, solve_operator):
        result = function(*low[:2], depth)
        assert {part.dtype for part in result} == {jnp.dtype(jnp.float32)}
        assert distance(result, function(P, A, depth)) < close
    for number in (depth, jnp.float32(depth)):
        assert distance(christoffel(*low, number), christoffel(P, A, B, depth)) < close


def test_a_field_in_single_precision_has_derivatives_of_it():
    P = from_fixedrank(point_and_vectors((4, 4, 3), 2.5, "tied")[0])
    core = jnp.diag(P.s)
    target = jnp.arange(16.0).reshape(4, 4) / 8

    @jax.jit
    def both(u, core, v, depth):
        def velocity(S):
            field = riemannian_field(lambda W: jnp.sum((W - target.astype(W.dtype)) ** 2), depth)
            return field(0.0, CorePoint(u, S, v)).core

        return jax.jvp(velocity, (core,), (jnp.ones_like(core),))

    double = both(P.u, core, P.v, 2.5)
    single = both(*(part.astype(jnp.float32) for part in (P.u, core, P.v)), jnp.float32(2.5))
    assert {part.dtype for part in single} == {jnp.dtype(jnp.float32)}
    for part, other in zip(single, double, strict=True):
        assert distance(part, other) < 1000 * SINGLE
