"""What comes into exp, log, dist, pair_mean and parallel_transport, and that all of them end."""

import numpy as np
import pytest

from fixedrank import FixedRank, RankLostError
from fixedrank.geometry.geodesics import exponential

AT = {
    "exp": lambda m, p, q, Z: m.exp(p, Z),
    "parallel_transport": lambda m, p, q, Z: m.parallel_transport(p, Z, Z),
}
BETWEEN = {
    "log": lambda m, p, q, Z: m.log(p, q),
    "dist": lambda m, p, q, Z: m.dist(p, q),
    "pair_mean": lambda m, p, q, Z: m.pair_mean(p, q),
    "log to": lambda m, p, q, Z: m.log(q, p),
    "dist to": lambda m, p, q, Z: m.dist(q, p),
    "pair_mean to": lambda m, p, q, Z: m.pair_mean(q, p),
}


@pytest.fixture(params=[1, 2])
def case(request):
    manifold = FixedRank(5, 4, request.param, depth=3)
    p, q = (manifold.random_point(rng=i) for i in range(2))
    return manifold, p, q, 0.1 * manifold.random_tangent_vector(p, rng=2)


@pytest.mark.parametrize("name", [*AT, *BETWEEN])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p._replace(s=0 * p.s), "must be positive, .* smallest is 0"),
        (lambda p: p._replace(s=-p.s), "must be positive, .* smallest is -"),
        (lambda p: p._replace(u=1.001 * p.u), "columns of u must be orthonormal, .* 2.001e-03"),
        (lambda p: p._replace(vt=2 * p.vt), "rows of vt must be orthonormal, .* 3.000e"),
        (lambda p: p._replace(u=np.nan * p.u), "u has .* NaN or infinite"),
        (lambda p: p._replace(s=np.inf * p.s), "s has .* NaN or infinite"),
        (lambda p: p._replace(vt=np.inf * p.vt), "vt has .* NaN or infinite"),
    ],
)
def test_points(case, name, change, message):
    manifold, p, q, Z = case
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
        (AT | BETWEEN)[name](manifold, change(p), q, Z)


@pytest.mark.parametrize("name", [*AT, *BETWEEN])
def test_one_singular_value_of_two_is_zero(name):
    manifold = FixedRank(5, 4, 2, depth=3)
    p, q = (manifold.random_point(rng=i) for i in range(2))
    Z = manifold.random_tangent_vector(p, rng=2)
    with pytest.raises(ValueError, match=r"must be positive, .* smallest is 0"):
        (AT | BETWEEN)[name](manifold, p._replace(s=np.array([1.0, 0.0])), q, Z)


@pytest.mark.parametrize("name", AT)
def test_vectors(case, name):
    manifold, p, q, Z = case
    call = AT[name]
    with pytest.raises(ValueError, match=r"not tangent: u\^T Up must be zero, .* to_tangent_space"):
        call(manifold, p, q, Z._replace(Up=Z.Up + 1e-6 * p.u))
    with pytest.raises(ValueError, match=r"not tangent: vt Vp must be zero, .* to_tangent_space"):
        call(manifold, p, q, Z._replace(Vp=p.vt.T.copy()))
    for entry in (np.nan, np.inf):
        bad = Z._replace(M=np.full_like(Z.M, entry))
        with pytest.raises(ValueError, match=r"M has .* NaN or infinite"):
            call(manifold, p, q, bad)
    with pytest.raises(ValueError, match="the tangent vector is not tangent"):
        manifold.parallel_transport(p, Z, Z._replace(Up=p.u))


def test_plain_tuples_and_round_off_are_taken(case):
    """Nelder-Mead hands plain tuples in."""
    manifold, p, _, Z = case
    p = p._replace(u=p.u * (1 + 1e-12))
    near = Z._replace(Up=Z.Up + 1e-14 * p.u)
    end = manifold.exp(tuple(p), tuple(near))
    assert manifold.dist(tuple(p), tuple(end)) == pytest.approx(manifold.norm(p, Z), rel=1e-6)
    assert same_size(manifold.log(tuple(p), tuple(end)), Z)


def same_size(a, b):
    return all(np.allclose(x, y, rtol=0, atol=1e-6) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 20])
@pytest.mark.parametrize("s", [(1.0, 1e-17), (1.0, 1e-300), (1e308, 1e-308), (5e-324, 5e-324)])
@pytest.mark.parametrize("length", [1e-300, 1.0, 1e300])
def test_whatever_comes_in_exp_ends(depth, s, length, monkeypatch):
    monkeypatch.setattr(exponential, "_EVALUATIONS", 200)
    manifold = FixedRank(4, 3, 2, depth=depth)
    point = manifold.random_point(rng=0)._replace(s=np.array(s))
    direction = np.random.default_rng(1).standard_normal((4, 3))
    Z = length * manifold.projection(point, direction)
    try:
        end = manifold.exp(point, Z)
    except (RankLostError, ArithmeticError):
        return
    assert np.isfinite(end.s).all()
    assert end.s.min() > 0


def test_the_number_of_evaluations_is_bounded(monkeypatch):
    manifold = FixedRank(5, 4, 2, depth=20)
    p = manifold.random_point(rng=0)._replace(s=np.array([1.0, 1e-4]))
    Z = manifold.random_tangent_vector(p, rng=1)
    monkeypatch.setattr(exponential, "_EVALUATIONS", 40)
    with pytest.raises(ArithmeticError, match=r"as far as t = 0\.\d+ of 1 within 40 evaluations"):
        manifold.exp(p, Z)


def test_singular_values_far_apart_take_few_evaluations(monkeypatch):
    """170 were counted, and 3900 with frames that do not turn with the singular vectors."""
    monkeypatch.setattr(exponential, "_EVALUATIONS", 500)
    manifold = FixedRank(5, 4, 2, depth=20)
    p = manifold.random_point(rng=0)._replace(s=np.array([1.0, 1e-4]))
    Z = manifold.random_tangent_vector(p, rng=1)
    end = manifold.exp(p, Z)
    # Back along the same geodesic.
    back = manifold.exp(end, -manifold.parallel_transport(p, Z, Z))
    np.testing.assert_allclose(back.s ** (1 / 20), p.s ** (1 / 20), rtol=1e-6)
