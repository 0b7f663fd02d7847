"""The code of the page on JAX runs, in the order in which it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "jax.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_lines_fit_the_column():
    assert len(BLOCKS) >= 9
    assert max(len(line) for block in BLOCKS for line in block.splitlines()) <= 88


def test_all_names_are_told():
    """What the page writes as code of the companion is a name of it."""
    pytest.importorskip("diffrax")
    pytest.importorskip("optax")
    import fixedrank.jax

    names = re.findall(r"`~fixedrank\.jax\.(\w+)`", PAGE)
    for line in re.findall(r"^from fixedrank\.jax import (.+)$", PAGE, re.MULTILINE):
        names += line.split(", ")
    assert len(set(names)) > 15
    assert set(names) <= set(fixedrank.jax.__all__)


def test_the_blocks_run(tmp_path):
    """In a process of its own: double precision of JAX is set for all of one."""
    for needed in ("jax", "diffrax", "optax"):
        pytest.importorskip(needed)
    code = tmp_path / "page.py"
    code.write_text("\n".join(BLOCKS), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(code)],
        cwd=tmp_path,
        env={**os.environ, "JAX_ENABLE_X64": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
