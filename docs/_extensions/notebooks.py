"""Notebooks of the galleries: roles of Sphinx become plain text."""

import re
from pathlib import Path

from sphinx_gallery import notebook

ROLE = re.compile(r":(func|class|meth|attr|mod|doc|ref):`([^`]*)`")
EXAMPLES = Path(__file__).parents[2] / "examples"
TITLES = {
    f"sphx_glr_gallery_{page.parent.name}_{page.name}": page.read_text("utf-8").split("\n")[1]
    for page in EXAMPLES.glob("*/*.py")
}

# What a notebook begins with.
FIRST_CELL = """\
# In a checkout of fixedrank: pip install '.[all]' notebook
%matplotlib inline
"""


def plain(match):
    """Return the words that a role stands for: its title, or what it names."""
    role, content = match.groups()
    title, _, target = content.rpartition("<")
    if target.endswith(">"):
        return title.strip()
    if role == "ref":
        return f"*{TITLES[content]}*"
    return f"``{content.rpartition('.')[2] if content.startswith('~') else content}``"


def setup(app):
    """Let sphinx-gallery make the text plain before it converts it to Markdown."""
    convert = notebook.rst2md
    notebook.rst2md = lambda text, *others: convert(ROLE.sub(plain, text), *others)
    return {"parallel_read_safe": True}
