"""Depths are told apart by colour, whatever cones one has, and without colour by dashes."""

import itertools
import math

import numpy as np
import pytest

from fixedrank.plotting import depth_style, order_style

USUAL = (1, 2, 3, 4, 5, 10, 20, math.inf)
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip


def lab(color, sight):
    """CIELAB of an sRGB colour as it is seen."""
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(sight) @ linear, 0, 1)
    x, y, z = np.cbrt(TO_XYZ @ seen / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_are_far_apart(sight):
    seen = [lab(depth_style(depth)["color"], SIGHT[sight]) for depth in USUAL]
    # A just noticeable difference is 2.3.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 23


def test_colours_are_seen_on_white():
    assert all(lab(depth_style(depth)["color"], np.eye(3))[0] < 75 for depth in USUAL)


@pytest.mark.parametrize("what", ["linestyle", "marker"])
def test_without_colour(what):
    assert len({depth_style(depth)[what] for depth in USUAL}) == len(USUAL)


def test_any_real_depth():
    found = [depth_style(n)["color"] for n in (2, 2.2, 2.5, 2.8, 3, 7, 40, 1e300, math.inf)]
    assert len(set(found[:-2])) == 7
    assert found[-2:] == [depth_style(math.inf)["color"]] * 2
    for near, depth in ((2.2, 2), (2.8, 3), (7, 5), (8, 10), (30, 20), (100, math.inf)):
        assert depth_style(near)["marker"] == depth_style(depth)["marker"]
    # Between two neighbours, each channel lies between theirs.
    low, between, high = (
        bytes.fromhex(depth_style(n)["color"][1:]) for n in (10, np.float64(14.5), 20)
    )
    assert all(min(a, c) < b < max(a, c) for a, b, c in zip(low, between, high, strict=True))


def test_no_depth():
    assert depth_style(None)["color"] not in {depth_style(depth)["color"] for depth in USUAL}


def test_orders_take_the_looks_in_turn():
    looks = [order_style(i) for i in range(9)]
    assert looks[8] == looks[0]
    assert all(a != b for a, b in itertools.combinations(looks[:8], 2))


@pytest.mark.parametrize("depth", [0.5, -1, math.nan])
def test_depths_out_of_range(depth):
    with pytest.raises(ValueError, match="depth must be a real number N >= 1 or math.inf, got"):
        depth_style(depth)


@pytest.mark.parametrize("depth", ["2", True, [2]])
def test_what_is_no_depth(depth):
    with pytest.raises(TypeError, match="depth must be a real number"):
        depth_style(depth)
