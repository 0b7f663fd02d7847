"""The command line: ``fixedrank compare``, ``fixedrank ensemble`` and ``fixedrank figures``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fixedrank._version import version
from fixedrank.command import compare, ensemble, figures


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2."""
        self.exit(2, f"fixedrank: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after the program's name; those of the process if left out.

    Returns
    -------
    int
        0 if all went well, 1 if the result is not what theory says, 2 for bad input (one line on
        standard error says what was wrong), 130 after Ctrl-C.
    """
    parser = _Parser(
        prog="fixedrank",
        description="Gradient flows of deep linear networks, on layers and on fixed-rank matrices.",
    )
    parser.add_argument("--version", action="version", version=f"fixedrank {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compare.add_parser(commands)
    ensemble.add_parser(commands)
    figures.add_parser(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        if os.environ.get("FIXEDRANK_TRACEBACK"):
            raise
        text = " ".join(str(error).split())
        print(f"fixedrank: error: {text or type(error).__name__}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fixedrank: interrupted", file=sys.stderr)
        return 130
