"""Thumbnails of the galleries: a panel of a picture of the page, drawn anew at their size.

A whole picture would be shrunk to illegible lines, and a picture drawn for the purpose would have
to follow each change of its page. So the panels that are named here are taken from the figure once
the page has shown it. For a page that is not run there is a picture of ratings, which
`python docs/_extensions/thumbnails.py` draws.
"""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.gridspec import GridSpec
from sphinx_gallery.scrapers import matplotlib_scraper

# Width and height in inches: at 100 dots per inch those of a thumbnail, with text of usual size.
# It is written with twice as many dots.
SIZE, DOTS = (3.2, 2.24), 200

# Page: the number of the figure, and panels of it. Of a page that is not named, the first one.
PANELS = {
    "tutorial": (1, [2]),
    "two_flows": (1, [1]),
    "using_pymanopt": (1, [1]),
    "saddle_to_saddle": (1, [1]),
    "autoencoder": (1, [0, 1, 2, 3, 4, 5]),
    "weight_decay": (1, [1]),
    "implicit_bias": (1, [1]),
    "edge_of_stability": (1, [1]),
    "momentum": (1, [2]),
    "double_well": (1, [1]),
    "entropic_force": (2, [2]),
    "temperature_decay": (1, [1]),
    "critical_points": (1, [1]),
    "ensembles": (1, [1]),
    "geodesics": (1, [7, 9, 11]),
    "low_rank_plus_bias": (1, [1]),
    "deep_matrix_factorization": (3, [2]),
    "own_metric": (1, [1]),
    "core_form": (1, [2]),
    "huge_depth": (1, [1]),
    "quadrature": (1, [1]),
    "threads": (1, [1]),
}


def scrape(block, block_vars, gallery_conf, **options):
    """Save the figures of a block as sphinx-gallery does, and draw the thumbnail of the page."""
    paths, page = block_vars["image_path_iterator"], Path(block_vars["src_file"]).stem
    figures = [plt.figure(number) for number in plt.get_fignums()]
    shown = len(paths)
    text = matplotlib_scraper(block, block_vars, gallery_conf, **options)
    number, panels = PANELS.get(page, (1, [0]))
    if shown < number <= shown + len(figures):
        path = Path(paths.image_path).parent / "thumb" / f"{page}_panel.png"
        path.parent.mkdir(exist_ok=True)
        draw(figures[number - shown - 1], panels, path)
        block_vars["file_conf"].setdefault("thumbnail_path", str(path))
    return text


def draw(figure, panels, path):
    """Reduce a figure to some of its panels, and save it at the size of a thumbnail."""
    chosen = [figure.axes[number] for number in panels]
    columns = min(len(chosen), 3)
    grid = GridSpec(len(chosen) // columns, columns, figure=figure)
    for artist in [*figure.axes, *figure.legends, *figure.texts]:
        if artist not in chosen:
            artist.remove()
    for axes, place in zip(chosen, grid, strict=True):
        axes.set_subplotspec(place)
        axes.set(title="")
        axes.tick_params(labelbottom=True, labelleft=True)
        if axes.images:
            axes.set(xlabel="", ylabel="", xticks=[], yticks=[])
        if axes.get_legend():
            axes.get_legend().remove()
    figure.suptitle("")
    figure.set_layout_engine("constrained")
    figure.set_size_inches(SIZE)
    figure.savefig(path, dpi=DOTS)


def draw_ratings(path):
    """Draw a matrix of low rank of which some entries are known."""
    rng = np.random.default_rng(0)
    ratings = rng.standard_normal((21, 2)) @ rng.standard_normal((2, 30))
    known = np.where(rng.random(ratings.shape) < 0.25, ratings, np.nan)
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.imshow(known, cmap="YlOrBr", vmin=-3, vmax=3)
    axes.set(xlabel="films", ylabel="people", xticks=[], yticks=[])
    figure.savefig(path, dpi=DOTS)


if __name__ == "__main__":
    draw_ratings(Path(__file__).parents[1] / "_static" / "ratings.png")
