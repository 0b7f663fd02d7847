"""Tables of numbers in text files: a header and the separator are found out, the rest is exact."""

from __future__ import annotations

import csv
import io
import math
import warnings
from pathlib import Path

import numpy as np

from fixedrank._checks import Array

_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma"}


def read_table(path: Path) -> Array:
    """Return the numbers of a text file, a row a line.

    Cells are separated by tabs, semicolons or commas, whichever occurs first in this order. A
    first line without any number is a header and left out. Nothing else is: there are no comments.

    Raises
    ------
    ValueError
        Where a cell is no finite number: line, column, and what was found.
    """
    text = _decoded(path.read_bytes())
    if not text.strip():
        raise ValueError("the file is empty")
    separator = next((mark for mark in _SEPARATORS if mark in text), ",")
    header = _has_header(text, separator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files without numbers, which are refused below
            array = np.loadtxt(
                io.StringIO(text),
                delimiter=separator,
                comments=None,
                quotechar='"',
                skiprows=int(header),
                ndmin=2,
            )
    except ValueError as error:
        _find_fault(text, separator, header)
        raise ValueError(f"not a table of numbers: {error}") from error
    if not array.size or not np.isfinite(array).all():
        _find_fault(text, separator, header)
    return array


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start} is not {encoding.removesuffix('-sig').upper()} text: save the "
            'table as "CSV UTF-8"'
        ) from error


def _number(cell: str) -> float | None:
    """Return the number in a cell, or None: as numpy.loadtxt reads it."""
    try:
        return float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        return None


def _has_header(text: str, separator: str) -> bool:
    first = next(csv.reader(io.StringIO(text), delimiter=separator))
    names = [cell.strip() for cell in first]
    return all(name and _number(name) is None and not name.startswith("#") for name in names)


def _find_fault(text: str, separator: str, header: bool) -> None:
    """Raise an error that names the first cell that is wrong."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    width = 0
    for row in reader:
        line = reader.line_num
        if not row or (header and line == 1):
            continue
        width = width or len(row)
        if len(row) != width:
            raise ValueError(
                f"line {line} has {len(row)} cells where the first has {width}, with "
                f"the {_SEPARATORS[separator]} as separator"
            )
        for column, cell in enumerate(row, 1):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                raise ValueError(f"line {line}, column {column}: {_fault(cell, separator)}")
    if not width:
        raise ValueError("there are no numbers in it, only a header")


def _fault(cell: str, separator: str) -> str:
    text = cell.strip()
    if not text:
        return "a blank cell; fill it in or leave out the sample"
    if _number(text) is not None:
        return f"{text} is NaN or infinite; fill it in or leave out the sample"
    if text.startswith("#"):
        return f"found {text!r}, which is no number; there are no comments in a table of data"
    if separator != "," and _number(text.replace(",", ".")) is not None:
        return f"found {text!r}: write numbers with a decimal point"
    return f"found {text[:40]!r}, which is no number"
