"""Does depth precondition? That the page is made of what was measured, and says what that says."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import fixedrank
from tests.geometry import dense

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = ("conditions", "overshoot")
NAMES = ("depth", "depth_tables", "depth_problems", "depth_runs", "depth_hessians")


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "results"))
    return {name: importlib.import_module(name) for name in NAMES}


@pytest.fixture(scope="module")
def record():
    return json.loads((DOCS / "results" / "depth.json").read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_record(modules, record, tmp_path):
    pytest.importorskip("matplotlib")
    modules["depth_tables"].render(record, tmp_path / "depth.md", tmp_path)
    text = (tmp_path / "depth.md").read_text(encoding="utf-8")
    assert text == (DOCS / "results" / "depth.md").read_text(encoding="utf-8")
    assert all((tmp_path / f"depth-{name}.png").stat().st_size > 10_000 for name in PICTURES)


def test_all_parts_are_on_the_page(modules, record):
    page = (DOCS / "depth.md").read_text(encoding="utf-8")
    parts = [name for name, _ in modules["depth_tables"].fragments(record)]
    assert sorted(re.findall(r"<!-- (\w+) begins -->", page)) == sorted(parts)
    assert sorted(re.findall(r"<!-- (\w+) ends -->", page)) == sorted(parts)
    assert all(f"_static/depth-{name}.png" in page for name in PICTURES)


def test_the_record_is_what_the_script_measures(modules, record):
    depth = modules["depth"]
    settings = record["settings"]
    cells = [path for path, *_ in depth.cells(settings["depths"], settings["limit"])]
    assert (tuple(settings["depths"]), settings["limit"]) == (depth.DEPTHS, depth.LIMIT)
    for part, *path in cells:
        found = record[part]
        for name in path:
            found = found[str(name)]
        assert len(found) == depth.SEEDS[part], path
    assert sum(map(_cells, (record[part] for part in depth.SEEDS))) == len(cells)


def _cells(found):
    return sum(map(_cells, found.values())) if isinstance(found, dict) else 1


@pytest.mark.parametrize(
    ("name", "method", "depth"),
    [
        ("approximation, 30", "LBFGS + P(N)", 2),
        ("completion, 10, spectral", "TR", 1),
        ("sensing, 10, spectral", "CG", 2),
        ("regression, 10", "LBFGS + own", 1),
        ("approximation, 1", "SD, pymanopt", 1),
    ],
)
def test_one_run_of_each_kind_is_as_it_was(modules, record, name, method, depth):
    """Up to round-off, which changes how many evaluations a run takes."""
    runs, task = modules["depth_runs"], modules["depth_problems"].CASES[name](0)
    found = runs.outcome(task, depth, method)
    before = record["runs"][name][method][str(depth)][0]
    assert found[0] == pytest.approx(before[0], rel=0.5)
    assert found[3] <= runs.TARGETS["error"]


def test_a_run_ends_where_its_evaluations_do(modules):
    task = modules["depth_problems"].CASES["completion, 100, spectral"](0)
    for method in ("SD", "CG", "TR", "LBFGS + P(N)"):
        progress = modules["depth_runs"].run(task, 2, method, 60)
        assert "error" not in progress.reached
        assert progress.error() < 1e4


def test_the_minimisers(modules):
    problems = modules["depth_problems"]
    for name in problems.MINIMA:
        task = problems.CASES[name](1)
        manifold = fixedrank.FixedRank(*task.minimiser.shape, task.k, depth=1)
        there = manifold.point(task.minimiser)
        sizes = [
            manifold.norm(
                point, manifold.euclidean_to_riemannian_gradient(point, task.loss.gradient(point))
            )
            for point in (there, task.start)
        ]
        assert sizes[0] <= 1e-10 * sizes[1], name
        assert there.s[-1] == pytest.approx(task.least)


def test_the_derivative_of_the_root(modules):
    """W = R R^T R has the derivative dR R^T R + R dR^T R + R R^T dR."""
    hessians = modules["depth_hessians"]
    manifold = fixedrank.FixedRank(5, 4, 3, depth=1)
    point = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.0, 1.0]))
    basis = hessians.frame(point)
    R = dense.matrix(point._replace(s=np.cbrt(point.s)))
    columns = [dense.tangent(point, Z) for Z in basis]
    moved = [Z @ R.T @ R + R @ Z.T @ R + R @ R.T @ Z for Z in columns]
    expected = [[np.vdot(Z, image) for image in moved] for Z in columns]
    found = hessians.root_derivative(point.s, 3, len(basis))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_it_goes_on_where_it_was_stopped(modules, tmp_path, monkeypatch):
    depth = modules["depth"]
    monkeypatch.setattr(depth, "SEEDS", {"runs": 2})
    monkeypatch.setattr(depth, "SAVE_EVERY", -1.0)
    asked = []

    def cells(depths, limit):
        for number in depths:
            yield ("runs", "some", number), lambda seed, n=number: [n, seed, limit], int

    def stopping(depths, limit):
        for path, measure, draw in cells(depths, limit):
            asked.append(path)
            if len(asked) == 4:
                raise KeyboardInterrupt
            yield path, measure, draw

    path, settings = tmp_path / "depth.json", {"depths": [1, 2], "limit": 5}
    monkeypatch.setattr(depth, "cells", stopping)
    with pytest.raises(KeyboardInterrupt):
        depth.measure_all(depth.Record(path, settings), [1, 2], 5, ["runs"])
    kept = json.loads(path.read_text())["runs"]["some"]
    assert kept == {"1": [[1, 0, 5], [1, 1, 5]], "2": [[2, 0, 5]]}
    monkeypatch.setattr(depth, "cells", cells)
    depth.measure_all(depth.Record(path, settings), [1, 2], 5, ["runs"])
    kept = json.loads(path.read_text())["runs"]["some"]
    assert kept == {"1": [[1, 0, 5], [1, 1, 5]], "2": [[2, 0, 5], [2, 1, 5]]}
    with pytest.raises(SystemExit, match="begins anew"):
        depth.Record(path, settings | {"limit": 6})


# What the page says in words


def solved(modules, record, name, depth):
    tables = modules["depth_tables"]
    return tables.best(record["runs"][name], depth, tables.target_of(name))


def test_depth_one_is_best_where_the_page_says(modules, record):
    for name in record["runs"]:
        one = solved(modules, record, name, 1)
        for depth in (2, 3, 5, 10):
            other = solved(modules, record, name, depth)
            if name.startswith(("approximation", "sensing", "regression")) or "rank 5" in name:
                assert (one[0], -one[1]) > (other[0], -other[1]), name
    made = [solved(modules, record, "made for N = 2, 100", depth)[1] for depth in (1, 2, 3, 5, 10)]
    assert min(made) == made[1]


def test_where_depth_helps(modules, record):
    reached = modules["depth_tables"].reached
    for start in ("spectral", "random"):
        of_case = record["runs"][f"completion, 100, {start}"]
        for method in ("CG", "LBFGS + P(N)"):
            assert len(reached(of_case[method]["1"], "error")) <= 1
        assert len(reached(of_case["LBFGS + P(N)"]["3"], "error")) == modules["depth"].SEEDS["runs"]
    assert max(max(found) for found in record["recovered"].values()) < 0.01
    for name, of_case in record["runs"].items():
        if "rank 5" in name:
            found = [len(reached(of_case["LBFGS + P(N)"][N], "error")) for N in ("1", "10")]
            assert found[0] == 0 < found[1], name


def test_the_measured_conditions_keep_the_bounds(record):
    for name, of_case in record["conditions"].items():
        for depth, found in of_case.items():
            for (own, root, bound), (one, *_) in zip(found, of_case["1"], strict=True):
                assert own <= bound * 1.001, name
                assert own >= max(one**2 / bound, bound / one**2) * 0.999, name
                assert int(depth) ** -2 <= root / own * 1.001 <= int(depth) ** 2 * 1.002, name


def test_what_overshoots(record):
    for flows in record["flows"].values():
        for depth in ("1", "2", "3", "5", "10"):
            for which in ("spectral", "large known"):
                assert all(most <= 1.1 * first for first, most, _ in flows[which][depth])
    small = [np.median(record["flows"]["1000"][w]["1"], 0)[1] for w in ("0.1", "1", "10")]
    assert min(small) > 50
    assert max(small) < 1.2 * min(small)
    for depth in ("3", "5", "10"):
        assert np.median(record["flows"]["1000"]["1"][depth], 0)[1] < 2


def test_where_flows_end(record):
    arrived = {
        depth: [which for which, ends in record["ends"].items() if ends[depth][0][1] < 1e-6]
        for depth in ("1", "2", "3", "5", "10")
    }
    assert arrived["1"] == ["large known"]
    assert len(arrived["1"]) < len(arrived["2"]) < len(arrived["3"]) < len(arrived["5"])
    assert arrived["10"] == []


def test_what_went_astray_is_wrong_in_unknown_entries(modules, record):
    for name, of_case in record["spikes"].items():
        task = modules["depth_problems"].CASES[name](0)
        assert 1 - task.loss.rows.size / task.minimiser.size == pytest.approx(0.57, abs=0.005)
        for found in of_case.values():
            for error, share, _ in found:
                assert share > 0.99 or error < 0.05
