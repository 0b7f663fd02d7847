"""Tables in text files, as spreadsheets write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fixedrank.command.data import from_files
from fixedrank.command.tables import read_table

NUMBERS = np.array([[1.0, -2.5, 3e-7], [4.0, 0.0, 1e6]])
ROWS = [["1", "-2.5", "3e-7"], ["4", "0", "1000000"]]


def text(separator, header=False, ending="\n"):
    rows = [["first", "second one", "x 3"], *ROWS] if header else ROWS
    return "".join(separator.join(row) + ending for row in rows)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_spreadsheets_write(tmp_path, separator, header, encoding, ending):
    path = tmp_path / "table.CSV"
    path.write_bytes(text(separator, header, ending).encode(encoding))
    np.testing.assert_array_equal(read_table(path), NUMBERS)
    np.testing.assert_array_equal(from_files(str(path), None, samples_in_rows=False).X, NUMBERS)


def test_quoted_cells_spaces_and_empty_lines(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('"a, b", c\n"1" , 2\n\n3,"4"\n\n')
    np.testing.assert_array_equal(read_table(path), [[1, 2], [3, 4]])


def test_a_column_and_a_row(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("1\n2\n3")
    assert read_table(path).shape == (3, 1)
    path.write_text("1,2,3")
    assert read_table(path).shape == (1, 3)


@given(
    arrays(
        float,
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_every_number_comes_back_as_it_was(tmp_path_factory, array, separator, header):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    lines = [separator.join(map(repr, row)) for row in array.tolist()]
    if header:
        lines.insert(0, separator.join(f"name {j}" for j in range(array.shape[1])))
    path.write_text("\n".join(lines))
    np.testing.assert_array_equal(read_table(path), array)


@given(
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(["#N/A", "x", "", " ", "nan", "-inf", "1 2", "0x10", "1e", "--", "12_3", "٣"]),
)
def test_one_bad_cell_is_named(tmp_path_factory, row, column, cell):
    """Wherever it stands: nothing is left out in silence."""
    cells = [[str(3 * i + j) for j in range(3)] for i in range(4)]
    cells[row][column] = cell
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text("\n".join(map(",".join, cells)), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"line {row + 1}, column {column + 1}: "):
        read_table(path)
