"""The same table from two runs, as two columns of one."""

import re
from itertools import takewhile

# The end of a label: where the columns of a line begin.
GAP = re.compile(r"(\s{2,}|[:=,(]\s)")


def side_by_side(first: str, second: str, names: tuple[str, str]) -> str:
    """Return one table, where what differs in a line of the second stands beside the first.

    Tables whose lines do not correspond stand below each other.
    """
    ours, theirs = first.splitlines(), second.splitlines()
    if len(ours) != len(theirs):
        return f"{names[0]}\n\n{first}\n\n{names[1]}\n\n{second}"
    width = max(len(line) for line in ours)
    lines = [f"{names[0]:{width}}  |  {names[1]}", ""]
    for line, other in zip(ours, theirs, strict=True):
        if line == other:
            lines.append(line)
            continue
        same = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(line, other, strict=False))
        )
        # Gaps may be of different lengths, before numbers of different lengths.
        starts = [gap.start() for gap in GAP.finditer(line) if gap.start() <= same]
        ends = [gap.end() for gap in (GAP.match(other, start) for start in starts) if gap]
        lines.append(f"{line:{width}}  |  {other[max(ends, default=0) :].lstrip()}")
    return "\n".join(lines)
