"""How long imports take, in interpreters of their own with compiled modules on disk.

python docs/benchmarks/imports.py [--quick]

pymanopt imports jax, torch and tensorflow where they are installed, which takes seconds: here they
are as if they were not.
"""

import os
import subprocess
import sys
import tempfile

from timing import interleaved, main

WITHOUT = "import sys; sys.modules.update(jax=None, torch=None, tensorflow=None)"
STATEMENTS = (
    "import numpy",
    "import pymanopt",
    "import fixedrank",
    "import fixedrank; fixedrank.FixedRank(3, 2, 1, depth=2)",
    "import fixedrank; fixedrank.FixedRank, fixedrank.riemannian_flow, fixedrank.LinearRegression",
    "from fixedrank import *",
)


def run(quick=False):
    """Return the table."""
    statements = STATEMENTS[1:3] if quick else STATEMENTS
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def interpreter(statement):
            command = [sys.executable, "-c", f"{WITHOUT}; {statement}"]
            return lambda: subprocess.run(command, check=True, env=environment)

        taken = interleaved(
            interpreter("pass"),
            *map(interpreter, statements),
            seconds=1.0 if quick else 30.0,
            least=1,
        )
    empty, *others = taken
    lines = ["Time beside that of an interpreter without imports"]
    for statement, time in zip(statements, others, strict=True):
        lines.append(f"  {statement:94} {time - empty:6.2f} s")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(run, __doc__)
