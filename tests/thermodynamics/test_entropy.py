"""The entropy: Gram determinants of layers, lengths and areas of fibres, derivatives in digits."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank, FixedRankPoint, log_fibre_volume
from fixedrank.thermodynamics.entropy import EntropySlopes, entropy_drift, log_slopes, log_volume
from tests.strategies import frames, points, seeds, shapes, singular_values, well_conditioned_points
from tests.thermodynamics.layers import layers_of, log_volume_by_lifts


@st.composite
def widths_for(draw, shape, depths=(1, 2, 3, 20), wider=4):
    m, n, k = shape
    depth = draw(st.sampled_from(depths))
    hidden = [draw(st.integers(k, k + wider)) for _ in range(min(depth - 1, 3))]
    return [n, *(hidden[j % len(hidden)] for j in range(depth - 1)), m]


@given(data=st.data(), shape=shapes(largest=3))
def test_gram_determinant_of_lifts(data, shape):
    point = data.draw(well_conditioned_points(shape))
    widths = data.draw(widths_for(shape, depths=(2, 3, 4), wider=2))
    found = log_fibre_volume(point, widths)
    # Differences with steps of 1e-5 are right to 1e-9 or so.
    assert found == pytest.approx(log_volume_by_lifts(point, widths), abs=1e-7)


@pytest.mark.parametrize("s", [[2.0, 2.0], [2.0, 2.0 - 1e-12], [1.0, 1e-3], [0.5]])
@pytest.mark.parametrize("widths", [[2, 2, 3], [2, 3, 2, 3], [2, 4, 5, 2, 3]])
def test_ties_and_others(s, widths):
    u, _, vt = FixedRank(3, 2, len(s), depth=1).random_point(rng=0)
    point = FixedRankPoint(u, np.array(s), vt)
    expected = log_volume_by_lifts(point, widths)
    assert log_fibre_volume(point, widths) == pytest.approx(expected, abs=1e-7)


def rotation(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def flat(layers):
    return np.concatenate([layer.ravel() for layer in layers])


@pytest.mark.parametrize("s", [(2.0, 0.5), (1.5, 1.5)])
def test_length_of_two_circles(s):
    """Two layers of width 2 = k: rotations and reflections, as a polygon."""
    angles, length = np.linspace(0, 2 * math.pi, 2001), 0.0
    for mirror in (np.eye(2), np.diag([1.0, -1.0])):
        places = [flat(layers_of(s, [np.eye(2), rotation(a) @ mirror, np.eye(2)])) for a in angles]
        length += np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    point = FixedRankPoint(np.eye(2), np.array(s), np.eye(2))
    # A polygon is too short by a sixth of half the squared angle, 4e-7.
    assert math.exp(log_fibre_volume(point, [2, 2, 2])) == pytest.approx(length, rel=1e-6)


def test_area_of_a_torus():
    """Three layers of width 2 and rank 1: two angles, and the area of small parallelograms."""
    s, count = (3.0,), 12
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    one, step = np.ones((1, 1)), 1e-6

    def place(a, b):
        return flat(layers_of(s, [one, rotation(a)[:, :1], rotation(b)[:, :1], one]))

    area = 0.0
    for a in angles:
        for b in angles:
            first = (place(a + step, b) - place(a - step, b)) / (2 * step)
            second = (place(a, b + step) - place(a, b - step)) / (2 * step)
            gram = np.array([[first @ first, first @ second], [first @ second, second @ second]])
            area += math.sqrt(np.linalg.det(gram)) * (2 * math.pi / count) ** 2
    point = FixedRankPoint(one, np.array(s), one)
    assert math.exp(log_fibre_volume(point, [1, 2, 2, 1])) == pytest.approx(area, rel=1e-8)


def test_one_layer_has_a_point_for_a_fibre():
    manifold = FixedRank(4, 3, 2, depth=1)
    point = manifold.random_point(rng=0)
    assert log_fibre_volume(point, [3, 4]) == 0
    assert not log_slopes(point.s, [3, 4]).any()
    assert not EntropySlopes(point.s, [3, 4], -1).divided.any()


def slopes_in_digits(s, widths):
    """dS/d(ln s_a), with the derivatives of c_ab = sum_l p_a^(N-1-l) p_b^l term by term."""
    depth, k = len(widths) - 1, len(s)
    p = [value ** (mpmath.mpf(2) / depth) for value in s]
    result = [mpmath.mpf(sum(d - k for d in widths[1:-1])) / depth for _ in s]
    for a, b in itertools.permutations(range(k), 2):
        terms = [p[a] ** (depth - 1 - l) * p[b] ** l for l in range(depth)]
        slope = sum((depth - 1 - l) * term for l, term in enumerate(terms)) / sum(terms)
        result[a] += slope / depth
    return result


def volume_in_digits(s, widths):
    """S, up to what does not depend on s."""
    depth, k = len(widths) - 1, len(s)
    p = [value ** (mpmath.mpf(2) / depth) for value in s]
    total = sum(d - k for d in widths[1:-1]) * sum(mpmath.log(2 * value) for value in p) / 2
    for a, b in itertools.combinations(range(k), 2):
        total += mpmath.log(sum(p[a] ** (depth - 1 - l) * p[b] ** l for l in range(depth))) / 2
    return total


def exact(s):
    return [mpmath.mpf(float(value)) for value in s]


SPECTRA = [
    [3.0, 1.0, 0.5],
    [2.0, 2.0, 1e-3],
    [1.0, 1 + 1e-12, 1 - 1e-9],
    [2.0, 1.9, 1.95],
    [1e150, 1.0, 1e-150],
    [3e150, 2e150, 2e150],
    [3e-150, 2e-150, 1e-150],
]
WIDTHS = [[3, 3, 4], [3, 4, 4], [3, 3, 3, 3], [3, 4, 6, 3], [3] * 20 + [5], [3] * 100]
EVERY_SPECTRUM = pytest.mark.parametrize("s", SPECTRA, ids=str)
EVERY_WIDTH = pytest.mark.parametrize(
    "widths", WIDTHS, ids=lambda widths: f"{len(widths) - 1} layers of up to {max(widths)}"
)


@EVERY_SPECTRUM
@EVERY_WIDTH
def test_slopes_in_many_digits(s, widths):
    """Small ones too are right in all of their digits; and they are the derivatives of S."""
    s = np.array(s)
    with mpmath.workdps(50):
        slopes = slopes_in_digits(exact(s), widths)
        h = mpmath.mpf(10) ** -15
        for a, slope in enumerate(slopes):
            ends = [[*exact(s[:a]), exact(s)[a] * (1 + t), *exact(s[a + 1 :])] for t in (h, -h)]
            change = (volume_in_digits(ends[0], widths) - volume_in_digits(ends[1], widths)) / 2 / h
            assert abs(change - slope) < 1e-25
        between = volume_in_digits(exact(s), widths) - volume_in_digits(exact(np.ones(3)), widths)
        slopes, between = [float(slope) for slope in slopes], float(between)
    np.testing.assert_allclose(log_slopes(s, widths), slopes, rtol=2e-12)
    found = log_volume(s, widths) - log_volume(np.ones(3), widths)
    assert found == pytest.approx(between, rel=1e-12, abs=1e-12)


@EVERY_SPECTRUM
@pytest.mark.parametrize("widths", WIDTHS[:-1], ids=lambda widths: f"{widths[:4]}")
@pytest.mark.parametrize("of_depth", [False, True])
def test_second_derivatives_in_many_digits(s, widths, of_depth):
    """Of w_a = s_a^power dS/d(ln s_a): divided differences, and the change along ln s_b."""
    s, depth = np.array(s), len(widths) - 1
    slopes = EntropySlopes(s, widths, 1 - 2 / depth if of_depth else -1)
    # So many digits hold what 1e-150 is beside 1e150, and steps of 1e-30 on top.
    with mpmath.workdps(400):
        power = 1 - mpmath.mpf(2) / depth if of_depth else mpmath.mpf(-1)

        def values(at):
            return np.array(
                [
                    x**power * slope
                    for x, slope in zip(at, slopes_in_digits(at, widths), strict=True)
                ]
            )

        h = mpmath.mpf(10) ** -30
        rates = []
        for b in range(3):
            ends = [[*exact(s[:b]), exact(s)[b] * (1 + t), *exact(s[b + 1 :])] for t in (h, -h)]
            rates.append((values(ends[0]) - values(ends[1])) / (2 * h))
        at = exact(s)
        w, divided = values(at), np.zeros((3, 3))
        for a, b in itertools.permutations(range(3), 2):
            if at[a] == at[b]:
                # Where s_a and s_b part, w_a and w_b do so at this rate.
                divided[a, b] = float((rates[a][a] - rates[b][a]) / at[a])
            else:
                divided[a, b] = float((w[a] - w[b]) / (at[a] - at[b]))
        rates = np.array(rates).astype(float)
    found = slopes.divided.copy()
    np.fill_diagonal(found, 0)
    w = w.astype(float)
    np.testing.assert_allclose(slopes.values, w, rtol=1e-11)
    # What is far apart may have nearly equal w: only there they are subtracted.
    far = np.divide.outer(s, s) > 2
    sums, gaps = np.add.outer(w, w), np.where(far, np.subtract.outer(s, s), math.inf)
    lost = 1e-13 * sums / gaps
    assert (np.abs(found - divided) <= 1e-10 * np.abs(divided) + lost + lost.T).all()
    size = np.abs(rates).max(axis=0)
    for b in range(3):
        change = slopes.along(s * np.eye(3)[b])
        assert (np.abs(change - rates[b]) <= 1e-11 * size).all()


@given(seeds, st.sampled_from([2, 3, 5, 20]))
def test_the_drift_is_made_of_derivatives_with_respect_to_p(seed, depth):
    """2 s dS/dp, dS/dp = 1/2 sum_b h_(N-2)(p_a, p_a, p_b) / c_ab + e / (2 p_a)."""
    rng = np.random.default_rng(seed)
    s = np.exp(rng.uniform(-1, 1, 4))
    widths = [6, *(rng.integers(4, 8, depth - 1).tolist()), 5]
    p, extra = s ** (2 / depth), sum(d - 4 for d in widths[1:-1])
    expected = extra / (2 * p)
    for a in range(4):
        for b in set(range(4)) - {a}:
            c = sum(p[a] ** (depth - 1 - l) * p[b] ** l for l in range(depth))
            # d c / d p_a, term by term.
            terms = (
                (depth - 1 - l) * p[a] ** (depth - 2 - l) * p[b] ** l for l in range(depth - 1)
            )
            expected[a] += sum(terms) / c / 2
    np.testing.assert_allclose(entropy_drift(s, widths), 2 * s * expected, rtol=1e-12)


@given(data=st.data(), shape=shapes(), unit=st.sampled_from([1e-150, 1e-3, 1e150]))
def test_the_volume_scales_with_its_dimension(data, shape, unit):
    """Layers scale by c^(1/N), and the fibre has sum_j (d_j k - k (k+1) / 2) dimensions."""
    point, widths = data.draw(points(shape)), data.draw(widths_for(shape, (1, 2, 3, 20, 1000)))
    k, depth = shape[2], len(widths) - 1
    dim = sum(d * k - k * (k + 1) / 2 for d in widths[1:-1])
    expected = log_fibre_volume(point, widths) + dim / depth * math.log(unit)
    found = log_fibre_volume(point._replace(s=unit * point.s), widths)
    size = 1 + abs(expected) + dim * (1 + abs(math.log(unit)) + np.abs(np.log(point.s)).max())
    assert abs(found - expected) <= 1e-12 * size
    slopes = log_slopes(point.s, widths)
    np.testing.assert_allclose(slopes, log_slopes(unit * point.s, widths), rtol=1e-9, atol=1e-12)
    assert slopes.sum() == pytest.approx(dim / depth, rel=1e-12, abs=1e-12)


@given(data=st.data(), shape=shapes())
def test_transposition_and_turns(data, shape):
    m, n, _ = shape
    u, s, vt = point = data.draw(points(shape))
    widths = data.draw(widths_for(shape))
    left, right = data.draw(frames(m, m)), data.draw(frames(n, n))
    found = log_fibre_volume((right @ vt.T, s, u.T @ left), widths[::-1])
    assert found == pytest.approx(log_fibre_volume(point, widths), rel=1e-12, abs=1e-12)


@given(data=st.data(), k=st.integers(1, 5))
def test_of_many_at_once(data, k):
    s = np.array([data.draw(singular_values(k)) for _ in range(3)])
    widths = [k + 1, k, k + 2, k]
    for function in (log_volume, log_slopes, entropy_drift):
        expected = [function(values, widths) for values in s]
        np.testing.assert_allclose(function(s, widths), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("widths", "kind", "message"),
    [
        ([3], ValueError, r"widths must be \[d_0, .* got \[3\]"),
        ([4, 5, 4], ValueError, r"run from d_0 = 3 to d_N = 4 for a 4x3 matrix, got \[4, 5, 4\]"),
        ([3, 1, 4], ValueError, r"widths \[3, 1, 4\] do not admit a matrix of rank 2: .*, 1, is"),
        ([3, 2.5, 4], TypeError, r"widths\[1\] must be an integer, got 2\.5"),
        ([3, 0, 4], ValueError, r"widths\[1\] must be at least 1, got 0"),
    ],
)
def test_bad_widths(widths, kind, message):
    with pytest.raises(kind, match=message):
        log_fibre_volume(FixedRank(4, 3, 2, depth=2).random_point(rng=0), widths)


def test_what_is_no_point():
    with pytest.raises(TypeError, match=r"a point is a tuple \(u, s, vt\)"):
        log_fibre_volume(np.eye(3), [3, 3])
    with pytest.raises(ValueError, match="singular values must be positive"):
        log_fibre_volume((np.eye(2), np.array([1.0, 0.0]), np.eye(2)), [2, 2, 2])
