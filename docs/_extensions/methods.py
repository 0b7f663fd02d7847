"""The directive `methods`: a table of what a class of this library has, with first sentences."""

import inspect
from importlib import import_module
from typing import Any

from docutils.statemachine import StringList
from sphinx.ext.autosummary import Autosummary


def documented(cls: type) -> list[str]:
    """Return the public methods and properties with a docstring that this library gives a class."""
    found = []
    for base in cls.__mro__:
        if not base.__module__.startswith("fixedrank"):
            continue
        for name, member in vars(base).items():
            function = getattr(member, "__func__", member)
            if (
                not name.startswith("_")
                and name not in found
                and (inspect.isfunction(function) or isinstance(member, property))
                and function.__doc__
            ):
                found.append(name)
    return found


class Methods(Autosummary):
    """`.. methods:: fixedrank.FixedRank`."""

    has_content = False
    required_arguments = 1

    def run(self) -> list[Any]:
        """Make the table; nothing, where a class has no methods."""
        full = self.arguments[0]
        module, _, name = full.rpartition(".")
        members = documented(getattr(import_module(module), name))
        if not members:
            return []
        self.options = {"nosignatures": None}
        self.content = StringList([f"~{name}.{member}" for member in members], full)
        heading: list[Any] = self.parse_text_to_nodes(".. rubric:: Methods")
        return heading + super().run()


def skip(app: Any, what: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out fields of named tuples, which attributes describe, and what others' bases give."""
    others = ("sklearn", "collections", "diffrax", "equinox")
    of_others = str(getattr(member, "__module__", "")).startswith(others)
    return True if of_others or type(member).__name__ == "_tuplegetter" else None


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""
    app.add_directive("methods", Methods)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
