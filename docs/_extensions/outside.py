"""Links into the pages of other libraries, made of the names, as a build downloads no inventories.

A name that the library does not have stays without a link, so that a nitpicky build tells it.
"""

from importlib import import_module, util
from typing import Any

NUMPY = "https://numpy.org/doc/stable/reference"
SCIPY = "https://docs.scipy.org/doc/scipy/reference/generated"
MATPLOTLIB = "https://matplotlib.org/stable/api"
PYMANOPT = "https://pymanopt.org/docs/stable"
SKLEARN = "https://scikit-learn.org/stable/modules/generated"
PANDAS = "https://pandas.pydata.org/docs/reference/api"
TORCH = "https://docs.pytorch.org/docs/stable/generated"
PYTHON = "https://docs.python.org/3/library"


def page(name: str) -> str | None:
    """Return the address of the page about a full name, or None if there is none."""
    library, _, rest = name.partition(".")
    if library not in _PAGES or not rest:
        return None
    module = _module(name)
    return None if module is None else _PAGES[library](name, module)


def _module(name: str) -> str | None:
    """The module where a name is defined, or None; a guess for what is not installed."""
    if util.find_spec(name.partition(".")[0]) is None:
        return name.rpartition(".")[0]
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            for attribute in parts[end:]:
                found = getattr(found, attribute)
        except AttributeError:
            return None
        return getattr(found, "__module__", None) or ".".join(parts[:end])
    return None


def _numpy(name: str, module: str) -> str:
    if name.startswith("numpy.typing."):
        return f"{NUMPY}/typing.html#{name}"
    if name == "numpy.random.Generator":
        return f"{NUMPY}/random/generator.html#{name}"
    if name.startswith("numpy.random.Generator."):
        return f"{NUMPY}/random/generated/{name}.html"
    return f"{NUMPY}/generated/{name}.html"


def _pymanopt(name: str, module: str) -> str:
    folder = module.split(".")[1] if module.count(".") else "problem"
    subject = {"core": "problem", "manifolds": "manifolds", "optimizers": "optimizers"}.get(folder)
    defined = f"{module}.{name.rpartition('.')[2]}"
    return f"{PYMANOPT}/{subject}.html#{defined}" if subject else f"{PYMANOPT}/api-reference.html"


def _python(name: str, module: str) -> str:
    return f"{PYTHON}/{name.rpartition('.')[0]}.html#{name}"


_PAGES = {
    "numpy": _numpy,
    "scipy": lambda name, module: f"{SCIPY}/{name}.html",
    "matplotlib": lambda name, module: f"{MATPLOTLIB}/{name.split('.')[1]}_api.html#{name}",
    "pymanopt": _pymanopt,
    "sklearn": lambda name, module: f"{SKLEARN}/{name}.html",
    "pandas": lambda name, module: f"{PANDAS}/{name}.html",
    "torch": lambda name, module: f"{TORCH}/{name}.html",
    "concurrent": _python,
    "collections": _python,
    "dataclasses": _python,
    "pathlib": _python,
}


def resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Give a reference to a name of another library its address."""
    from docutils import nodes

    if node.get("refdomain") != "py":
        return None
    address = page(node["reftarget"])
    if address is None:
        return None
    library = node["reftarget"].partition(".")[0]
    return nodes.reference(
        "", "", contnode, internal=False, refuri=address, reftitle=f"in the pages of {library}"
    )


# Names that docstrings write in full.
_FULL = (
    "concurrent.futures.Executor",
    "matplotlib.figure.Figure",
    "numpy.random.Generator",
    "pymanopt.Problem",
    "pymanopt.manifolds.FixedRankEmbedded",
    "pymanopt.manifolds.manifold.Manifold",
)


def aliases() -> dict[str, str]:
    """Return the full names of the types that docstrings name in short."""
    import fixedrank

    return {
        **{name: f"fixedrank.{name}" for name in fixedrank.__all__ if name[0].isupper()},
        "ndarray": "numpy.ndarray",
        "array_like": "numpy.typing.ArrayLike",
        "csr_array": "scipy.sparse.csr_array",
        "LinearOperator": "scipy.sparse.linalg.LinearOperator",
        "OdeSolver": "scipy.integrate.OdeSolver",
        "DataFrame": "pandas.DataFrame",
        **{name: f":obj:`{name}`" for name in _FULL},
    }


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx; of numpydoc's own links, into inventories, none is kept."""
    from numpydoc.xref import DEFAULT_LINKS

    DEFAULT_LINKS.clear()
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
