"""Animations: files by their suffix, the writers that are there, and W by means over blocks."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import fixedrank
from fixedrank.plotting import animation
from tests.plotting.conftest import PROBLEM, T, layers

mpl.use("Agg")


def test_a_gif(factored, tmp_path):
    factored.animate(tmp_path / "flow.gif", frames=2, fps=10)
    with Image.open(tmp_path / "flow.gif") as file:
        assert file.n_frames == 2
        assert file.info["duration"] == 100


def test_a_page(descent, tmp_path):
    descent.animate(tmp_path / "flow.html", frames=1)
    assert "data:image/png" in (tmp_path / "flow.html").read_text(encoding="utf-8")


def test_without_a_path(factored):
    made = factored.animate(frames=2)
    assert isinstance(made, mpl.animation.FuncAnimation)
    made._draw_frame(1)
    values, pictures, _ = made._fig.axes
    np.testing.assert_array_equal(values.lines[-2].get_ydata(), factored.singular_values[:, 0])
    np.testing.assert_allclose(pictures.images[0].get_array(), factored.product[-1])
    made._draw_frame(0)
    np.testing.assert_allclose(pictures.images[0].get_array(), factored.product[0])
    made._draw_was_started = True  # else it warns that nobody has seen it


def test_w_that_was_not_kept():
    flow = fixedrank.factored_flow(PROBLEM, layers(), T, keep="last")
    made = flow.animate(frames=1)
    assert len(made._fig.axes) == 1
    made._draw_was_started = True


@pytest.mark.parametrize("keep", ["layers", "points", "products"])
def test_a_large_w_by_means_over_blocks(keep):
    rng = np.random.default_rng(0)
    m, n, side = 7 * animation._SIDE, 3 * animation._SIDE, animation._SIDE
    left, middle, right = (rng.standard_normal(shape) for shape in ((m, 2), (2, 2), (2, n)))
    W = left @ middle @ right
    kept = {
        "layers": [right, middle, left],
        "points": fixedrank.FixedRank(m, n, 2, depth=1).point(W),
        "products": W,
    }
    expected = W.reshape(side, 7, side, 3).mean(axis=(1, 3))
    found = animation._PICTURE[keep](kept[keep])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_blocks_of_unequal_sizes():
    rng = np.random.default_rng(1)
    W = rng.standard_normal((animation._SIDE + 7, 2))
    blocks = animation._means(W, 0)
    assert blocks.shape == (animation._SIDE, 2)
    assert np.ptp(W) >= np.ptp(blocks)
    # Blocks of one row are the row, and those of two their mean.
    assert sum(any(np.allclose(block, row) for row in W) for block in blocks) == 53


def test_what_cannot_be_written(factored, monkeypatch):
    monkeypatch.setattr(mpl.animation.writers, "list", lambda: ["pillow", "html"])
    with pytest.raises(ValueError, match=r"'a.mp4': files .mp4 need the writer ffmpeg.*: .gif, "):
        factored.animate("a.mp4")
    with pytest.raises(ValueError, match=r"'a.txt': the suffix tells no writer; .*\.html"):
        factored.animate("a.txt")


def test_bad_input(factored):
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        factored.animate(frames=0)
    with pytest.raises(ValueError, match="fps must be positive and finite, got 0"):
        factored.animate(fps=0)


def test_without_matplotlib(factored, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.animation", None)
    with pytest.raises(ModuleNotFoundError, match=r"fixedrank\[plot\]"):
        factored.animate()


def test_what_fails_leaves_no_part_of_a_file(factored, tmp_path, monkeypatch):
    (tmp_path / "flow.gif").write_bytes(b"before")

    def fails(self, partial, **options):
        self._draw_was_started = True  # else it warns that nobody has seen it
        Path(partial).write_bytes(b"a part")
        raise OSError("the disk is full")

    monkeypatch.setattr("matplotlib.animation.FuncAnimation.save", fails)
    with pytest.raises(OSError, match="the disk is full"):
        factored.animate(tmp_path / "flow.gif", frames=2)
    assert [path.name for path in tmp_path.iterdir()] == ["flow.gif"]
    assert (tmp_path / "flow.gif").read_bytes() == b"before"
