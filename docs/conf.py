"""Configuration of the documentation: `sphinx-build -W --keep-going -b html docs <folder>`."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
import outside
from notebooks import FIRST_CELL

project = "fixedrank"
author = "The fixedrank developers"
copyright = f"2026, {author}"
release = installed_version("fixedrank")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "formulas",
    "methods",
    "outside",
    "notebooks",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_extensions", "_templates", "benchmarks", "choices", "results"]

# A link that leads nowhere is an error; `outside` leads into the pages of other libraries.
nitpicky = True

# Public names: one page for each, with the types told by the docstring. Methods that pymanopt's
# classes document in their own style are left to pymanopt's pages.
autosummary_generate = True
# Where file names have no case, the class and the function `product` would share a page.
autosummary_filename_map = {"fixedrank.Product": "fixedrank.Product-of-manifolds"}
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# Types in docstrings are links, as far as they are known by these names.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = outside.aliases()
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
    "training": [
        "weight_decay",
        "imbalance",
        "implicit_bias",
        "edge_of_stability",
        "momentum",
        "incremental_learning",
        "infinite_depth",
        "many_starts",
    ],
    "thermodynamics": ["double_well", "entropic_force", "temperature_decay"],
    "landscape": ["critical_points", "certificates", "ensembles", "tightened_saddles"],
    "geometry": ["geodesics", "trust_regions"],
    "recovery": [
        "recovery",
        "recommendations",
        "low_rank_plus_bias",
        "deep_matrix_factorization",
        "movielens",
    ],
    "own": ["own_loss", "own_metric", "property_testing"],
    "companion": ["phase_diagram", "tuning", "scale"],
}
CHOICES = ["ties", "huge_depth", "quadrature", "core_form", "stiff_flows", "orthonormalisation"]
sphinx_gallery_conf = {
    "examples_dirs": ["../examples", "choices"],
    "gallery_dirs": ["gallery", "choices_gallery"],
    # Pages of names list the examples that use them.
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("fixedrank",),
    "nested_sections": True,
    "subsection_order": ExplicitOrder([f"../examples/{section}" for section in SECTIONS]),
    "within_subsection_order": ExplicitOrder(
        [f"{page}.py" for pages in [*SECTIONS.values(), CHOICES] for page in pages] + ["*"]
    ),
    # The ratings of films need data that are not part of the project: shown, not run.
    "filename_pattern": r"^(?!.*movielens\.py$).*\.py$",
    "image_scrapers": ("thumbnails.scrape",),
    "thumbnail_size": (640, 448),
    "default_thumb_file": str(Path(__file__).parent / "_static" / "ratings.png"),
    "first_notebook_cell": FIRST_CELL,
    # Names in the code of the pages lead to the reference.
    "reference_url": {"fixedrank": None},
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# What is copied has no prompts and no output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"fixedrank {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = ["scroll.js"]
# Colours of code with a contrast of 7 on either background.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_show_sourcelink = False
