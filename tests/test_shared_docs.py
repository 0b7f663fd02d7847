"""Every public name has whole help, though its docstring leaves out what is written elsewhere."""

import inspect
import subprocess
import sys

import pytest

import fixedrank
import fixedrank.testing
from fixedrank._shared_docs import describe

TABLE = """
Parameters
----------
first, second : float
    One of two numbers.
*rest : float
    Further ones.
**options
    How.

Raises
------
TypeError
    If it is none.
"""


def described(*tables):
    """`describe` as a decorator."""

    def complete(target):
        describe(target, *tables)
        return target

    return complete


def test_parameters_come_from_the_table_in_the_order_of_the_signature():
    @described(TABLE)
    def function(second, own, first, *rest, third=0, **options):
        r"""Return something.

        More words.

        Parameters
        ----------
        third : int
            The last.
        own : int
            One of its own,
            in two lines.

        Returns
        -------
        int
            It.

        Raises
        ------
        ValueError
            If it is bad.

        Notes
        -----
        A note.
        """

    assert function.__doc__ == inspect.cleandoc(
        """Return something.

        More words.

        Parameters
        ----------
        second : float
            One of two numbers.
        own : int
            One of its own,
            in two lines.
        first : float
            One of two numbers.
        *rest : float
            Further ones.
        third : int
            The last.
        **options
            How.

        Returns
        -------
        int
            It.

        Raises
        ------
        ValueError
            If it is bad.
        TypeError
            If it is none.

        Notes
        -----
        A note.
        """
    )


def test_neighbours_share_an_entry_and_one_line_is_enough():
    @described(TABLE)
    def function(first, second):
        """Return something."""

    assert function.__doc__ == "Return something.\n" + TABLE.rstrip().replace(
        "*rest : float\n    Further ones.\n**options\n    How.\n", ""
    )


def test_what_a_docstring_says_itself_stays():
    @described(TABLE)
    def function(first):
        """Return something.

        Parameters
        ----------
        first : int
            Of its own.

        Raises
        ------
        TypeError
            Seldom.
        """

    before = function.__doc__
    assert "Of its own." in before
    assert "Seldom." in before
    assert "One of two" not in before
    assert "If it is none" not in before
    assert described(TABLE)(function).__doc__ == before


def test_the_error_comes_with_the_description_only():
    @described(TABLE)
    def function(own):
        """Return something."""

    assert function.__doc__ == "Return something."


def test_the_first_table_wins():
    other = TABLE.replace("One of two numbers.", "Another.")

    @described(other, TABLE)
    def function(first):
        """Return something."""

    assert "Another." in function.__doc__
    assert "One of two" not in function.__doc__


def test_a_class_and_its_public_methods():
    @described(TABLE)
    class Class:
        """A class."""

        def __init__(self, first):
            pass

        def method(self, second):
            """Return something."""

        @classmethod
        def of_class(cls, second):
            """Return something."""

        @staticmethod
        def static(second):
            """Return something."""

        def _private(self, second):
            """Return something."""

        def silent(self, second):
            pass

    assert "first : float" in Class.__doc__
    for name in ("method", "of_class", "static"):
        assert "second : float" in inspect.getdoc(getattr(Class, name))
    assert "second" not in Class._private.__doc__
    assert Class.silent.__doc__ is None


def test_nothing_is_done_where_docstrings_are_stripped():
    """By python -OO, under which pymanopt, and so the package as a whole, cannot be imported."""
    program = (
        "import runpy, sys\n"
        "describe = runpy.run_path(sys.argv[1])['describe']\n"
        "class Class:\n"
        "    'A class.'\n"
        "    def method(self, first): 'Return it.'\n"
        "describe(Class, sys.argv[2])\n"
        "print(Class.__doc__, Class.method.__doc__)"
    )
    command = [sys.executable, "-OO", "-c", program, inspect.getfile(describe), TABLE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "None"]


# ------------------------------------------------------------------------------ the public names


def own_members(cls):
    """The public functions of a class that this library has written, with their names."""
    for name in dir(cls):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        value = inspect.getattr_static(cls, name)
        function = getattr(value, "__func__", value)
        # A function that is the default of a field is no method.
        method = inspect.isfunction(function) and function.__qualname__.startswith(owner.__name__)
        if method and name[0] != "_" and owner.__module__.startswith("fixedrank"):
            yield name


def public_names():
    """Public functions, classes and their methods, by the names that users know them by."""
    for module in (fixedrank, fixedrank.testing):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                yield f"{module.__name__}.{name}"
                for member in own_members(value):
                    yield f"{module.__name__}.{name}.{member}"
            elif inspect.isfunction(value):
                yield f"{module.__name__}.{name}"


NAMES = sorted(public_names())


def find(name):
    """The object of a public name."""
    value = fixedrank
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def parameters(function):
    """The names of the parameters, as numpydoc writes them; options that only warn left out."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        stars.get(parameter.kind, "") + parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in ("self", "unused")
    ]


def test_many_names_are_found():
    assert len(NAMES) > 140
    assert "fixedrank.FixedRank.retraction" in NAMES
    assert "fixedrank.testing.check_gradient" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help_is_whole(name):
    """Each parameter is described once, in order: numpydoc reads the docstring."""
    docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc is of the extra docs")
    value = find(name)
    read = docscrape.NumpyDocString(inspect.getdoc(value))
    said = [part for entry in read["Parameters"] for part in entry.name.split(", ")]
    if not inspect.isclass(value) or said:
        assert said == parameters(value)
    for section in ("Parameters", "Raises"):
        for entry in read[section]:
            assert entry.type or entry.name.startswith("**")
            assert "".join(entry.desc).strip()
