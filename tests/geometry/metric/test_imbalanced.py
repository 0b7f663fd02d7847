"""The metric of layers out of balance: its tables in many digits, and the layers themselves."""

import copy
import itertools
import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

import fixedrank
from fixedrank import DepthMetric, DepthOperator, FixedRank, ImbalancedMetric, SpectralMetric
from fixedrank.geometry.metric.choice import metric_of
from fixedrank.geometry.metric.depth import known_depth
from tests.geometry import dense
from tests.geometry.dense import EPS
from tests.geometry.metric.chain_tables import table_of
from tests.geometry.metric.precise_imbalance import inverse_of_product, offsets
from tests.geometry.metric.test_differences import divided_difference
from tests.geometry.own_metrics import TwoLayers
from tests.strategies import seeds, shapes, singular_values

PATTERNS = {
    "distinct": [1, 0.7, 0.2],
    "tied": [1, 1, 1],
    "1e-12 apart": [1, 1 + 1e-12, 1 - 1e-12],
    "spread and tied": [1e3, 1e-6, 1e-6],
}
# In units of s^(2/N): two layers to twenty, with layers of one size among the least or not.
IMBALANCES = [[1.0], [1, -0.5], [0, -1, 1.5], [0.3, -0.4] * 9 + [1.0]]
imbalances = st.lists(st.floats(-3, 3), min_size=1, max_size=4)


def worst_error(table, function, s):
    """The largest relative error of a table, of what fits into floating point."""
    worst = 0.0
    for index in itertools.combinations_with_replacement(range(s.size), table.ndim):
        expected = divided_difference(function, s[list(index)])
        if mpf("1e-290") < abs(expected) < mpf("1e290"):
            for place in set(itertools.permutations(index)):
                worst = max(worst, abs(float(mpf(float(table[place])) / expected - 1)))
    return worst


@pytest.mark.parametrize("shape", IMBALANCES, ids=["N = 2", "N = 3", "N = 4", "N = 20"])
@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_tables_in_many_digits(shape, name, size):
    """With differences at up to three points, of f and of (f - f_0) / x on both sides."""
    metric, s = ImbalancedMetric(size * np.array(shape)), np.array(PATTERNS[name])
    # A round-off of each factor, and of each product.
    bound = 40 * metric.layers * EPS
    with mpmath.workdps(240):
        y, of_layers = inverse_of_product(metric.imbalance), offsets(metric.imbalance)
        sides = [lambda x, mu=of_layers[end]: (y(x) + mu) / x for end in (-1, 0)]
        assert worst_error(1 / metric.tangential(s), y, s) < bound
        assert worst_error(metric.second(s), y, s) < bound
        assert worst_error(table_of(metric.chain(s), 3), y, s) < bound
        assert worst_error(table_of(metric.raised_chain(s), 3), lambda x: x * y(x), s) < bound
        for weights, first, chain, function in zip(
            metric.normal(s), metric.first(s), metric.normal_chains(s), sides, strict=True
        ):
            assert worst_error(1 / weights, function, s) < bound
            assert worst_error(first, function, s) < bound
            assert worst_error(table_of(chain, 3), function, s) < bound


@pytest.mark.parametrize("unit", [1e-150, 1e-60, 1e60, 1e150])
@pytest.mark.parametrize("shape", IMBALANCES[:3])
def test_tables_in_other_units(shape, unit):
    """Of the unit c: weights are c^(2 - 2/N) times those of lambda / c^(2/N)."""
    s, n = np.array([1.0, 0.7, 1e-3]) * unit, len(shape) + 1
    metric = ImbalancedMetric(np.array(shape) * unit ** (2 / n))
    with mpmath.workdps(240):
        y, of_layers = inverse_of_product(metric.imbalance), offsets(metric.imbalance)
        assert worst_error(1 / metric.tangential(s), y, s) < 1e-13
        for weights, end in zip(metric.normal(s), (-1, 0), strict=True):
            assert worst_error(1 / weights, lambda x, e=end: (y(x) + of_layers[e]) / x, s) < 1e-13
        radial = [y(mpf(value) ** 2) for value in s.tolist()]
        for found, value in zip(metric.radial_weights(s), radial, strict=True):
            expected = 1 / mpmath.fsum(1 / (value + mu) for mu in of_layers)
            assert found == pytest.approx(float(expected), rel=1e-13)


def in_unit(unit, imbalance):
    """What the geometry makes of the same matrices and layers in a unit, each in its own power."""
    n = len(imbalance) + 1
    manifold = FixedRank(5, 4, 2, depth=n, imbalance=np.array(imbalance) * unit ** (2 / n))
    rng = np.random.default_rng(0)
    G, H = rng.standard_normal((2, 5, 4))
    point = manifold.random_point(rng=0)
    Z, Y = (FixedRank(5, 4, 2, depth=1).random_tangent_vector(point, rng=i) / 9 for i in (1, 2))
    point, Z, Y = point._replace(s=point.s * unit), Z * unit, Y * unit
    end = manifold.exp(point, Z)
    powers = {
        "inner_product": (2 / n, manifold.inner_product(point, Z, Y)),
        "norm": (1 / n, manifold.norm(point, Z)),
        "christoffel": (1, manifold.christoffel(point, Z, Y)),
        "curvature": (-2 / n, manifold.sectional_curvature(point, Z, Y)),
        "exp": (1, end.s),
        "log": (1, manifold.log(point, end)),
        "dist": (1 / n, manifold.dist(point, end)),
        "transport": (1, manifold.parallel_transport(point, Z, Y)),
        "gradient": (2 - 2 / n, manifold.euclidean_to_riemannian_gradient(point, G)),
        "hessian": (2 - 2 / n, manifold.euclidean_to_riemannian_hessian(point, G, H, Z)),
        "operator": (2 - 2 / n, manifold.operator(point).eigenvalues()),
    }
    flat = {
        name: np.concatenate([np.ravel(part) for part in v]) if isinstance(v, tuple) else v
        for name, (_, v) in powers.items()
    }
    return {
        name: flat[name] * unit ** -(power / 2) * unit ** -(power / 2)
        for name, (power, _) in powers.items()
    }


@pytest.mark.parametrize("imbalance", [[-1.3], [1.0, -0.4]])
def test_geometry_in_any_unit(imbalance):
    expected = in_unit(1.0, imbalance)
    for unit in (1e-150, 1e-60, 1e60, 1e150):
        for name, found in in_unit(unit, imbalance).items():
            size = np.abs(expected[name]).max()
            error = np.abs(found - expected[name]).max()
            assert error <= 1e-9 * size, name


@pytest.mark.parametrize("shape", [*IMBALANCES[:3], [-1, 0.5, 0.5, 2]])
@pytest.mark.parametrize("name", ["distinct", "tied", "spread and tied"])
def test_third_differences_in_many_digits(shape, name):
    metric, rng = ImbalancedMetric(shape), np.random.default_rng(1)
    s = np.array(PATTERNS[name])
    k = 2 if name == "tied" else 3
    s = s[:k] / s[0]
    m, x, y = rng.standard_normal((3, k, k)) * np.sqrt(np.outer(s, s))
    x, y = x + x.T, y + y.T
    with mpmath.workdps(240):
        f = inverse_of_product(metric.imbalance)
        total = scale = mpf(0)
        for i, a, b, j in itertools.product(range(k), repeat=4):
            terms = (
                m[i, j] * x[i, a] * x[a, b] * m[b, j],
                m[i, j] * x[i, a] * m[a, b] * y[b, j],
                m[i, j] * m[i, a] * y[a, b] * y[b, j],
            )
            difference = divided_difference(f, s[[i, a, b, j]])
            total += difference * mpmath.fsum(map(float, terms))
            scale += abs(difference) * mpmath.fsum(map(float, map(abs, terms)))
    assert abs(metric.third(s)(m, x, y) - float(total)) <= 400 * EPS * float(scale)


@given(s=singular_values(3, 1e-3, 1e3), value=st.floats(-1e3, 1e3))
def test_two_layers_in_closed_form(s, value):
    found, expected = ImbalancedMetric([value]), TwoLayers(value)
    # There rho - |lambda| cancels.
    rho = np.hypot(value, 2 * s)
    atol = 4 * EPS * rho.max()
    np.testing.assert_allclose(found.tangential(s), expected.tangential(s), rtol=1e-13)
    np.testing.assert_allclose(found.second(s), expected.second(s), rtol=1e-13)
    np.testing.assert_allclose(found.normal(s), expected.normal(s), rtol=1e-13, atol=atol)
    np.testing.assert_allclose(found.squared_norms(s), rho, rtol=1e-13)


@pytest.mark.parametrize("layers", [2, 3, 7, 20])
def test_zero_is_the_metric_of_that_depth(layers):
    s = np.array([[2.0, 2.0, 0.3], [1.0, 1e-3, 1e-5]])
    found, expected = ImbalancedMetric([0] * (layers - 1)), DepthMetric(layers)
    for table in ("tangential", "normal", "second", "first", "radial_weights"):
        np.testing.assert_allclose(
            getattr(found, table)(s), getattr(expected, table)(s), rtol=1e-12
        )
    assert found.boundary_power == pytest.approx(expected.boundary_power, abs=1e-15)
    assert metric_of(layers, [0] * (layers - 1)) is expected
    assert metric_of(layers) is expected


@given(imbalance=imbalances, s=singular_values(3, 1e-3, 10))
def test_transposition_reverses_and_negates(imbalance, s):
    metric = ImbalancedMetric(imbalance)
    turned = ImbalancedMetric([-value for value in reversed(imbalance)])
    np.testing.assert_allclose(turned.tangential(s), metric.tangential(s), rtol=1e-12)
    np.testing.assert_allclose(turned.second(s), metric.second(s), rtol=1e-12)
    np.testing.assert_allclose(turned.normal(s)[::-1], metric.normal(s), rtol=1e-12)
    np.testing.assert_allclose(turned.first(s)[::-1], metric.first(s), rtol=1e-12)


@given(data=st.data(), shape=shapes(), imbalance=imbalances, seed=seeds)
def test_the_operator_of_the_layers(data, shape, imbalance, seed):
    """Sum of T_j T_j^T Z B^T B over layers that have this imbalance."""
    s = np.sort(data.draw(singular_values(shape[2], 0.1, 10)))[::-1]
    point = FixedRank(*shape, depth=1).random_point(rng=seed)._replace(s=s)
    factors = fixedrank.imbalanced_factors(point, imbalance, rng=seed)
    operator = DepthOperator(point, len(factors), imbalance=imbalance)
    Z = np.random.default_rng(seed).standard_normal(shape[:2])
    expected = dense.operator_of_layers(factors, Z)
    size = float(np.abs(expected).max())
    found = dense.tangent(point, operator.apply(Z))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * size)
    # In many sizes at once: what each term loses of the largest singular value.
    inverse = operator.solve(fixedrank.FixedRankTangentVector(*operator.apply(Z)))
    np.testing.assert_allclose(
        dense.tangent(point, inverse), dense.projection(dense.matrix(point), s.size, Z), atol=1e-9
    )


@pytest.mark.parametrize(
    ("shape", "imbalance"), [((4, 3, 2), [-0.8]), ((3, 4, 3), [1.0, -0.6]), ((3, 3, 2), [0, 0, 2])]
)
def test_layers_move_as_the_metric_says(shape, imbalance):
    """W' = -A_W(G), against the layers integrated for themselves, which keep every D_j."""
    m, n, k = shape
    rng = np.random.default_rng(0)
    manifold = FixedRank(m, n, k, depth=len(imbalance) + 1, imbalance=imbalance)
    point = manifold.random_point(rng=1)
    factors = fixedrank.imbalanced_factors(point, imbalance, rng=2)
    problem = fixedrank.LinearRegression(np.eye(n), rng.standard_normal((m, n)))
    times = np.linspace(0, 1, 4)
    metric = manifold.metric
    moving = fixedrank.riemannian_flow(problem, point, metric, times, rtol=1e-11, method="DOP853")
    layered = fixedrank.factored_flow(
        problem, factors, times, rtol=1e-11, method="DOP853", keep="layers"
    )
    for layers, where in zip(layered.factors, moving.points, strict=True):
        np.testing.assert_allclose(dense.matrix(where), fixedrank.product(layers), atol=1e-8)
        lambdas = fixedrank.imbalance(layers)
        for difference, value in zip(lambdas, imbalance, strict=True):
            np.testing.assert_allclose(difference, value * np.eye(k), atol=1e-8)
        squares = sum(float(np.vdot(layer, layer)) for layer in layers)
        assert metric.squared_norms(where.s).sum() == pytest.approx(squares, rel=1e-8)


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_two_layers_far_apart_are_lazy(value):
    """A(Z) / |lambda| tends to U U^T Z, W_2 frozen, or to Z V V^T."""
    point = FixedRank(4, 3, 2, depth=1).random_point(rng=0)
    Z = np.random.default_rng(1).standard_normal((4, 3))
    image = dense.tangent(point, DepthOperator(point, 2, imbalance=[value]).apply(Z)) / abs(value)
    u, _, vt = point
    expected = u @ u.T @ Z if value > 0 else Z @ vt.T @ vt
    np.testing.assert_allclose(image, expected, atol=1e-11)


def test_sums_without_a_table():
    """At ranks at which the second differences are not made."""
    metric, rng = ImbalancedMetric([1.0, -0.4]), np.random.default_rng(0)
    s = np.geomspace(3, 0.1, 14)
    a, b = rng.standard_normal((2, 14, 14))
    expected = np.einsum("ilj,il,lj->ij", metric.second(s), a, b)
    np.testing.assert_allclose(metric.chain(s)(a, b), expected, rtol=1e-11, atol=1e-12)
    stack = np.array([s, s[::-1]])
    twice = metric.chain(stack)(np.array([a, a]), np.array([b, b]))
    np.testing.assert_allclose(twice[0], expected, rtol=1e-11, atol=1e-12)


@given(imbalance=imbalances)
def test_what_is_read_off_the_tables_by_default(imbalance):
    metric, s = ImbalancedMetric(imbalance), np.array([2.0, 0.5, 0.5, 1e-3])
    for method in ("normal_rates", "radial_weights"):
        by_default = getattr(SpectralMetric, method)(metric, s)
        np.testing.assert_allclose(by_default, getattr(metric, method)(s), rtol=1e-11)


@pytest.mark.parametrize(
    ("imbalance", "power"),
    [([1.0], 1), ([-2.0], 1), ([1.0, -1.0], 0), ([0.0, 1.0], 0), ([0.0, 0.0, 1.0], -1 / 3)],
)
def test_the_boundary(imbalance, power):
    """By the least layers alone: s^2 is like x^m near zero."""
    metric = ImbalancedMetric(imbalance)
    assert metric.boundary_power == pytest.approx(power, abs=1e-15)
    assert SpectralMetric.boundary_power.fget(metric) == pytest.approx(power, abs=1e-5)


def test_nothing_at_zero_is_not_a_number():
    metric, s = ImbalancedMetric([1.0, -1.0]), np.array([1.0, 0.0])
    assert (metric.tangential(s)[1] >= 0).all()
    assert metric.normal(s)[0][1] == 0
    assert metric.squared_norms(s)[1] == 1
    assert metric.radial_weights(s)[1] == 0
    for imbalance in ([0.0], [2.0], [0.0, 0.0]):
        np.testing.assert_array_equal(ImbalancedMetric(imbalance).layer_squares(s)[:, 1].min(), 0)


def test_decay_shrinks_the_imbalance():
    metric = ImbalancedMetric([2.0, -4.0])
    assert metric.decayed(0.5) == ImbalancedMetric([1.0, -2.0])
    assert metric.decayed(0.0) is DepthMetric(3)
    assert metric.layers == 3
    assert metric.depth is None


def test_metrics_are_equal_by_their_numbers():
    metric = ImbalancedMetric([1.0, -0.5])
    for other in (
        ImbalancedMetric(np.array([1, -0.5])),
        pickle.loads(pickle.dumps(metric)),
        copy.deepcopy(metric),
        metric_of(3, (1.0, -0.5)),
    ):
        assert other == metric
        assert hash(other) == hash(metric)
    assert metric != ImbalancedMetric([1.0, 0.5])
    assert metric != DepthMetric(3)
    assert repr(metric) == "ImbalancedMetric([1.0, -0.5])"
    manifold = FixedRank(3, 2, 1, depth=3, imbalance=[1, -0.5])
    assert manifold.metric == metric
    assert manifold.depth is None
    assert repr(manifold) == "FixedRank(3, 2, 1, metric=ImbalancedMetric([1.0, -0.5]))"


@pytest.mark.parametrize("give", [True, False])
def test_a_saved_flow_knows_its_metric(tmp_path, give):
    metric = ImbalancedMetric([1.0])
    point = FixedRank(2, 2, 1, metric=metric).random_point(rng=0)
    problem = fixedrank.LinearRegression(np.eye(2), np.eye(2))
    flow = fixedrank.riemannian_flow(problem, point, metric, [0.0, 1.0])
    flow.save(tmp_path / "flow.npz")
    given = {"metric": ImbalancedMetric([1])} if give else {}
    loaded = fixedrank.RiemannianTrajectory.load(tmp_path / "flow.npz", **given)
    assert loaded.metric == metric
    with pytest.raises(ValueError, match=r"holds a flow of ImbalancedMetric\(\[1.0\]\), not of"):
        fixedrank.RiemannianTrajectory.load(tmp_path / "flow.npz", metric=ImbalancedMetric([2.0]))


@pytest.mark.parametrize(
    ("depth", "imbalance", "error", "message"),
    [
        (3, [1.0], ValueError, "one number for each layer and the next: 2 at depth 3, got 1"),
        (2.5, [1.0], ValueError, "of N layers, a whole number, got depth 2.5"),
        (2, [np.nan], ValueError, "imbalance"),
        (2, [np.inf], ValueError, "imbalance"),
        (2, ["a"], TypeError, "imbalance must be an array of real numbers"),
        (2, 1.0, ValueError, "imbalance"),
        (np.inf, [1.0], ValueError, "of N layers, a whole number, got depth inf"),
        (TwoLayers(1.0), [1.0], ValueError, "belongs to a depth N, not to the metric TwoLayers"),
    ],
)
def test_bad_input(depth, imbalance, error, message):
    with pytest.raises(error, match=message):
        metric_of(depth, imbalance)
    point = FixedRank(3, 2, 1, depth=1).random_point(rng=0)
    with pytest.raises(error, match=message):
        DepthOperator(point, depth, imbalance=imbalance)
    if not isinstance(depth, SpectralMetric):
        with pytest.raises(error, match=message):
            FixedRank(3, 2, 1, depth=depth, imbalance=imbalance)


def test_bad_imbalances():
    for size in (0, 1000):
        with pytest.raises(ValueError, match=f"of 2 to 1000 layers, got {size}"):
            ImbalancedMetric([1.0] * size)
    with pytest.raises(ValueError, match="belongs to a depth, but a metric is given"):
        FixedRank(3, 2, 1, metric=TwoLayers(1.0), imbalance=[1.0])
    with pytest.raises(TypeError, match="known for the metrics of depth N only, not for Imbal"):
        known_depth(ImbalancedMetric([1.0]), "a closed form")
