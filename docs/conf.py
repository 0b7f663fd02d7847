"""Configuration of the documentation: `sphinx-build -W --keep-going -b html docs <folder>`."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

# The modules beside this one.
sys.path.insert(0, str(Path(__file__).parent))

from notebooks import FIRST_CELL
from thumbnails import RATINGS, scrape

project = "fixedrank"
author = "The fixedrank developers"
copyright = f"2026, {author}"
release = installed_version("fixedrank")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "notebooks",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "benchmarks", "choices"]

# A link that leads nowhere is an error, except into libraries whose documentation is elsewhere.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(autograd|dask|matplotlib|numpy|pymanopt|scipy|sklearn|tqdm)(\..*)?"),
]

# Public names: one page for each, with the types told by the docstring. Methods that pymanopt's
# classes document in their own style are left to pymanopt's pages.
autosummary_generate = True
# Where file names have no case, the class and the function `product` would share a page.
autosummary_filename_map = {"fixedrank.Product": "fixedrank.Product-of-manifolds"}
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# What a docstring says must be true and in its place: GL06 unknown sections, GL07 their order,
# PR02 parameters that do not exist, PR03 parameters in the wrong order.
numpydoc_validation_checks = {"GL06", "GL07", "PR02", "PR03"}

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

# Two galleries: the folders of the scripts, and the folders that are written. The sections of the
# first, with the order of their pages; a page that is not named goes where the star is. The
# alternative text of a picture is made of the titles of its figure and its axes.
SECTIONS = {
    "start": ["tutorial", "two_flows", "using_pymanopt"],
    "flows": ["saddle_to_saddle", "gradient_descent", "autoencoder"],
    "landscape": ["critical_points", "ensembles"],
    "geometry": ["geodesics", "trust_regions"],
    "recovery": [
        "recovery",
        "recommendations",
        "low_rank_plus_bias",
        "deep_matrix_factorization",
        "movielens",
    ],
    "own": ["own_loss", "own_metric", "property_testing"],
}
CHOICES = ["ties", "huge_depth", "quadrature", "core_form", "stiff_flows", "orthonormalisation"]
sphinx_gallery_conf = {
    "examples_dirs": ["../examples", "choices"],
    "gallery_dirs": ["gallery", "choices_gallery"],
    "nested_sections": True,
    "subsection_order": ExplicitOrder([f"../examples/{section}" for section in SECTIONS]),
    "within_subsection_order": ExplicitOrder(
        [f"{page}.py" for pages in [*SECTIONS.values(), CHOICES] for page in pages] + ["*"]
    ),
    # The ratings of films need data that are not part of the project: shown, not run.
    "filename_pattern": r"^(?!.*movielens\.py$).*\.py$",
    "image_scrapers": (scrape,),
    "thumbnail_size": (640, 448),
    "default_thumb_file": str(RATINGS),
    "first_notebook_cell": FIRST_CELL,
    # Which examples use a public name, for the pages of the reference.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("fixedrank",),
    "reference_url": {"fixedrank": None},
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "furo"
html_title = f"fixedrank {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
