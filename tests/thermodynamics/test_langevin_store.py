"""Runs that are interrupted, and go on from a file as if they had not been."""

from typing import ClassVar

import numpy as np
import pytest

import fixedrank

DATA = np.random.default_rng(0).standard_normal((2, 3, 8))
START = fixedrank.FixedRank(3, 3, 2, depth=3).random_point(rng=1)
TIMES = [0, 0.1, 0.25, 0.4]


class Interrupted(fixedrank.LinearRegression):
    """A regression that is interrupted after some gradients."""

    left: ClassVar = [0]

    def _stacked_products(self, left, core, right):
        self.left[0] -= 1
        if self.left[0] == 0:
            raise KeyboardInterrupt
        return super()._stacked_products(left, core, right)


def run(problem, times=TIMES, **how):
    options = {"temperature": 0.3, "copies": 4, "rng": 7, "step": 0.02, **how}
    return fixedrank.langevin(problem, START, 3, times, **options)


def same(one, other):
    for a, b in zip((*one.points, one.loss), (*other.points, other.loss), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupted_run_goes_on_with_the_same_numbers(tmp_path):
    problem = Interrupted(*DATA)
    whole, store = run(problem), tmp_path / "run.npz"
    for after in (3, 5, 6):
        Interrupted.left[0] = after
        part = run(problem, store=store)
        assert not part.complete
        assert "interrupted at t = " in part.status
        assert len(part) < 4
        same(part, fixedrank.LangevinTrajectory(**{**vars(whole), **first(whole, len(part))}))
    Interrupted.left[0] = 0
    rest = run(problem, store=store)
    same(rest, whole)
    assert rest.status == whole.status == "took 21 steps"
    # What is finished is not done again.
    Interrupted.left[0] = 1
    same(run(problem, store=store), whole)
    Interrupted.left[0] = 0
    longer = [*TIMES, 0.5]
    same(run(problem, longer, store=store), run(problem, longer))


def first(trajectory, count):
    points = fixedrank.FixedRankPoint(*(part[:count] for part in trajectory.points))
    return {"points": points, "loss": trajectory.loss[:count]}


def test_without_a_seed_a_run_goes_on_with_its_own_numbers(tmp_path):
    problem, store = fixedrank.LinearRegression(*DATA), tmp_path / "run.npz"
    whole = run(problem, store=store, rng=None)
    same(run(problem, store=store, rng=None), whole)


@pytest.mark.parametrize("changed", [{"temperature": 0.31}, {"rng": 8}, {"step": 0.01}])
def test_another_run_is_refused(tmp_path, changed):
    problem, store = fixedrank.LinearRegression(*DATA), tmp_path / "run.npz"
    run(problem, store=store)
    with pytest.raises(ValueError, match="holds another run"):
        run(problem, store=store, **changed)


def test_progress(capsys):
    pytest.importorskip("tqdm")
    run(fixedrank.LinearRegression(*DATA), progress=True)
    shown = capsys.readouterr().err
    assert "t = 0.4/0.4" in shown
    assert "mean loss" in shown
