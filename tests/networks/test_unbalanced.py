"""The imbalance of layers, layers of a given one, and the kernel of any layers."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import fixedrank
from fixedrank import FixedRank, Imbalances, NetworkOperator, imbalance, imbalanced_factors
from fixedrank.networks import network_operator
from fixedrank.networks.initial import imbalanced_product_point
from tests.geometry import dense
from tests.strategies import points, seeds

imbalances = st.lists(st.floats(-5, 5), min_size=1, max_size=4)
widths = st.lists(st.integers(1, 4), min_size=2, max_size=5)


def gaussian(sizes, seed):
    return fixedrank.gaussian_factors(sizes, scale=1.0, rng=seed)


@given(point=points(low=1e-3, high=10), numbers=imbalances, seed=seeds)
def test_layers_of_an_imbalance(point, numbers, seed):
    """Each product and each difference by its definition."""
    layers = imbalanced_factors(point, numbers, rng=seed)
    W, k = dense.matrix(point), point[1].size
    size = max(np.linalg.norm(layer, 2) for layer in layers)
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    np.testing.assert_allclose(product, W, atol=1e-13 * size ** len(layers))
    for inner, outer, number in zip(layers, layers[1:], numbers, strict=False):
        expected = number * np.eye(k)
        difference = outer.T @ outer - inner @ inner.T
        np.testing.assert_allclose(difference, expected, atol=1e-13 * size**2)
    found = imbalance(layers).homogeneous
    np.testing.assert_allclose(found, numbers, atol=2e-10 * size**2)


@given(sizes=widths, seed=seeds)
def test_what_layers_have(sizes, seed):
    layers = gaussian(sizes, seed)
    found = imbalance(layers)
    assert isinstance(found, Imbalances)
    assert len(found) == len(layers) - 1
    defects = []
    for inner, outer, difference in zip(layers, layers[1:], found, strict=False):
        np.testing.assert_allclose(difference, outer.T @ outer - inner @ inner.T, atol=1e-13)
        eigenvalues = np.linalg.eigvalsh(difference)
        defects.append(np.linalg.norm(eigenvalues - eigenvalues.mean()))
    np.testing.assert_allclose(found.defects, defects, atol=1e-12)
    largest = max((np.linalg.norm(difference) for difference in found), default=0.0)
    assert fixedrank.balancedness(layers) == pytest.approx(largest, rel=1e-12)


def test_balanced_layers_have_none():
    point = FixedRank(4, 3, 2, depth=1).random_point(rng=0)
    layers = fixedrank.balanced_factors(point, [3, 2, 4, 4], rng=0)
    assert imbalance(layers).homogeneous == (0.0, 0.0)
    # In any unit.
    assert imbalance([layer * 1e70 for layer in layers]).homogeneous == (0.0, 0.0)
    assert imbalance([layer * 1e-70 for layer in layers]).homogeneous == (0.0, 0.0)
    assert imbalance(layers[:1]).homogeneous == ()


def test_a_layer_off_is_told():
    point = FixedRank(4, 3, 2, depth=1).random_point(rng=0)
    layers = imbalanced_factors(point, [1.0, -2.0], rng=0)
    layers[2] = layers[2] * [1.0, 1.01]
    found = imbalance(layers)
    assert found.homogeneous is None
    assert found.defects[0] < 1e-13
    assert found.defects[1] > 1e-3
    assert found[:1][0] is found[0]


@pytest.mark.parametrize("numbers", [[2.0], [-2.0], [1e-3, -1.0], [3.0, -4.0, 0.0], [0.0, 0.0]])
def test_products_keep_small_singular_values(numbers):
    """To the accuracy in which the smallest layer has them: s / s_max is 1e-20 here."""
    k = 4
    point = FixedRank(6, 5, k, depth=1).random_point(rng=0)
    # Squared singular values of the smallest layer from 1 to 1e-10.
    y = 10.0 ** -np.array([0, 3, 6, 10])
    mu = np.concatenate(([0.0], np.cumsum(numbers)))
    mu -= mu.min()
    s = np.sqrt(np.prod(y[:, None] + mu, axis=1))
    point = point._replace(s=s)
    layers = imbalanced_factors(point, numbers, rng=1)
    found = imbalanced_product_point(layers, numbers)
    np.testing.assert_allclose(found.s, s, rtol=1e-9)
    # Directions as well, up to signs of pairs.
    overlaps = np.sum(found.u * point.u, axis=0) * np.sum(found.vt * point.vt, axis=1)
    np.testing.assert_allclose(overlaps, 1, rtol=1e-7)


def dense_kernel(factors):
    m, n = factors[-1].shape[0], factors[0].shape[1]
    images = [
        dense.operator_of_layers(factors, unit.reshape(m, n)).ravel() for unit in np.eye(m * n)
    ]
    return np.array(images)


@given(sizes=widths, seed=seeds)
def test_the_kernel_by_its_definition(sizes, seed):
    factors = gaussian(sizes, seed)
    kernel = NetworkOperator(factors)
    m, n = kernel.shape
    expected = dense_kernel(factors)
    size = 1 + float(np.abs(expected).max())
    operator = kernel.aslinearoperator()
    np.testing.assert_allclose(operator @ np.eye(m * n), expected, atol=1e-13 * size)
    np.testing.assert_allclose(operator.H @ np.eye(m * n), expected, atol=1e-13 * size)
    values = np.linalg.eigvalsh(expected)
    np.testing.assert_allclose(kernel.eigenvalues(), values, atol=1e-12 * size)
    count = (m * n + 1) // 2
    np.testing.assert_allclose(kernel.eigenvalues(count), values[-count:], atol=1e-12 * size)


@given(sizes=st.lists(st.integers(1, 5), min_size=3, max_size=3), seed=seeds)
def test_two_layers_have_sums_of_eigenvalues(sizes, seed):
    first, second = gaussian(sizes, seed)
    sums = np.add.outer(np.linalg.eigvalsh(second @ second.T), np.linalg.eigvalsh(first.T @ first))
    found = NetworkOperator([first, second]).eigenvalues()
    np.testing.assert_allclose(found, np.sort(sums.ravel()), atol=1e-12 * (1 + sums.max()))


@given(point=points(low=0.1, high=10), depth=st.integers(1, 5), seed=seeds)
def test_balanced_layers_have_the_kernel_of_the_metric(point, depth, seed):
    m, n, k = point[0].shape[0], point[2].shape[1], point[1].size
    # One layer moves all of W, the metric of depth 1 what is tangent.
    if depth == 1 and k < min(m, n):
        return
    factors = fixedrank.balanced_factors(point, [n, *[k + 1] * (depth - 1), m], rng=seed)
    values = fixedrank.DepthOperator(point, depth).eigenvalues()
    found = NetworkOperator(factors).eigenvalues()
    size = values.max()
    np.testing.assert_allclose(found[-values.size :], values, atol=1e-12 * size)
    np.testing.assert_allclose(found[: -values.size], 0, atol=1e-12 * size)


def test_the_velocity_of_a_flow():
    """W' = -Theta(G), by differences along the layers' own flow."""
    target = np.random.default_rng(0).standard_normal((3, 3))
    factors = gaussian([3, 4, 2, 3], 1)
    problem = fixedrank.LinearRegression(np.eye(3), target)
    step = 1e-5
    flow = fixedrank.factored_flow(problem, factors, [0.0, step, 2 * step], rtol=1e-13)
    before, _, after = flow.product
    G = flow.product[1] - target
    expected = (after - before) / (2 * step)
    found = -NetworkOperator(flow.factors[1]).apply(G)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("D", "same"), [([1.0, -0.5], False), ([0.7, 0.7], True)])
def test_a_closed_equation_only_for_multiples_of_the_identity(D, same):
    """Layers [A V^T, U S A^(-1)] of one W and one D, found by SciPy: is their kernel the same?"""
    point = FixedRank(4, 3, 2, depth=1).random_point(rng=0)._replace(s=np.array([1.5, 0.8]))
    u, s, vt = point
    kernels = []
    for turn in (0.0, 0.9):
        q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

        def layers_of(b, q=q):
            root = scipy.linalg.sqrtm(np.array([[b[0], b[1]], [b[1], b[2]]])).real
            return [q @ root @ vt, (u * s) @ np.linalg.inv(q @ root)]

        def missed(b, layers_of=layers_of):
            return (imbalance(layers_of(b))[0] - np.diag(D))[np.triu_indices(2)]

        found = scipy.optimize.root(missed, [1.2, 0.0, 0.8], tol=1e-13)
        layers = layers_of(found.x)
        np.testing.assert_allclose(imbalance(layers)[0], np.diag(D), atol=1e-10)
        np.testing.assert_allclose(fixedrank.product(layers), dense.matrix(point), atol=1e-12)
        kernels.append(dense_kernel(layers))
    gap = np.abs(kernels[1] - kernels[0]).max()
    assert gap < 1e-9 if same else gap > 0.1


def test_kinds_of_matrices():
    import scipy.sparse
    from scipy.sparse.linalg import aslinearoperator

    kernel = NetworkOperator(gaussian([3, 2, 4], 0))
    left, right = np.arange(8.0).reshape(4, 2), np.ones((3, 2))
    expected = kernel.apply(left @ right.T)
    dense_matrix = left @ right.T
    for Z in ((left, right), scipy.sparse.csr_array(dense_matrix), aslinearoperator(dense_matrix)):
        np.testing.assert_allclose(kernel.apply(Z), expected, rtol=1e-13)
    assert NetworkOperator([np.eye(2)]).apply((np.eye(2), np.eye(2))).tolist() == [[1, 0], [0, 1]]
    assert repr(kernel) == "<NetworkOperator of 2 layers on 4 x 3 matrices>"


@pytest.mark.parametrize("balanced", [True, False])
def test_few_eigenvalues_of_a_large_kernel(balanced, monkeypatch):
    """Copies too: those of balanced layers come in pairs, or k(m - k) at a time."""
    point = FixedRank(20, 15, 6, depth=1).random_point(rng=0)
    point = point._replace(s=np.array([2.0, 2.0, 2.0, 1.0, 0.5, 0.5]))
    if balanced:
        factors = fixedrank.balanced_factors(point, [15, 10, 8, 20], rng=0)
    else:
        factors = gaussian([15, 10, 8, 20], 0)
    kernel = NetworkOperator(factors)
    expected = kernel.eigenvalues()
    monkeypatch.setattr(network_operator, "_DENSE", 10)
    for count in (1, 7, 30):
        found = kernel.eigenvalues(count)
        np.testing.assert_allclose(found, expected[-count:], rtol=1e-9)


def test_large_kernels_of_low_rank():
    # All of more eigenvalues than are not zero.
    first = np.zeros((50, 50))
    first[0, 0] = 1.0
    expected = np.r_[np.zeros(51), np.ones(98), 3.0]
    found = NetworkOperator([first] * 3).eigenvalues(150)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert NetworkOperator([np.zeros((50, 50))] * 3).eigenvalues(3).tolist() == [0.0] * 3


def test_bad_input():
    point = FixedRank(3, 2, 1, depth=1).random_point(rng=0)
    with pytest.raises(ValueError, match="of 2 to 1000 layers, got 0"):
        imbalanced_factors(point, [])
    with pytest.raises(TypeError, match="got a point"):
        imbalance(point)
    kernel = NetworkOperator([np.eye(2), np.eye(2)])
    with pytest.raises(ValueError, match="must have shape"):
        kernel.apply(np.eye(3))
    with pytest.raises(ValueError, match="count must be at most m n = 4, got 5"):
        kernel.eigenvalues(5)
    with pytest.raises(TypeError, match="count must be an integer"):
        kernel.eigenvalues(1.5)
    with pytest.raises(OverflowError, match="products of the layers are above the range"):
        NetworkOperator([1e200 * np.eye(2)] * 3)
