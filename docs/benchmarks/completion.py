"""Completion beside the same conjugate gradients in plain NumPy, and whole recoveries.

python docs/benchmarks/completion.py [--quick]

A matrix of rank 10 from entries at uniform places, to a relative residual of 1e-6. "Sketch" is what
one writes with NumPy and SciPy for this one problem: depth 1, the same formulas, the same starts,
and so the same iterates.
"""

import numpy as np
import pymanopt
import scipy.sparse
from manopt import completed
from timing import interleaved, main

import fixedrank

RANK, TOLERANCE = 10, 1e-6


def instance(size, count, values):
    """Return a completion with these singular values, times the size."""
    rng = np.random.default_rng(0)
    places = np.sort(
        rng.permutation(np.unique(rng.integers(0, size**2, count * 102 // 100)))[:count]
    )
    rows, cols = np.divmod(places, size)
    u, _, vt = fixedrank.FixedRank(size, size, RANK, depth=1).random_point(rng=rng)
    left = u * (values * size)
    known = [
        np.einsum("ij,ij->i", left[rows[start : start + 65536]], vt.T[cols[start : start + 65536]])
        for start in range(0, count, 65536)
    ]
    return fixedrank.MatrixCompletion(rows, cols, np.concatenate(known), (size, size))


class Sketch:
    """Conjugate gradients by Hestenes and Stiefel's rule, with the exact start of the search."""

    def __init__(self, problem):
        self.rows, self.cols, self.values = problem.rows, problem.cols, problem.values
        self.shape = problem.shape
        self.starts = np.searchsorted(self.rows, np.arange(self.shape[0] + 1)).astype(np.int32)
        self.columns = self.cols.astype(np.int32)

    def sampled(self, left, right, out):
        size = max(1, 65536 // left.shape[1])
        first, second = np.empty((2, size, left.shape[1]))
        left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
        for start in range(0, out.size, size):
            here = slice(start, min(start + size, out.size))
            count = here.stop - start
            a = np.take(left, self.rows[here], axis=0, out=first[:count], mode="clip")
            b = np.take(right, self.cols[here], axis=0, out=second[:count], mode="clip")
            np.einsum("ij,ij->i", a, b, out=out[here])
        return out

    def gradient(self, u, v, residual):
        matrix = scipy.sparse.csr_array((residual, self.columns, self.starts), shape=self.shape)
        gv, gtu = matrix @ v, matrix.T @ u
        core = u.T @ gv
        return gv - u @ core, core, gtu - v @ core.T

    @staticmethod
    def retracted(u, s, v, direction, step):
        up, core, vp = (step * part for part in direction)
        k = s.size
        (left, a), (right, b) = np.linalg.qr(up), np.linalg.qr(vp)
        inner = np.block([[np.diag(s) + core, b.T], [a, np.zeros((k, k))]])
        x, values, yt = np.linalg.svd(inner)
        return np.hstack((u, left)) @ x[:, :k], values[:k], np.hstack((v, right)) @ yt[:k].T

    @staticmethod
    def transported(u, v, vector, new_u, new_v):
        up, core, vp = vector
        zv = (u @ core + up) @ (v.T @ new_v) + u @ (vp.T @ new_v)
        ztu = (v @ core.T + vp) @ (u.T @ new_u) + v @ (up.T @ new_u)
        inner = new_u.T @ zv
        return zv - new_u @ inner, inner, ztu - new_v @ inner.T

    def run(self, start, most=2000):
        """Return the number of iterations."""

        def inner(a, b):
            return sum(float(np.vdot(x, y)) for x, y in zip(a, b, strict=True))

        u, s, v = start[0], start[1], start[2].T
        residual, trial, along = np.empty((3, self.values.size))
        self.sampled(u * s, v, residual)
        residual -= self.values
        cost, enough = residual @ residual / 2, (TOLERANCE * np.linalg.norm(self.values)) ** 2 / 2
        gradient = self.gradient(u, v, residual)
        direction = tuple(-part for part in gradient)
        for iteration in range(most):
            if cost < enough:
                return iteration
            slope = inner(gradient, direction)
            if slope >= 0:
                direction = tuple(-part for part in gradient)
                slope = inner(gradient, direction)
            up, core, vp = direction
            self.sampled(np.hstack((u @ core + up, u)), np.hstack((v, vp)), along)
            step = -(residual @ along) / (along @ along)
            while True:
                new = self.retracted(u, s, v, direction, step)
                self.sampled(new[0] * new[1], new[2], trial)
                trial -= self.values
                lower = trial @ trial / 2
                if lower <= cost + 1e-4 * step * slope:
                    break
                step /= 2
            residual, trial = trial, residual
            new_gradient = self.gradient(new[0], new[2], residual)
            old = self.transported(u, v, gradient, new[0], new[2])
            direction = self.transported(u, v, direction, new[0], new[2])
            change = tuple(a - b for a, b in zip(new_gradient, old, strict=True))
            beta = max(0.0, inner(new_gradient, change) / inner(change, direction))
            direction = tuple(beta * b - a for a, b in zip(new_gradient, direction, strict=True))
            (u, s, v), gradient, cost = new, new_gradient, lower
        return most


def conjugate_gradients(sizes, seconds):
    """Yield the times of the same iterates by the library and by the sketch."""
    yield "Conjugate gradients from the spectral start, 100 entries a row, singular values 1 to 1/2"
    yield "       n   iterations   fixedrank       sketch    ratio       Manopt    ratio"
    for size in sizes:
        problem = instance(size, 100 * size, np.linspace(1, 0.5, RANK))
        start, sketch = problem.initial_point(RANK), Sketch(problem)
        iterations = sketch.run(start)
        optimizer = pymanopt.optimizers.ConjugateGradient(
            line_searcher=fixedrank.ExactStartLineSearcher(problem),
            max_iterations=iterations + 1,
            min_gradient_norm=0,
            min_step_size=0,
            verbosity=0,
        )
        made = problem.to_pymanopt(fixedrank.FixedRank(size, size, RANK, depth=1))
        ours, plain = interleaved(
            lambda optimizer=optimizer, made=made, start=start: optimizer.run(
                made, initial_point=start
            ),
            lambda sketch=sketch, start=start: sketch.run(start),
            seconds=seconds,
        )
        manopt = completed(problem, start, TOLERANCE)
        beside = "not here" if manopt is None else f"{manopt.seconds:6.2f} s"
        ratio = "" if manopt is None else f"   {manopt.seconds / ours:5.2f} x"
        yield (
            f"  {size:6d}   {iterations:10d}   {ours:7.2f} s   {plain:8.2f} s   "
            f"{ours / plain:5.2f} x   {beside:>10}{ratio}"
        )
    if manopt is not None:
        yield f"{manopt.software}: {manopt.iterations} iterations in the last row"
    yield ""


def recoveries(size, seconds):
    """Yield the times of `recover`, over the condition."""
    yield f"`recover` at n = {size}, 100 entries a row"
    yield "  singular values      points       auto      direct"
    for name, values in (
        ("1 to 1/2", np.linspace(1, 0.5, RANK)),
        ("1 to 1e-1", np.geomspace(1, 1e-1, RANK)),
        ("1 to 1e-3", np.geomspace(1, 1e-3, RANK)),
        ("1 to 1e-5", np.geomspace(1, 1e-5, RANK)),
    ):
        problem = instance(size, 100 * size, values)
        functions = [lambda problem=problem: fixedrank.recover(problem, RANK, rng=0)]
        if name == "1 to 1/2":
            functions.append(
                lambda problem=problem: fixedrank.recover(problem, RANK, method="direct")
            )
        found = functions[0]()
        taken = interleaved(*functions, seconds=seconds)
        direct = f"{taken[1]:7.2f} s" if len(taken) > 1 else "not run"
        yield (
            f"  {name:18} {found.residuals.size:8d}  {taken[0]:7.2f} s   {direct:>9}"
            f"{'' if found.converged else '   ' + found.status}"
        )
    yield ""


def few_entries():
    """Yield how many problems of several are solved where entries are few."""
    seeds, (m, n, k) = 5, (300, 250, 5)
    conditions = (1, 1e1, 1e3, 1e5)
    yield f"Solved of {seeds}, {m}x{n} matrices of rank {k}, over the condition"
    yield "  entries for each degree of freedom" + "".join(f"{c:>8.0e}" for c in conditions)
    manifold = fixedrank.FixedRank(m, n, k, depth=1)
    for oversampling in (2.5, 3.5, 5.0):
        counts = []
        for condition in conditions:
            solved = 0
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                point = manifold.random_point(rng=rng)
                truth = (point.u * np.geomspace(1, 1 / condition, k)) @ point.vt
                places = rng.permutation(m * n)[: round(oversampling * k * (m + n - k))]
                rows, cols = np.divmod(places, n)
                problem = fixedrank.MatrixCompletion(rows, cols, truth[rows, cols], truth.shape)
                solved += fixedrank.recover(problem, k, rng=0).converged
            counts.append(solved)
        yield f"  {oversampling:<34g}" + "".join(f"{count:8d}" for count in counts)
    yield ""


def run(quick=False):
    """Return the tables."""
    sizes, seconds = ((300,), 0.1) if quick else ((1000, 5000, 10_000), 12.0)
    return "\n".join(
        [
            *conjugate_gradients(sizes, seconds),
            *recoveries(sizes[-1], seconds),
            *([] if quick else few_entries()),
        ]
    )


if __name__ == "__main__":
    main(run, __doc__)
