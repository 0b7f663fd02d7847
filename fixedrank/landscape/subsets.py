"""The subsets of k of the largest sums, one after another, without forming them all."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence


def best_subsets(values: Sequence[float], k: int) -> Iterator[tuple[int, ...]]:
    """Yield all subsets of k indices, by descending sum of their values.

    The values must descend. Every subset other than the first has one parent, whose sum is not
    smaller, so that a heap of the children of what was yielded suffices.
    """
    if not 0 <= k <= len(values):
        return
    first = tuple(range(k))
    heap = [(-float(sum(values[:k])), first)]
    while heap:
        negative, subset = heapq.heappop(heap)
        yield subset
        for position, child in _children(subset, len(values)):
            moved = values[subset[position]] - values[child[position]]
            heapq.heappush(heap, (negative + float(moved), child))


def _children(subset: tuple[int, ...], count: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the subsets whose parent this is, with the position that differs.

    A subset is reached from the first one by moving its last index to where it belongs, then the
    one before it, and so on: next moves the index that moved last, or the one before it.
    """
    k = len(subset)
    moved = next((i for i in range(k) if subset[i] != i), k)
    for position in (moved, moved - 1):
        if 0 <= position < k:
            target = subset[position] + 1
            if target < (subset[position + 1] if position + 1 < k else count):
                yield position, (*subset[:position], target, *subset[position + 1 :])
