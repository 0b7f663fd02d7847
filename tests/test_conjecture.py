"""The evidence for three layers and more: that its page is made of what was measured."""

import importlib
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fixedrank import factored_flow, product

FOLDER = Path(__file__).parents[1] / "docs" / "results"


@pytest.fixture
def conjecture(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("conjecture")


@pytest.fixture
def found(conjecture):
    return json.loads(conjecture.FILES["json"].read_text(encoding="utf-8"))


def test_the_tables_are_made_of_the_record(conjecture, found, tmp_path):
    for name, text in (("count", conjecture.count(found)), ("md", conjecture.text(found["cells"]))):
        assert text == conjecture.FILES[name].read_text(encoding="utf-8")
    conjecture.draw(found["cells"], tmp_path / "conjecture.png")
    assert (tmp_path / "conjecture.png").stat().st_size > 10_000


def test_nothing_is_left_out(conjecture, found):
    cells = found["cells"]
    assert sum(cell["runs"] for cell in cells) > 1_000_000
    for cell in cells:
        assert cell["decided"] + len(cell["open_runs"]) == cell["runs"]
        assert cell["runs"] <= conjecture.options_of(cell["command"]).runs
    # Each depth has each dimension, with a bottleneck and without, and each scale.
    kinds = Counter((cell["depth"], cell["dim"], cell["scale"]) for cell in cells)
    assert set(kinds) == {
        (depth, dim, scale)
        for depth in (3, 4, 5, 6)
        for dim in (2, 3, 4, 5, 6)
        for scale in (0.01, 0.1, 0.5, 1.0)
    }
    # One was not reached, and the page says so.
    assert Counter(kinds.values()) == {2: 79, 1: 1}
    assert kinds[6, 6, 0.01] == 1
    assert "Not reached: $N = 6$, $d = 6$, width 6, scale 0.01" in conjecture.count(found)


def test_the_commands_stand_for_the_cells(conjecture, found):
    planned = {(line, cell): experiment for line, _, cell, experiment in conjecture.tasks()}
    for cell in found["cells"]:
        name = conjecture.Cell(cell["depth"], cell["dim"], cell["width"], cell["scale"])
        experiment = planned[cell["command"], name]
        assert list(experiment.widths) == cell["widths"]
        assert (experiment.end, experiment.continue_to) == (cell["end"], cell["continue_to"])


@pytest.mark.parametrize(("depth", "seed"), [(3, 17), (4, 5), (6, 3)])
def test_runs_of_it_by_another_solver(conjecture, found, depth, seed):
    """The layers one by one, far into the basin: the product is the minimum of the loss."""
    experiment = next(
        experiment for _, _, cell, experiment in conjecture.tasks() if cell == (depth, 3, 2, 1.0)
    )
    run = factored_flow(experiment.problem, experiment.start(seed), [0, 2000.0], rtol=1e-6)
    W = product(run.factors[-1])
    u, s, vt = np.linalg.svd(experiment.problem.Q)
    least = ((s[2:] ** 2).sum() + experiment.problem.residual**2) / 2
    assert experiment.problem.loss(W) == pytest.approx(least, abs=1e-3)
    root = experiment.problem.root
    np.testing.assert_allclose(W @ root, (u[:, :2] * s[:2]) @ vt[:2], rtol=0, atol=1e-2)


def test_what_an_open_run_still_needs(conjecture):
    """By the Hessian of a balanced mode: its wait is x^(2-N) / ((N - 2) gamma)."""
    depth, x, gamma = 5, 0.03, 1.7
    status = f"Hessian of the layers {-(depth - 1) * gamma * x ** (depth - 2)!r}; layers: ..."
    value, needs = conjecture.remaining({"depth": depth}, {"status": status})
    assert value < 0
    assert needs == pytest.approx(x ** (2 - depth) / ((depth - 2) * gamma))
    assert conjecture.remaining({"depth": 3}, {"status": "Hessian of the layers 0.1; "})[1] == (
        math.inf
    )


def test_the_bound_of_the_share(conjecture):
    """No failure in n: the share p with (1 - p)^n = 0.05."""
    assert float(conjecture._share(0, 1000)) == pytest.approx(1 - 0.05 ** (1 / 1000), rel=0.02)
    assert conjecture._share(3, 3) == "1.0e+00"
