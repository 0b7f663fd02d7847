"""What `import fixedrank` loads, and that all public names are there when they are asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fixedrank


def modules_after(statements):
    """Return the modules that a new interpreter has after some statements."""
    script = f"import sys; {statements}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


def test_names_for_type_checkers_are_those_that_are_there():
    tree = ast.parse(Path(fixedrank.__file__).read_text())
    imported = [
        (alias.name, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("fixedrank.")
        for alias in node.names
    ]
    assert sorted(name for name, _ in imported) == sorted(fixedrank.__all__)
    for name, module in imported:
        assert getattr(fixedrank, name) is getattr(sys.modules[module], name)
    with pytest.raises(AttributeError, match="'fixedrank' has no attribute 'FixedRanks'"):
        _ = fixedrank.FixedRanks


def test_tab_completion_shows_names_to_use():
    basics = {"__version__", "__doc__", "__name__", "__file__", "__all__"}
    # What was imported meanwhile does not show.
    importlib.import_module("fixedrank.flows")
    shown = set(dir(fixedrank))
    assert {*fixedrank.__all__, "estimator", "optimizers", "plotting", "testing"} | basics <= shown
    assert not {"flows", "geometry", "losses", "annotations", "import_module"} & shown
    assert {name for name in shown if name.startswith("_") and not name.endswith("__")} == set()
    for name in shown:
        assert hasattr(fixedrank, name)


def test_modules_are_there_without_an_import_of_their_own():
    early = "dir(fixedrank); assert 'fixedrank.testing' not in sys.modules"
    loaded = modules_after(f"import fixedrank; {early}; fixedrank.testing.check_gradient")
    assert "fixedrank.testing" in loaded
    # Hypothesis is for the strategies only, scikit-learn for the estimator.
    assert "hypothesis" not in loaded
    loaded = modules_after("import fixedrank; fixedrank.estimator.one_standard_error")
    assert "fixedrank.estimator" in loaded
    assert "sklearn" not in loaded


def test_a_star_brings_all():
    space = {}
    exec("from fixedrank import *", space)
    assert set(fixedrank.__all__) <= set(space)


def test_only_what_is_used_is_loaded():
    everything = modules_after("from fixedrank import *")
    alone = modules_after("import fixedrank")
    geometry = modules_after("import fixedrank; fixedrank.FixedRank(3, 3, 1, depth=2)")
    assert {"fixedrank.ensembles", "fixedrank.flows", "scipy.integrate"} <= everything
    assert "numba" not in everything
    assert not any(name.startswith(("scipy", "fixedrank.")) for name in alone)
    assert "pymanopt" in geometry
    assert not {"fixedrank.flows", "fixedrank.losses", "scipy.integrate", "sqlite3"} & geometry
