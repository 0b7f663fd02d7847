"""The pages of the galleries have one form, and all of them are in their place."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "examples").glob("*/*.py"), *(ROOT / "docs" / "choices").glob("*.py")])
# What is installed as another name than it is imported by, and what comes with fixedrank.
EXTRAS = {
    "diffrax": "diffrax",
    "hypothesis": "hypothesis",
    "jax": "jax",
    "matplotlib": "matplotlib",
    "optax": "optax",
    "pandas": "pandas",
    "sklearn": "scikit-learn",
}


def configured(name):
    """Return a constant of the configuration, which is not imported for it."""
    for node in ast.parse((ROOT / "docs" / "conf.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def paragraphs(page):
    """Return the paragraphs of the text at the top of a page."""
    docstring = ast.get_docstring(ast.parse(page.read_text(encoding="utf-8")))
    return [" ".join(part.split()) for part in docstring.split("\n\n")]


def imported(page):
    """Return the packages that a page imports."""
    tree = ast.parse(page.read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return {name.partition(".")[0] for name in names}


def test_pages_are_found():
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_title_and_file_have_one_name(page):
    words = set(re.findall(r"\w+", paragraphs(page)[0].lower()))
    assert set(page.stem.split("_")) <= words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_one_learns_and_what_one_needs(page):
    _, learn, need, *_ = paragraphs(page)
    assert re.fullmatch(r"\*\*You learn\*\* .*\.", learn)
    assert re.fullmatch(r"\*\*You need\*\* .*; to run it, .*\.", need)
    _, _, packages = need.rpartition("to run it, ")
    named = {name for name in EXTRAS.values() if name in packages}
    assert named == {EXTRAS[name] for name in imported(page) & set(EXTRAS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_draws_on_figures_of_its_own(page):
    # A figure is kept once its block has run, and a thumbnail is made of it.
    earlier = set()
    for block in re.split(r"^# %%.*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        names = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Name)]
        bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        assert not (used - bound) & earlier
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("plt.subplots"):
                made = ast.walk(node.targets[0])
                earlier |= {part.id for part in made if isinstance(part, ast.Name)}


def test_every_section_has_its_pages_in_order():
    sections = configured("SECTIONS")
    assert set(sections) == {page.parent.name for page in PAGES} - {"choices"}
    for page in PAGES:
        if page.parent.name != "choices":
            assert page.stem in sections[page.parent.name]


def test_thumbnails_are_of_pages_and_of_their_size(tmp_path):
    pytest.importorskip("sphinx_gallery")
    import thumbnails
    from matplotlib import image
    from matplotlib import pyplot as plt

    assert set(thumbnails.PANELS) <= {page.stem for page in PAGES}
    figure, panels = plt.subplots(1, 3, layout="constrained")
    for i, axes in enumerate(panels):
        axes.plot([0, 1], [i, i], label="a line")
        axes.legend()
        axes.set_title("a panel")
    figure.suptitle("three panels")
    thumbnails.draw(figure, [2], tmp_path / "thumbnail.png")
    plt.close(figure)
    assert figure.axes == [panels[2]]
    assert panels[2].get_legend() is None
    height, width, _ = image.imread(tmp_path / "thumbnail.png").shape
    assert (width, height) == (640, 448)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":func:`fixedrank.recover`", "``fixedrank.recover``"),
        (":func:`~fixedrank.recover`", "``recover``"),
        (":doc:`the reference </api>`", "the reference"),
        (":ref:`tutorial <sphx_glr_gallery_start_tutorial.py>`", "tutorial"),
        (":ref:`sphx_glr_gallery_landscape_ensembles.py`", "*Ensembles*"),
        (":math:`W`", ":math:`W`"),
    ],
)
def test_roles_are_plain_words_in_a_notebook(text, words):
    pytest.importorskip("sphinx_gallery")
    import notebooks

    assert notebooks.ROLE.sub(notebooks.plain, text) == words


def test_sections_lie_below_the_gallery():
    """On its first page they are parts of it, so that the table of contents has one gallery."""
    gallery = (ROOT / "examples" / "GALLERY_HEADER.rst").read_text(encoding="utf-8").split("\n")
    assert set(gallery[1]) == {"="}
    for section in configured("SECTIONS"):
        header = (ROOT / "examples" / section / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
        title, line, *_ = header.split("\n")
        assert line == "-" * len(title)
