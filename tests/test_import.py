"""What `import fixedrank` loads, and that all public names are there when they are asked for."""

import ast
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
    assert {*fixedrank.__all__, "flows", "__version__"} <= set(dir(fixedrank))
    with pytest.raises(AttributeError, match="'fixedrank' has no attribute 'FixedRanks'"):
        _ = fixedrank.FixedRanks


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
