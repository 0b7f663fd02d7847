"""What many docstrings say of the same parameter, written once and put where it belongs.

A table is written as a docstring: its section "Parameters" describes arguments by their names, its
section "Raises" goes wherever one of these descriptions does. :func:`describe` completes
docstrings from the signatures when a module is imported, so that ``help`` and the pages show all.
What a docstring says itself of a parameter or an error stays in place of what a table says.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
# What comes after "Raises" in the order of numpydoc.
_AFTER_RAISES = ("Warns", "Warnings", "See Also", "Notes", "References", "Examples")

POINTS = """
Parameters
----------
point : FixedRankPoint or tuple (u, s, vt)
    The point W, arrays of shapes (m, k), (k,), (k, n).
point_a, point_b : FixedRankPoint or tuple (u, s, vt)
    The points A and B, arrays of shapes (m, k), (k,), (k, n).
tangent_vector, Z : FixedRankTangentVector or tuple (Up, M, Vp)
    Tangent vector Z at W, arrays of shapes (m, k), (k, k), (n, k).
tangent_vector_a, tangent_vector_b : FixedRankTangentVector or tuple (Up, M, Vp)
    Tangent vectors at W, arrays of shapes (m, k), (k, k), (n, k).

Raises
------
TypeError, ValueError
    If parts have wrong shapes, are complex or not finite.
"""

LAYERS = """
Parameters
----------
factors : sequence of array_like
    The layers [W_1, ..., W_N]; W_j has shape (d_j, d_{j-1}).
widths : sequence of int
    The widths [d_0, ..., d_N].

Raises
------
TypeError, ValueError
    If shapes do not fit together or entries are not finite.
"""

RANDOM = """
Parameters
----------
rng : numpy.random.Generator, int or None
    The generator, a seed, or None for fresh entropy.
"""


def describe(target: Callable[..., Any], *tables: str) -> None:
    """Complete the docstring of a function, or of a class and its own public methods.

    Of several tables the first that knows a parameter describes it. It is called below what it
    describes, and is no decorator, as mutation testing leaves out what is decorated.
    """
    known = [_Table.of(table) for table in tables]
    functions: list[Any] = [target]
    if isinstance(target, type):
        public = [value for name, value in vars(target).items() if not name.startswith("_")]
        methods = (getattr(value, "__func__", value) for value in public)
        functions += filter(inspect.isfunction, methods)
    for function in functions:
        # Python -OO leaves none.
        if function.__doc__:
            function.__doc__ = _completed(function, known)


class _Table(NamedTuple):
    """What is said of parameters, by name, and of the errors that come with them, by title."""

    parameters: dict[str, tuple[str, str]]
    errors: dict[str, str]

    @classmethod
    def of(cls, docstring: str) -> _Table:
        _, sections = _sections(docstring)
        return cls(
            _by_name(sections.get("Parameters", "")), dict(_entries(sections.get("Raises", "")))
        )


def _completed(function: Callable[..., Any], tables: list[_Table]) -> str:
    summary, own = _sections(function.__doc__ or "")
    said = _by_name(own.pop("Parameters", ""))
    errors = dict(_entries(own.pop("Raises", "")))
    names = [
        {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "") + parameter.name
        for parameter in inspect.signature(function).parameters.values()
    ]
    for table in tables:
        missing = [name for name in names if name in table.parameters and name not in said]
        if missing:
            said |= {name: table.parameters[name] for name in missing}
            # Those of the docstring first, and in its words.
            errors = {**errors, **table.errors, **errors}
    order = sorted(said, key=lambda name: names.index(name) if name in names else len(names))
    parameters = [
        f"{', '.join(group)}{kind}\n{text}"
        for (kind, text), group in itertools.groupby(order, said.__getitem__)
    ]
    raised = [f"{title}\n{text}" for title, text in errors.items()]
    before = {title: body for title, body in own.items() if title not in _AFTER_RAISES}
    after = {title: body for title, body in own.items() if title in _AFTER_RAISES}
    whole = {"Parameters": "\n".join(parameters), **before, "Raises": "\n".join(raised), **after}
    sections = [f"{title}\n{'-' * len(title)}\n{body}" for title, body in whole.items() if body]
    return "\n\n".join([summary, *sections])


def _sections(docstring: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first heading, and the sections below by their headings."""
    summary, *rest = _HEADING.split(inspect.cleandoc(docstring))
    bodies = (body.rstrip() for body in rest[1::2])
    return summary.rstrip(), dict(zip(rest[::2], bodies, strict=True))


def _entries(body: str) -> list[tuple[str, str]]:
    """Return the first line of each entry of a section, and what is indented below it."""
    blocks = (block.rstrip().partition("\n") for block in _ENTRY.split(body) if block)
    return [(first, rest) for first, _, rest in blocks]


def _by_name(body: str) -> dict[str, tuple[str, str]]:
    """Return " : type" and the text of each parameter."""
    found: dict[str, tuple[str, str]] = {}
    for first, text in _entries(body):
        names, colon, kind = first.partition(" : ")
        found |= dict.fromkeys(names.split(", "), (colon + kind, text))
    return found
