"""What is wrong is told with the sizes and values in it, and what to do."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fixedrank.jax
from fixedrank.jax import (
    CorePoint,
    Point,
    Tangent,
    apply_operator,
    christoffel,
    core_point,
    factored_field,
    inner_product,
    normal_weights,
    project,
    retract,
    riemannian_field,
    riemannian_gradient,
    riemannian_sgd,
    solve_operator,
    tangential_weights,
    to_matrix,
    transport,
)


def point():
    return Point(jnp.eye(4, 2), jnp.array([2.0, 1.0]), jnp.eye(3, 2))


def vector():
    return Tangent(jnp.zeros((4, 2)), jnp.eye(2), jnp.zeros((3, 2)))


def loss(W):
    return jnp.sum(W**2)


DEPTHS = [
    (0.5, ValueError, "0.5"),
    (float("nan"), ValueError, "nan"),
    (float("inf"), ValueError, "finite.*DepthMetric"),
    (True, TypeError, "True"),
    ("2", TypeError, "'2'"),
    (jnp.float32(0.5), ValueError, "0.5"),
]


@pytest.mark.parametrize(("depth", "error", "words"), DEPTHS)
def test_depths(depth, error, words):
    calls = [
        lambda: tangential_weights(jnp.ones(2), depth),
        lambda: normal_weights(jnp.ones(2), depth),
        lambda: apply_operator(point(), vector(), depth),
        lambda: apply_operator(core_point(point()), vector(), depth),
        lambda: solve_operator(point(), vector(), depth),
        lambda: inner_product(point(), vector(), vector(), depth),
        lambda: christoffel(point(), vector(), vector(), depth),
        lambda: riemannian_gradient(loss, depth),
        lambda: riemannian_field(loss, depth),
    ]
    for call in calls:
        with pytest.raises(error, match=words):
            call()


def test_a_traced_depth_is_a_number():
    with pytest.raises(TypeError, match=r"shape \(2,\).*vmap"):
        jax.jit(lambda depth: tangential_weights(jnp.ones(2), depth))(jnp.ones(2))


def test_points_and_vectors():
    good, short = point(), Tangent(jnp.zeros((4, 2)), jnp.eye(2), jnp.zeros((4, 2)))
    wide = Point(jnp.eye(2, 3), jnp.ones(3), jnp.eye(4, 3))
    for call in (
        lambda p, z: apply_operator(p, z, 2),
        lambda p, z: solve_operator(p, z, 2),
        lambda p, z: inner_product(p, vector() if p is good else z, z, 2),
        lambda p, z: christoffel(p, z, z, 2),
        retract,
        to_matrix,
        lambda p, z: transport(p, p, z),
    ):
        with pytest.raises(TypeError, match=r"from_fixedrank"):
            call((good.u, good.s, good.v.T), vector())
        with pytest.raises(TypeError, match=r"expected a Tangent.*got tuple"):
            call(good, tuple(vector()))
        with pytest.raises(ValueError, match=r"\(4, 2\), \(2, 2\) and \(3, 2\), got .*\(4, 2\)$"):
            call(good, short)
        with pytest.raises(ValueError, match=r"1 <= k <= min\(m, n\), got \(2, 3\)"):
            call(wide, vector())
    with pytest.raises(TypeError, match=r"takes a Point"):
        christoffel(core_point(good), vector(), vector(), 2)
    other = Point(jnp.eye(5, 2), good.s, good.v)
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(5, 2\)"):
        transport(good, other, vector())


def test_matrices_and_singular_values():
    with pytest.raises(ValueError, match=r"\(4, 3\), got \(3, 4\)"):
        project(point(), np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"\(4, r\) and \(3, r\), got \(4, 2\) and \(3, 1\)"):
        project(point(), (np.ones((4, 2)), np.ones((3, 1))))
    with pytest.raises(ValueError, match=r"tuple of 3"):
        project(point(), (np.eye(4), np.eye(4), np.eye(4)))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        tangential_weights(jnp.ones((2, 2)), 2)


@pytest.mark.parametrize("of", [riemannian_gradient, riemannian_field])
def test_losses(of):
    with pytest.raises(TypeError, match=r"function of W, or of L and R, got int"):
        of(3, 2)
    with pytest.raises(TypeError, match=r"got 3 that have no default in \(a, b, c\)"):
        of(lambda a, b, c: 0.0, 2)
    with pytest.raises(TypeError, match=r"one positional parameter"):
        of(lambda W, *, scale: 0.0, 2)
    with pytest.raises(TypeError, match=r"losses of the library"):
        of(fixedrank.LinearRegression(np.eye(3), np.eye(3)), 2)
    # Parameters with defaults do not count, nor do wrappers.
    gradient = riemannian_gradient(jax.jit(lambda W, scale=2.0: scale * jnp.sum(W)), 2)
    assert gradient(point()).m.shape == (2, 2)


def test_fields():
    with pytest.raises(ValueError, match=r"weight_decay.*-1"):
        riemannian_field(loss, 2, weight_decay=-1)
    with pytest.raises(ValueError, match=r"weight_decay.*nan"):
        factored_field(loss, weight_decay=float("nan"))
    with pytest.raises(ValueError, match=r"shape \(1,\) and depth 3"):
        riemannian_field(loss, 3, imbalance=[1.0])
    with pytest.raises(ValueError, match=r"depth 2.5"):
        riemannian_field(loss, 2.5, imbalance=[1.0])
    with pytest.raises(ValueError, match=r"traced depth"):
        jax.jit(lambda depth: riemannian_field(loss, depth, imbalance=[1.0]) and 0)(2.0)
    with pytest.raises(TypeError, match=r"CorePoint, got Point; core_point"):
        riemannian_field(loss, 2)(0.0, point())
    with pytest.raises(TypeError, match=r"list or tuple of layers.*got ArrayImpl"):
        factored_field(loss)(0.0, jnp.eye(2))
    with pytest.raises(TypeError, match=r"got CorePoint"):
        factored_field(loss)(0.0, core_point(point()))
    with pytest.raises(ValueError, match=r"\[\(2, 3\), \(4, 5\)\]; map stacks"):
        factored_field(loss)(0.0, [jnp.ones((2, 3)), jnp.ones((4, 5))])
    with pytest.raises(ValueError, match=r"\(2, 3, 4\)"):
        riemannian_field(loss, 2)(0.0, CorePoint(jnp.ones((2, 3, 4)), jnp.eye(2), jnp.eye(2)))


@pytest.mark.parametrize(("imbalance", "words"), [([float("nan")], "nan"), ([float("inf")], "inf")])
def test_an_imbalance_is_finite(imbalance, words):
    with pytest.raises(ValueError, match=rf"imbalance.*{words}"):
        riemannian_field(loss, 2, imbalance=imbalance)


@pytest.mark.parametrize("of", [["a"], [1j]])
def test_an_imbalance_is_real(of):
    with pytest.raises(TypeError, match=r"imbalance"):
        riemannian_field(loss, 2, imbalance=of)


@pytest.mark.parametrize("decay", ["a", None, [1.0, 2.0]])
def test_a_decay_is_a_number(decay):
    with pytest.raises((TypeError, ValueError), match="weight_decay"):
        riemannian_field(loss, 2, weight_decay=decay)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0, "a", jnp.ones(2)])
def test_a_learning_rate_is_a_number(rate):
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        riemannian_sgd(2, rate)


def test_singular_values_are_real():
    with pytest.raises(TypeError, match="complex"):
        tangential_weights(jnp.array([4.0, 1j]), 2)


def test_names():
    with pytest.raises(AttributeError, match=r"has no attribute 'Pint'"):
        fixedrank.jax.Pint  # noqa: B018
    assert set(dir(fixedrank.jax)) == set(fixedrank.jax.__all__)
    for name in fixedrank.jax.__all__:
        assert getattr(fixedrank.jax, name).__doc__


WITHOUT = """
import sys
import warnings

warnings.simplefilter("error")
for name in {missing!r}:
    sys.modules[name] = None
import fixedrank

assert "fixedrank.jax" not in sys.modules
for name in {wanted!r}:
    try:
        getattr(__import__("fixedrank.jax").jax, name)
    except ModuleNotFoundError as error:
        print(name, error)
"""


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [(["jax"], ["Point"]), (["diffrax", "optax"], ["ROCK4", "integrate", "riemannian_sgd"])],
)
def test_without_its_packages_the_extra_is_named(missing, wanted):
    code = WITHOUT.format(missing=missing, wanted=wanted)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, line in zip(wanted, done.stdout.splitlines(), strict=True):
        assert line.startswith(name)
        assert "pip install 'fixedrank[jax]'" in line
        assert any(f"needs {package}" in line for package in missing)
