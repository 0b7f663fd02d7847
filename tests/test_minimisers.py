"""The comparison of optimisers: that its page is made of what was measured, and what that says."""

import importlib
import json
import re
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from fixedrank import FixedRank
from fixedrank.testing import check_gradient, check_hessian

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"


@pytest.fixture
def minimisers(monkeypatch):
    pytest.importorskip("threadpoolctl")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("minimisers")


@pytest.fixture
def record(minimisers):
    return json.loads(minimisers.FILES["json"].read_text(encoding="utf-8"))


def test_the_table_is_made_of_the_record(minimisers, record, tmp_path):
    pytest.importorskip("matplotlib")
    text = "\n".join(minimisers.table(record))
    assert text == minimisers.FILES["md"].read_text(encoding="utf-8")
    minimisers.draw(record, tmp_path / "minimisers.png")
    assert (tmp_path / "minimisers.png").stat().st_size > 10_000


def outcomes(record, problem, method, preconditioned, place):
    """What it took at depth 1, from each start, to a gradient of 1e-6 (0) or 1e-10 (1)."""
    for name, depth, *which, taken in record["rows"]:
        if (name, depth, *which) == (problem, 1, method, preconditioned):
            return [start[place] for start in taken]
    raise AssertionError("not measured")


@pytest.mark.parametrize("problem", ["low rank", "weighted", "pseudo-Huber", "logistic"])
def test_what_the_page_says_of_lbfgs(record, problem):
    ours, theirs = (
        median(asked for asked, _ in outcomes(record, problem, method, False, 0))
        for method in ("LBFGS", "CG")
    )
    assert ours <= 0.6 * theirs
    ends = (outcomes(record, problem, method, False, 1) for method in ("LBFGS", "TR"))
    assert all(own or not other for own, other in zip(*ends, strict=True))


@pytest.mark.parametrize("name", ["weighted", "pseudo-Huber", "logistic"])
def test_the_derivatives_of_the_problems(minimisers, name):
    loss, k = minimisers.PROBLEMS[name]()
    manifold = FixedRank(*loss.shape, k, depth=1)
    point = manifold.random_point(rng=0)
    problem = loss.to_pymanopt(manifold)
    assert check_gradient(problem, point=point, rng=0).passed
    assert check_hessian(problem, point=point, rng=0).passed


def test_the_least_loss_along_a_line(minimisers):
    loss, k = minimisers.PROBLEMS["weighted"]()
    manifold = FixedRank(*loss.shape, k, depth=1)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    t, W, D = loss.line_minimum(point, Z), manifold.to_matrix(point), manifold.tangent_to_matrix
    values = [np.sum(loss.value(W + (t + h) * D(point, Z))) for h in (-1e-2, 0.0, 1e-2)]
    assert values[1] < min(values[0], values[2])
    assert values[0] == pytest.approx(values[2], rel=1e-9)


def test_the_table_of_the_page_on_pymanopt_is_that_of_the_record(minimisers):
    page = (FOLDER.parents[1] / "examples" / "start" / "using_pymanopt.py").read_text("utf-8")
    shown = re.findall(r"^#      - (.* \(\d\))$", page, flags=re.MULTILINE)
    table = minimisers.FILES["md"].read_text(encoding="utf-8")
    cells = {
        name: [
            re.sub(r", \d\)$", ")", row.split("|")[2].strip())
            for method in ("SD", "CG", "TR", "LBFGS")
            for row in part.splitlines()
            if row.startswith(f"| {method} |")
        ]
        for name, part in re.findall(r"\*\*(.*?)\.\*\*(.*?)(?=\n\*\*|\Z)", table, flags=re.DOTALL)
    }
    assert list(cells) == re.findall(r"^#    \* - (?!Problem)(.*)$", page, flags=re.MULTILINE)
    assert shown == [cell for row in cells.values() for cell in row]
