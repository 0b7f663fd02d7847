"""The law of the dynamics: of radii and frames without a loss, of all with one, by quadrature."""

import numpy as np
import pytest
from scipy import stats

import fixedrank
from fixedrank.thermodynamics.sphere import turned
from tests.thermodynamics.sampled import deviates, matrices, squared_radii, two_dimensional

SETTINGS = [
    (3, 2, 1, 3),
    (2, 3, 2, 2),
    (2, 4, 2, 20),
    (3, 3, 2, 1),
    (3, 3, 3, 2.5),
    (1, 1, 1, 1.5),
]


def decayed(m, n, k, depth, decay=0.8):
    return fixedrank.SchattenDecay(decay, depth), fixedrank.FixedRank(m, n, k, depth=depth)


@pytest.mark.parametrize(("m", "n", "k", "depth"), SETTINGS)
def test_radii_are_those_of_a_matrix_of_ornstein_uhlenbeck_processes(m, n, k, depth):
    """At steps of the size of the time scale, and from radii of which two are equal."""
    decay, manifold = decayed(m, n, k, depth)
    temperature, t, count = 0.7, 1.5, 4000
    r = np.array([1.3, 1.3, 0.2])[:k]
    start = manifold.point(np.eye(m, n) * np.append((r / depth**0.5) ** depth, np.zeros(n))[:n])
    run = fixedrank.langevin(
        decay, start, depth, [0, t], temperature=temperature, copies=count, rng=1, step=0.5
    )
    kept = np.exp(-0.8 * t)
    rng = np.random.default_rng(2)
    noise = np.sqrt(temperature / 0.8 * (1 - kept**2)) * rng.standard_normal((count, k, m + n - k))
    exact = np.linalg.svd(kept * np.eye(k, m + n - k) * r[:, None] + noise, compute_uv=False)
    radii = depth**0.5 * run.singular_values[-1] ** (1 / depth)
    for a, b in zip(radii.T, exact.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4


@pytest.mark.parametrize(("m", "n", "k", "depth"), SETTINGS)
def test_exact_samples_of_the_law_stay_such(m, n, k, depth):
    decay, manifold = decayed(m, n, k, depth)
    start = manifold.random_gibbs(0.8 / 0.7, size=4000, rng=0)
    run = fixedrank.langevin(decay, start, depth, [0, 1], temperature=0.7, rng=1, step=0.5)
    other = manifold.random_gibbs(0.8 / 0.7, size=4000, rng=2)
    W, V = matrices(run.last), matrices(other)
    for index in ((0, 0), (m - 1, n - 1)):
        assert stats.ks_2samp(W[:, *index], V[:, *index]).pvalue > 1e-4
    assert stats.ks_2samp(W.sum((1, 2)), V.sum((1, 2))).pvalue > 1e-4


def test_radii_with_the_entropy_of_rank_one_layers():
    """At k = 1 their dimension is m + n - 1 + sum (d_j - 1): r^2 lambda / T is chi-squared."""
    widths, depth = [2, 4, 3, 3], 3
    start = fixedrank.FixedRank(3, 2, 1, depth=depth).random_point(rng=0)
    run = fixedrank.langevin(
        fixedrank.SchattenDecay(0.8, depth),
        start,
        depth,
        [0, 20],
        temperature=0.7,
        widths=widths,
        copies=4000,
        rng=1,
        step=2,
    )
    dimension = 3 + 2 - 1 + 3 + 2
    radii = squared_radii(run.last.s, depth) * 0.8 / 0.7
    assert stats.kstest(radii, stats.chi2(dimension).cdf).pvalue > 1e-4


def test_radii_with_the_entropy_of_two_layers():
    """At N = k = 2 the density has sqrt(s_1 + s_2) beside it: by samples without, and weights."""
    temperature, decay = 0.7, 0.8
    manifold = fixedrank.FixedRank(3, 2, 2, depth=2)
    # Of a matrix of more columns: the width 3 adds one to the dimension of each radius.
    rng = np.random.default_rng(0)
    wide = np.sqrt(temperature / decay) * rng.standard_normal((100_000, 2, 4))
    r = np.linalg.svd(wide, compute_uv=False)
    weights = np.sqrt((r**2).sum(1))
    exact = (weights[:, None] * r).mean(0) / weights.mean()
    start = manifold.random_gibbs(decay / temperature, size=3000, rng=1)
    how = {"temperature": temperature, "weight_decay": decay, "widths": [2, 3, 3], "rng": 2}
    zero = fixedrank.SchattenDecay(0, 2)
    run = fixedrank.langevin(zero, start, 2, [0, 3], step=0.1, **how)
    radii = np.sqrt(2 * run.last.s)
    assert (np.abs(deviates(radii, exact)) < 5).all()
    # Without the factor this would be seen.
    assert (np.abs(deviates(radii, r.mean(0))) > 6).any()


@pytest.mark.parametrize(
    "start", [np.eye(4, 2), np.array([[2.0, 0.2], [0, 0.8], [0.3, 0], [0, 0]])]
)
def test_at_depth_one_all_is_gaussian(start):
    """W is an Ornstein-Uhlenbeck process in all matrices; the first start has a tie."""
    temperature, decay, t = 0.7, 0.8, 0.4
    run = fixedrank.langevin(
        fixedrank.SchattenDecay(decay, 1),
        fixedrank.FixedRank(4, 2, 2, depth=1).point(3 * start),
        1,
        [0, t],
        temperature=temperature,
        copies=8000,
        rng=3,
        step=0.1,
    )
    kept = np.exp(-decay * t)
    deviation = np.sqrt(temperature / decay * (1 - kept**2))
    noise = (matrices(run.last) - kept * 3 * start).reshape(8000, -1) / deviation
    assert np.abs(noise.mean(0)).max() < 5 / np.sqrt(8000)
    covariance = noise.T @ noise / 8000
    # Beside chance (0.016 on the diagonal) the bias of steps of 0.1.
    assert np.abs(covariance - np.eye(8)).max() < 5 * 0.016 + 0.02


@pytest.mark.parametrize("depth", [1.5, 3, 20])
def test_the_noise_of_a_short_step(depth):
    """Its covariance is 2 T h A, for the operator as a matrix."""
    manifold = fixedrank.FixedRank(3, 2, 2, depth=depth)
    point = manifold.point([[1.1, 0.2], [0.1, 0.9], [0.0, 0.3]])
    h, count = 1e-5, 20_000
    zero = fixedrank.SchattenDecay(0, depth)
    run = fixedrank.langevin(zero, point, depth, [0, h], temperature=0.5, copies=count, rng=0)
    moved = (matrices(run.last) - manifold.to_matrix(point)).reshape(count, -1) / np.sqrt(h)
    operator = manifold.operator(point)
    exact = np.array(
        [
            manifold.tangent_to_matrix(
                point, operator.apply(manifold.projection(point, row.reshape(3, 2)))
            ).ravel()
            for row in np.eye(6)
        ]
    )
    # In orthonormal directions of A, where each variance has the relative error sqrt(2 / count).
    values, vectors = np.linalg.eigh(exact)
    along = moved @ vectors / np.sqrt(values)
    assert np.abs(along.T @ along / count - np.eye(6)).max() < 5 * np.sqrt(2 / count)


def test_averages_of_a_loss_have_an_error_of_first_order():
    temperature, decay, depth = 0.5, 0.6, 3
    problem, exact = two_dimensional(1.2, temperature, decay, depth)
    start = fixedrank.FixedRank(2, 1, 1, depth=depth).random_gibbs(
        decay / temperature, size=2000, rng=0
    )
    errors, chances = [], []
    for step in (0.2, 0.1):
        times = np.r_[0, np.arange(2, 12, 0.4)]
        how = {"temperature": temperature, "weight_decay": decay, "rng": 1, "step": step}
        run = fixedrank.langevin(problem, start, depth, times, **how)
        values = (run.loss, squared_radii(run.points.s, depth), matrices(run.points)[..., 0, 0])
        # The copies are independent, so that their means over time are.
        means = np.array([each[1:].mean(0) for each in values])
        errors.append(means.mean(1) - exact)
        chances.append(means.std(1) / np.sqrt(1000))
    (coarse, fine), (of_coarse, of_fine) = errors, chances
    # What is left of twice the finer error is of second order: a fifth of it, with the bias itself
    # far above chance for the loss and for W.
    chance = np.sqrt(of_coarse**2 + 4 * of_fine**2)
    assert (np.abs(coarse) > 5 * of_coarse)[[0, 2]].all()
    assert (np.abs(coarse - 2 * fine) < 0.3 * np.abs(coarse) + 4 * chance).all()


def test_two_values_by_importance_sampling():
    """k = 2 and N = 3 with frames and data: weights on exact samples without the loss."""
    temperature, decay, depth = 0.5, 1.0, 3
    problem = fixedrank.LinearRegression(np.eye(2), [[1.0, 0.2], [0.1, 0.5], [0.0, 0.3]])
    manifold = fixedrank.FixedRank(3, 2, 2, depth=depth)

    def quantities(points, losses):
        return np.array([losses, squared_radii(points.s, depth), points.s[..., 1] ** (1 / depth)])

    free = manifold.random_gibbs(decay / temperature, size=50_000, rng=0)
    losses = problem._losses(free)
    weights = np.exp(-losses / temperature)
    exact = (quantities(free, losses) * weights).mean(1) / weights.mean()
    start = fixedrank.FixedRankPoint(*(part[:1500] for part in free))
    times = np.r_[0, np.arange(2, 4, 0.4)]
    how = {"temperature": temperature, "weight_decay": decay, "rng": 1, "step": 0.04}
    run = fixedrank.langevin(problem, start, depth, times, **how)
    values = quantities(run.points, run.loss)[:, 1:].mean(1)
    # Beside chance the bias of these steps, of the first order.
    chance = values.std(1) / np.sqrt(1500)
    assert (np.abs(values.mean(1) - exact) < 5 * chance + 0.025 * exact).all()
    assert (chance < 0.01 * exact).all()


def test_detailed_balance():
    """In equilibrium E[f(W_0) g(W_t)] = E[g(W_0) f(W_t)]: by their difference for each copy."""
    depth = 3
    problem = fixedrank.LinearRegression(np.eye(2), [[1.0, 0.2], [0.1, 0.5], [0.0, 0.3]])
    manifold = fixedrank.FixedRank(3, 2, 2, depth=depth)
    start = manifold.random_gibbs(2.0, size=5000, rng=0)
    how = {"temperature": 0.5, "weight_decay": 1.0, "rng": 1, "step": 0.04}
    run = fixedrank.langevin(problem, start, depth, [0, 0.8, 1], **how)
    f, g = run.loss[1:], matrices(run.points)[1:, :, 0, 0] ** 2
    assert abs(deviates(f[0] * g[1] - g[0] * f[1], 0)) < 4.5
    # Copies move: with f and g of one time the products would be as symmetric.
    assert np.corrcoef(f[0], f[1])[0, 1] < 0.9


def test_the_transposed_problem_has_the_transposed_law():
    depth, target = 2.5, np.array([[1.0, 0.2, 0.0], [0.1, 0.5, 0.4]])
    values = []
    for goal in (target, target.T):
        rows, columns = goal.shape
        problem = fixedrank.MatrixCompletion(
            *np.indices(goal.shape).reshape(2, -1), goal.ravel(), goal.shape
        )
        start = fixedrank.FixedRank(rows, columns, 2, depth=depth).point(0.3 * goal)
        how = {"temperature": 0.4, "copies": 2000, "rng": rows, "step": 0.05}
        run = fixedrank.langevin(problem, start, depth, [0, 0.5], **how)
        W = matrices(run.last)
        values.append(W if rows == 2 else W.swapaxes(1, 2))
    for index in np.ndindex(2, 3):
        assert stats.ks_2samp(*(each[:, *index] for each in values)).pvalue > 1e-4


@pytest.mark.parametrize("d", [1, 3, 100, 2000])
@pytest.mark.parametrize("variance", [1e-8, 0.1, 2.0])
def test_columns_turn_as_brownian_motion_on_the_sphere(d, variance):
    """The mean of the cosine is exp(-d v / 2), an eigenvalue of the sphere: by quadrature."""
    variance /= d
    rho = np.sqrt(variance) * stats.chi(d).ppf((np.arange(20_000) + 0.5) / 20_000)
    cosines, sines = turned(rho, d)
    np.testing.assert_allclose(cosines**2 + sines**2, 1, atol=1e-12)
    assert cosines.mean() == pytest.approx(np.exp(-d * variance / 2), abs=2e-5)
    # And to the lowest order the columns move by what is drawn.
    assert (sines**2).mean() == pytest.approx(d * variance, rel=1.2 * d * variance + 1e-3)
