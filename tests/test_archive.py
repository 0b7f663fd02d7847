"""Results in files: every value comes back as it was, and what is no such file is told."""

import json
import math
import zipfile
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from fixedrank._archive import read_archive, write_archive


class Pair(NamedTuple):
    first: object
    second: object


RECORDS = {"Pair": Pair}


def write(path, compressed=False, **content):
    write_archive(path, "Thing", content, records=RECORDS, compressed=compressed)


def read(path, kind="Thing"):
    return read_archive(path, kind, records=RECORDS)


def same(a, b):
    """Whether two values are the same in type and in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or repr(a) == repr(b) == "nan"


shapes = numpy_strategies.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
types = st.sampled_from(["f8", "f4", "i8", "u1", "c16", "?", "U3", ">f8", "M8[s]"])
arrays = types.flatmap(lambda dtype: numpy_strategies.arrays(dtype, shapes))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text(max_size=5)
    | st.floats(width=32).map(np.float32)
)
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        # Items that are alike, and such with others between.
        | st.tuples(inner, st.integers(1, 4)).map(lambda drawn: [drawn[0]] * drawn[1])
    ),
    max_leaves=8,
)


@given(value=values, other=values, compressed=st.booleans())
def test_every_value_comes_back(tmp_path_factory, value, other, compressed):
    path = tmp_path_factory.mktemp("archive") / "file"
    write(path, compressed, value=value, other=other)
    found = read(path)
    assert list(found) == ["value", "other"]
    assert same(found["value"], value)
    assert same(found["other"], other)


def test_numpy_reads_the_arrays_by_their_names(tmp_path):
    rows = [np.arange(3.0), np.arange(3.0) + 1]
    write(tmp_path / "file", t=np.arange(2), kept=rows, pairs=[Pair(row, 1) for row in rows])
    with np.load(tmp_path / "file") as arrays:
        assert set(arrays) == {"t", "kept", "pairs.first", "fixedrank.json"}
        np.testing.assert_array_equal(arrays["kept"], rows)
        np.testing.assert_array_equal(arrays["pairs.first"], rows)
        assert json.loads(arrays["fixedrank.json"])["kind"] == "Thing"


def test_items_that_are_not_alike_make_runs(tmp_path):
    kept = [np.ones(2)] * 3 + [np.ones(1)] * 2 + [np.ones(1, np.float32)]
    write(tmp_path / "file", kept=kept)
    with np.load(tmp_path / "file") as arrays:
        assert arrays["kept-0"].shape == (3, 2)
        assert arrays["kept-1"].shape == (2, 1)
        assert arrays["kept-2"].dtype == np.float32
    assert same(read(tmp_path / "file")["kept"], kept)


def test_arrays_that_are_no_rows_of_memory(tmp_path):
    value = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-1, :, ::2]
    write(tmp_path / "file", value=value, several=[value, value + 1])
    found = read(tmp_path / "file")
    np.testing.assert_array_equal(found["value"], value)
    np.testing.assert_array_equal(found["several"], [value, value + 1])


class Mine(NamedTuple):
    x: int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"value\[1\] is a set, which a file without pickle does not hold: keep arrays"),
        (np.array([None]), r"value\[1\] is of the type object"),
        (np.zeros(1, [("x", float)]), r"value\[1\] is of the type \[\('x', '<f8'\)\]"),
        (np.ma.array([1.0]), r"value\[1\] is a MaskedArray"),
        (Mine(1), r"value\[1\] is a Mine"),
        ({1: 2}, r"value\[1\] is a dict"),
        ({"a": [len]}, r"value\[1\]\.a\[0\] is a builtin_function_or_method"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, value, message):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(TypeError, match=message):
        write(path, value=[0, value])
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def content():
    points = [Pair(np.full((2, 2), i), float(i)) for i in range(4)]
    return {"t": np.linspace(0, 1, 4), "points": points, "status": "reached", "bound": math.inf}


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_was_cut_off(tmp_path, compressed):
    path = tmp_path / "file"
    write(path, compressed, **content())
    whole = path.read_bytes()
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"file is not a file that save\(\) has written, or"):
            read(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_changed_byte_changes_no_value(tmp_path, compressed):
    path = tmp_path / "file"
    write(path, compressed, **content())
    whole, told = path.read_bytes(), 0
    for position in range(0, len(whole), 11):
        changed = bytearray(whole)
        changed[position] ^= 0x15
        path.write_bytes(changed)
        try:
            found = read(path)
        except ValueError as error:
            told += "file" in str(error)
        else:
            # Dates and the like, which nobody asks for.
            assert same(found, content())
    assert told > len(whole) / 20


@pytest.mark.parametrize("found", [b"", b"PK", b"text\n" * 99, b"\x80\x04K\x01."])
def test_other_files(tmp_path, found):
    (tmp_path / "file").write_bytes(found)
    with pytest.raises(ValueError, match="is not a file that save"):
        read(tmp_path / "file")


def test_other_files_of_numpy(tmp_path):
    np.savez(tmp_path / "several.npz", t=np.ones(3))
    np.save(tmp_path / "one.npy", np.ones(3))
    for name in ("several.npz", "one.npy"):
        with pytest.raises(ValueError, match="is not a file that save"):
            read(tmp_path / name)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "file")
    with pytest.raises(OSError):
        read(tmp_path)


def test_another_kind(tmp_path):
    write(tmp_path / "file", t=1)
    with pytest.raises(
        ValueError, match=r"is of the kind Thing, not Box: Thing\.load reads such files"
    ):
        read(tmp_path / "file", "Box")


def rewritten(path, **changes):
    """Replace what a file says of itself."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = {**json.loads(members["fixedrank.json"]), **changes}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "fixedrank.json": json.dumps(header)}.items():
            archive.writestr(name, data)


def test_a_later_format(tmp_path):
    write(tmp_path / "file", t=1)
    rewritten(tmp_path / "file", format=2, version="9.9", content="something new")
    expected = r"written by fixedrank 9.9 in format 2, and this version, .*, reads formats up to 1"
    with pytest.raises(ValueError, match=expected):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    "tree",
    [
        {"array": ".missing"},
        {"record": ["Unknown", []]},
        {"record": ["Pair", []]},
        {"something": 1},
        {"list": [[3, "", {"array": ""}]]},
        {},
        {"a": 1, "b": 2},
    ],
)
def test_a_file_that_says_what_is_not_there(tmp_path, tree):
    write(tmp_path / "file", t=np.ones(2))
    rewritten(tmp_path / "file", content={"t": tree})
    with pytest.raises(ValueError, match=r"is not a file that save\(\) has written, or"):
        read(tmp_path / "file")


def test_pickled_arrays_are_not_read(tmp_path):
    write(tmp_path / "file", t=np.ones(2))
    with zipfile.ZipFile(tmp_path / "file") as archive:
        header = archive.read("fixedrank.json")
    np.save(tmp_path / "t.npy", np.array([{}]), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("fixedrank.json", header)
        archive.write(tmp_path / "t.npy", "t.npy")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read(tmp_path / "file")
