"""How many independent samples a correlated series is worth."""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array


def correlation_time(values: Array) -> float:
    """Return 1 + 2 sum of the autocorrelations of series along the first axis, at least 0.

    Those of the columns are averaged, about one mean. The sum ends where that of two neighbours is
    no longer positive, and does not rise: Geyer's initial monotone sequence.
    """
    count = len(values)
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), size, axis=0)
    squares = np.fft.irfft((spectrum * spectrum.conj()).real.sum(axis=1), size)[:count]
    correlations = squares / squares[0]
    pairs = correlations[: count - count % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    pairs = pairs[: negative[0]] if negative.size else pairs
    return max(2 * float(np.minimum.accumulate(pairs).sum()) - 1, 1 / count)


def effective_samples(values: Array) -> float:
    """Return the number of independent samples whose mean is as exact as that of all values."""
    if not values.size or values.min() == values.max():
        shown = f", all are {values.flat[0]:.6g}" if values.size else ""
        raise ValueError(
            f"the {values.size} values do not vary{shown}: an effective sample size is that of "
            "values that do"
        )
    scaled = values / np.abs(values).max()
    return values.size / correlation_time(scaled.reshape(len(values), -1))
