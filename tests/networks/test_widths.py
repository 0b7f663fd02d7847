"""The integer grids of the appendix."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import layer_widths


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # Appendix A, by hand from d_j = ceil(r + (d - r)(j - 1)/(N - 1)).
        ((20, 2, 2), [20, 2, 20]),
        ((20, 2, 5), [20, 2, 7, 11, 16, 20]),
        ((20, 2, 10), [20, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]),
        ((200, 20, 5), [200, 20, 65, 110, 155, 200]),
        # Appendix B.3.
        ((20, 1, 5), [20, 1, 6, 11, 16, 20]),
        # Rectangular: the grid runs to d_y.
        (((7, 4), 2, 3), [7, 2, 3, 4]),
        (((4, 7), 4, 2), [4, 4, 7]),
        ((3, 3, 4), [3, 3, 3, 3, 3]),
        ((3, 3, 1), [3, 3]),
        (((5, 3), 3, 1), [5, 3]),
    ],
)
def test_rounding_up(arguments, expected):
    assert layer_widths(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # Appendix B.1 with r = d/2: 5, 6.25, 7.5, 8.75, 10 with halves up.
        ((10, 5, 5), [10, 5, 6, 8, 9, 10]),
        ((20, 10, 4), [20, 10, 13, 17, 20]),
        ((4, 1, 3), [4, 1, 3, 4]),
    ],
)
def test_rounding_to_nearest(arguments, expected):
    assert layer_widths(*arguments, rounding="nearest") == expected


@st.composite
def grids(draw):
    d_x, d_y = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    return (d_x, d_y), draw(st.integers(1, min(d_x, d_y))), draw(st.integers(2, 60))


@given(grid=grids(), rounding=st.sampled_from(["up", "nearest"]))
def test_the_formula_in_exact_arithmetic(grid, rounding):
    (d_x, d_y), rank, depth = grid
    widths = layer_widths((d_x, d_y), rank, depth, rounding=rounding)
    assert widths[:2] == [d_x, rank]
    assert widths[-1] == d_y
    assert len(widths) == depth + 1
    assert all(type(width) is int for width in widths)
    for j in range(1, depth + 1):
        place = rank + Fraction((d_y - rank) * (j - 1), depth - 1)
        rounded = math.ceil(place) if rounding == "up" else math.floor(place + Fraction(1, 2))
        assert widths[j] == rounded


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((3, 4, 2), ValueError, "rank 4.*3"),
        (((5, 3), 4, 2), ValueError, "rank 4.*3"),
        ((5, 2, 1), ValueError, "depth of at least 2"),
        ((5, 0, 2), ValueError, "rank must be at least 1"),
        ((5, 2, 0), ValueError, "depth must be at least 1"),
        ((0, 1, 2), ValueError, "d must be at least 1"),
        ((5, 2, 2.0), TypeError, "depth must be an integer"),
        ((5, 2.0, 2), TypeError, "rank must be an integer"),
        (((5, 3, 4), 2, 2), ValueError, "pair"),
        (((5.0, 3), 2, 2), TypeError, "d must be an integer"),
        ((5.0, 2, 2), TypeError, "d must be"),
    ],
)
def test_bad_numbers(arguments, error, text):
    with pytest.raises(error, match=text):
        layer_widths(*arguments)


def test_bad_rounding():
    with pytest.raises(ValueError, match=r"'up' or 'nearest'.*'down'"):
        layer_widths(5, 2, 2, rounding="down")
