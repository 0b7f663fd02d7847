"""Checks of what users hand in: each error says what was wrong, with sizes and values."""

from fixedrank._checks.arrays import (
    Array,
    finite_array,
    number_of_axes,
    real_array,
    refuse_masked,
    require_finite,
)
from fixedrank._checks.numbers import (
    Seed,
    integer_sequence,
    nonnegative_number,
    positive_integer,
    positive_number,
    real_depth,
    sizes_and_rank,
)
from fixedrank._checks.rank import (
    RankLostError,
    numerical_rank,
    round_off,
)

__all__ = [
    "Array",
    "RankLostError",
    "Seed",
    "finite_array",
    "integer_sequence",
    "nonnegative_number",
    "number_of_axes",
    "numerical_rank",
    "positive_integer",
    "positive_number",
    "real_array",
    "real_depth",
    "refuse_masked",
    "require_finite",
    "round_off",
    "sizes_and_rank",
]
