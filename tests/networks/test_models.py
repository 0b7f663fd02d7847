"""Layers taken out of the models and parameters of other libraries."""

import re
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import LinearRegression, factors_from, product
from tests.strategies import seeds

RNG = np.random.default_rng(0)


def layers_of(*widths, rng=RNG):
    return [rng.standard_normal((b, a)) for a, b in pairwise(widths)]


class Tensor:
    """What torch has: nothing that NumPy reads before it is detached."""

    def __init__(self, array, done=()):
        self.array, self.done, self.shape = array, done, array.shape

    def detach(self):
        return Tensor(self.array, (*self.done, "detach"))

    def cpu(self):
        return Tensor(self.array, (*self.done, "cpu"))

    def double(self):
        return Tensor(self.array.astype(np.float64), (*self.done, "double"))

    def numpy(self):
        assert {"detach", "cpu", "double"} == set(self.done)
        return self.array


class Variable:
    """What jax and Keras have: something that NumPy reads."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype=dtype)


class Linear:
    """A layer of torch or equinox."""

    def __init__(self, W, bias=None):
        self.weight, self.bias = Tensor(W), bias


class Subclass(Linear):
    """A layer of a class that is derived from Linear."""


class Dense:
    """A layer of Keras."""

    def __init__(self, W, activation=None):
        self.kernel, self.bias, self.activation = Variable(W.T), None, activation


class Sequential:
    """Layers that are walked through, as torch has them."""

    def __init__(self, *layers):
        self.inside = layers

    def __iter__(self):
        return iter(self.inside)


class WithLayers:
    """Layers in an attribute, as equinox, flax.nnx and Keras have them."""

    def __init__(self, *layers):
        self.layers = layers


WithLayers.__name__ = "Sequential"


class Identity:
    """Does nothing."""


class Flatten:
    """Makes a vector of an image."""


class ReLU:
    """Is not linear."""


class Whole:
    """A model of a class of its own."""

    def __init__(self, *layers):
        self.first, self.second = layers


def dense_tree(layers):
    """Parameters as flax sorts them: Dense_10 before Dense_2."""
    names = {f"Dense_{j}": {"kernel": W.T} for j, W in enumerate(layers)}
    return {"params": dict(sorted(names.items()))}


FORMS = {
    "torch": lambda W: Sequential(*map(Linear, W)),
    "a class of one's own": lambda W: Sequential(*map(Subclass, W)),
    "nested": lambda W: Sequential(Flatten(), Sequential(*map(Linear, W[:-1])), Linear(W[-1])),
    "with identities": lambda W: Sequential(Identity(), *map(Linear, W), Identity()),
    "equinox": lambda W: WithLayers(*map(Linear, W)),
    "keras": lambda W: WithLayers(*map(Dense, W)),
    "a list of layers": lambda W: list(map(Linear, W)),
    "a list of all sorts": lambda W: [Linear(W[0]), *W[1:-1], Dense(W[-1])],
    "arrays": tuple,
    "tensors": lambda W: list(map(Tensor, W)),
    "nested lists": lambda W: [layer.tolist() for layer in W],
    "flax": dense_tree,
    "flat flax": lambda W: {("params", f"Dense_{j}", "kernel"): w.T for j, w in enumerate(W)},
    "state_dict": lambda W: OrderedDict(
        (f"net.{2 * j}.weight", Tensor(w)) for j, w in enumerate(W)
    ),
    "numbers as names": lambda W: {"layers": {j: {"kernel": w.T} for j, w in enumerate(W)}},
    "haiku": lambda W: {
        f"mlp/~/linear{f'_{j}' if j else ''}": {"w": w, "b": np.zeros(len(w))}
        for j, w in reversed(list(enumerate(W)))
    },
    "any names": lambda W: {f"W{j}": w for j, w in reversed(list(enumerate(W, start=1)))},
}


@pytest.mark.parametrize("form", FORMS)
@given(widths=st.lists(st.integers(1, 5), min_size=4, max_size=13), seed=seeds)
def test_the_layers_come_out_whatever_they_are_in(form, widths, seed):
    layers = layers_of(*widths, rng=np.random.default_rng(seed))
    found = factors_from(FORMS[form](layers))
    assert len(found) == len(layers)
    for got, W in zip(found, layers, strict=True):
        assert type(got) is np.ndarray
        assert got.dtype == np.float64
        assert got.flags.c_contiguous
        assert not np.shares_memory(got, W)
        np.testing.assert_array_equal(got, W)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
@pytest.mark.parametrize("kind", [Tensor, Variable, np.asarray])
def test_other_precisions_are_exact(dtype, kind):
    layers = [(10 * W).astype(dtype) for W in layers_of(3, 2, 4)]
    for got, W in zip(factors_from(list(map(kind, layers))), layers, strict=True):
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, W.astype(np.float64))


def test_a_stack_of_layers():
    stack = RNG.standard_normal((3, 2, 2))
    np.testing.assert_array_equal(factors_from(stack), stack)


W_1, W_2, W_3 = layers_of(3, 2, 5, 4)
BIAS = Tensor(np.array([0.0, -0.25]))


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        (
            Sequential(Linear(W_1), ReLU(), Sequential(Linear(W_2), ReLU()), Linear(W_3)),
            TypeError,
            r"1 \(ReLU\) is no linear layer; 2\.1 \(ReLU\) is no linear layer$",
        ),
        (Sequential(Linear(W_1, BIAS)), ValueError, r"0 \(Linear\) has a bias, up to 0\.25$"),
        (
            Sequential(Linear(W_1, BIAS), ReLU()),
            TypeError,
            r"1 \(ReLU\).*; 0 \(Linear\) has a bias",
        ),
        (Sequential(Linear(W_1), Flatten(), Linear(W_2)), TypeError, r"1 \(Flatten\) is not in fr"),
        (WithLayers(Dense(W_1, np.tanh)), TypeError, r"0 \(Dense\) has the activation tanh"),
        (Sequential(type("Dense", (), {})()), TypeError, "0 .Dense. holds no weights"),
        (Whole(Linear(W_1), Linear(W_2)), TypeError, r"got a Whole: what .* \[model\.first"),
        (3, TypeError, "got a int"),
        ("weights.npz", TypeError, "got a str"),
        (None, TypeError, "got a NoneType"),
        (W_1, TypeError, r"got one array \(2, 3\)"),
        ([], ValueError, "model must hold layers W_1, ..., W_N, got a list"),
        ({"params": {}}, ValueError, "got a dict"),
        ([W_1, W_3], ValueError, r"1, of shape \(4, 5\), does not take what 0, of shape \(2, 3\)"),
        ([W_1, W_3, W_2], ValueError, r"come in the order W_1"),
        ([W_2, W_1], ValueError, "they would in the opposite order"),
        ([W_1.T, W_2.T, W_3.T], ValueError, "or transposed, as kernels"),
        ([W_1, W_2 * 1j], TypeError, "the weight of 1 must be real"),
        ([W_1, W_2 * np.inf], ValueError, "the weight of 1 has 10 entries that are NaN or inf"),
        ([W_1, np.ones(2)], ValueError, "the weight of 1 must have 2 axes"),
        (
            {"encoder": {"kernel": W_1.T}, "decoder": {"kernel": W_2.T}},
            ValueError,
            "the names encoder, decoder do not tell which layer is the first",
        ),
        (
            {"net": {"Dense_0": {"kernel": W_1.T}, "MLP_0": {"kernel": W_2.T}}},
            ValueError,
            "the names Dense_0, MLP_0 in net do not tell",
        ),
        ({"w1": W_1, "w_1": W_2}, ValueError, "the names w1, w_1 do not tell"),
        (
            {"Dense_0": {"kernel": W_1.T, "bias": np.ones(2)}},
            ValueError,
            "Dense_0 has a bias, up to 1$",
        ),
        (
            {"Dense_0": {"kernel": W_1.T}, "Dense_1": {"kernel": W_2.T, "scale": np.ones(5)}},
            TypeError,
            r"Dense_1 \(kernel, scale\) is not linear",
        ),
        ({"Norm_0": {"scale": np.ones(3), "bias": np.ones(3)}}, TypeError, "is not linear"),
        ({"Conv_0": {"kernel": np.ones((3, 3, 1, 1))}}, TypeError, "is not linear"),
    ],
)
def test_what_is_refused(model, kind, words):
    with pytest.raises(kind, match=words):
        factors_from(model)


def test_every_fault_is_named():
    parts = [Linear(W_1, BIAS), ReLU(), Linear(W_2), type("GELU", (), {})()]
    with pytest.raises(TypeError) as raised:
        factors_from(Sequential(*parts))
    assert re.findall(r"(\d) \((\w+)\)", str(raised.value)) == [
        ("1", "ReLU"),
        ("3", "GELU"),
        ("0", "Linear"),
    ]


@pytest.mark.parametrize("bias", [Tensor(np.zeros(2)), np.zeros(2), None, False])
def test_a_bias_of_zero_passes(bias):
    np.testing.assert_array_equal(factors_from([Linear(W_1, bias)])[0], W_1)


def test_a_parameter_that_holds_none_is_no_bias():
    parameter = type("Param", (), {"value": None})()
    np.testing.assert_array_equal(factors_from([Linear(W_1, parameter)])[0], W_1)


def test_torch():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 2, bias=False),
        nn.Sequential(nn.Linear(2, 5, bias=False), nn.Identity(), nn.Linear(5, 4, bias=False)),
    )
    samples, targets = torch.randn(9, 2, 3), torch.randn(9, 4)
    X, Y = samples.reshape(9, 6).numpy().T, targets.numpy().T
    problem = LinearRegression(X.astype(np.float64), Y.astype(np.float64))
    for given_net in (net, net.double()):
        found = factors_from(given_net)
        dtype = given_net[1].weight.dtype
        loss = 0.5 * ((given_net(samples.to(dtype)) - targets.to(dtype)) ** 2).sum()
        rtol = 1e-4 if dtype is torch.float32 else 1e-12
        assert problem.network_loss(found) == pytest.approx(loss.item(), rel=rtol)
    for other in (net.state_dict(), list(net.parameters()), [net[1], net[2]]):
        for got, W in zip(factors_from(other), found, strict=True):
            np.testing.assert_array_equal(got, W)
    low = net.to(torch.bfloat16)
    expected = [parameter.detach().float().numpy() for parameter in low.parameters()]
    for got, W in zip(factors_from(low), expected, strict=True):
        np.testing.assert_array_equal(got, W)
    with pytest.raises(TypeError, match=r"1 \(ReLU\) is no linear layer; 2 \(Linear\) has a bias"):
        factors_from(nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 2)))
    with pytest.raises(TypeError, match="got a Transformer"):
        factors_from(nn.Transformer(4, 2, 1, 1, 4, batch_first=True))


def test_jax():
    jax = pytest.importorskip("jax")
    layers = layers_of(3, 2, 4)
    params = {f"Dense_{j}": {"kernel": jax.numpy.asarray(W.T)} for j, W in enumerate(layers)}
    found = factors_from({"params": params})
    np.testing.assert_allclose(product(found), product(layers), rtol=1e-5)
    low = [jax.numpy.asarray(W, dtype="bfloat16") for W in layers]
    for got, W in zip(factors_from(low), low, strict=True):
        np.testing.assert_array_equal(got, np.asarray(W).astype(np.float64))
