"""Results in .npz files, without pickle: arrays under names, and a member that says what they are.

The arrays are those of `numpy.load`, the member "fixedrank.json" holds the rest: what kind of
result it is, the version of the format, and a tree of values with the arrays as its leaves. Items
of a list that are alike but for their entries are stacked along a first axis, so that the points
of 2000 times make three arrays. What JSON and .npy hold comes back bit for bit.
"""

from __future__ import annotations

import errno
import itertools
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib import format as npy

from fixedrank._files import replacing
from fixedrank._version import version

FORMAT = 1
_TREE = "fixedrank.json"
# Numbers, text, bytes and dates: the types whose values .npy holds whole.
_KINDS = "biufcSUmM"
# What comes of a file that is none, or was cut off or changed.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ValueError,
)

# Types of named tuples that a file may hold, by their names.
Records: TypeAlias = Mapping[str, type]


class _Leaf(NamedTuple):
    """An array, or arrays that are alike, one after another along a first axis."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: list[Any]

    def blocks(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, _Leaf):
                yield from part.blocks()
            else:
                yield part.tobytes()


class _Encoded(NamedTuple):
    """A value as what JSON takes, with the paths of its arrays in it, and the arrays."""

    tree: Any
    leaves: list[_Leaf]

    def form(self) -> Any:
        """Return what two values share that differ in the entries of arrays only."""
        arrays = [(leaf.path, leaf.shape, npy.dtype_to_descr(leaf.dtype)) for leaf in self.leaves]
        return json.dumps(self.tree), arrays


def write_archive(
    path: Any,
    kind: str,
    content: Mapping[str, Any],
    *,
    records: Records,
    compressed: bool = False,
) -> None:
    """Write values to a file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; nothing is added to its name.
    kind : str
        What the values are, which :func:`read_archive` asks for.
    content : mapping of str to object
        Arrays, numbers, text and None, and tuples, lists, records and dicts of them. The names are
        identifiers.
    records : mapping of str to type
        The types of named tuples that may occur.
    compressed : bool
        Whether to compress the arrays, which takes longer.

    Raises
    ------
    TypeError
        If a value is of another kind.
    OSError
        If the file cannot be written.
    """
    known = {made: name for name, made in records.items()}
    encoded = {name: _encode(value, name, known) for name, value in content.items()}
    header = {
        "format": FORMAT,
        "kind": kind,
        "version": version(),
        "content": {name: value.tree for name, value in encoded.items()},
    }
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with replacing(path) as file, zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(_TREE, json.dumps(header))
        for name, value in encoded.items():
            for leaf in value.leaves:
                with archive.open(f"{name}{leaf.path}.npy", "w", force_zip64=True) as member:
                    _write(member, leaf)


def _write(member: IO[bytes], leaf: _Leaf) -> None:
    descr = npy.dtype_to_descr(leaf.dtype)
    header = {"descr": descr, "fortran_order": False, "shape": leaf.shape}
    npy.write_array_header_1_0(member, header)
    for block in leaf.blocks():
        member.write(block)


def read_archive(path: Any, kind: str, *, records: Records) -> dict[str, Any]:
    """Return what :func:`write_archive` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it should hold.
    records : mapping of str to type
        The types of named tuples that may occur.

    Returns
    -------
    dict
        The values by their names.

    Raises
    ------
    ValueError
        If the file is none of those, was cut off or damaged, holds another kind, or is in the
        format of a later version.
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            return _read(file, path, kind, records)
        except UnreadableError:
            raise
        except OSError as error:
            # What was changed may say that something stands before the beginning of the file.
            if error.errno == errno.EINVAL:
                raise _unreadable(path, error) from error
            raise
        except _DAMAGES as error:
            raise _unreadable(path, error) from error


def _read(file: IO[bytes], path: Any, kind: str, records: Records) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        header = json.loads(archive.read(_TREE))
        _require_readable(path, kind, header)

        def array(name: str) -> Any:
            with archive.open(f"{name}.npy") as member:
                return npy.read_array(member, allow_pickle=False)

        return {
            name: _decode(tree, _Loaded(name, array).get, records)
            for name, tree in header["content"].items()
        }


class UnreadableError(ValueError):
    """A file that does not hold what was asked for."""


def _unreadable(path: Any, error: Exception) -> UnreadableError:
    return UnreadableError(
        f"{path} is not a file that save() has written, or it was cut off or changed "
        f"({type(error).__name__}: {error})"
    )


def _require_readable(path: Any, kind: str, header: Mapping[str, Any]) -> None:
    found, number, writer = header["kind"], header["format"], header["version"]
    if number > FORMAT:
        raise UnreadableError(
            f"{path} was written by fixedrank {writer} in format {number}, and this version, "
            f"{version()}, reads formats up to {FORMAT}: install a later one to load it"
        )
    if found != kind:
        reader = f": {found}.load reads such files" if str(found).isidentifier() else ""
        raise UnreadableError(f"{path} is of the kind {found}, not {kind}{reader}")


# Values as trees


def _encode(value: Any, where: str, known: Mapping[type, str]) -> _Encoded:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return _Encoded(value, [])
    if kind is complex:
        return _Encoded({"complex": [value.real, value.imag]}, [])
    if kind is np.ndarray or isinstance(value, np.generic):
        if value.dtype.kind not in _KINDS:
            raise _refusal(where, f"of the type {value.dtype}")
        array = np.asarray(value)
        leaf = _Leaf("", array.shape, array.dtype, [array])
        return _Encoded({"array" if kind is np.ndarray else "scalar": ""}, [leaf])
    if kind is list:
        return _encoded_list(value, where, known)
    if kind is tuple or kind in known:
        parts = {str(i): item for i, item in enumerate(value)}
        if kind in known:
            parts = dict(zip(value._fields, value, strict=True))
        inside = _encoded_parts(parts, where, known)
        name = "tuple" if kind is tuple else known[kind]
        return _Encoded({"record": [name, list(inside.tree.values())]}, inside.leaves)
    if kind is dict and all(type(key) is str for key in value):
        inside = _encoded_parts(value, where, known)
        return _Encoded({"dict": inside.tree}, inside.leaves)
    raise _refusal(where, f"a {kind.__name__}")


def _refusal(where: str, what: str) -> TypeError:
    return TypeError(
        f"{where} is {what}, which a file without pickle does not hold: keep arrays, numbers, text "
        "and None, or tuples, lists and dicts of them. dataclasses.replace(result, name=...) "
        "returns a copy with something else in a field, such as kept=[]"
    )


def _encoded_parts(parts: Mapping[str, Any], where: str, known: Mapping[type, str]) -> _Encoded:
    """Encode values by their names, under paths that do not meet each other."""
    tree, leaves = {}, []
    for i, (key, part) in enumerate(parts.items()):
        step = f".{key if key.isascii() and key.isidentifier() else i}"
        inside = _encode(part, f"{where}.{key}", known)
        # Without a number where there is no array, so that what is alike is found to be.
        tree[key] = [step if inside.leaves else "", inside.tree]
        leaves += [leaf._replace(path=step + leaf.path) for leaf in inside.leaves]
    return _Encoded(tree, leaves)


def _encoded_list(items: list[Any], where: str, known: Mapping[type, str]) -> _Encoded:
    """Encode a list in runs of items that are alike, each run as one item of stacked arrays."""
    encoded = [_encode(item, f"{where}[{i}]", known) for i, item in enumerate(items)]
    runs = [list(run) for _, run in itertools.groupby(encoded, _Encoded.form)]
    tree, leaves = [], []
    for number, run in enumerate(runs):
        step = f"-{number}" if len(runs) > 1 else ""
        tree.append([len(run), step, run[0].tree])
        for several in zip(*(item.leaves for item in run), strict=True):
            one = several[0]
            shape = (len(run), *one.shape)
            leaves.append(_Leaf(step + one.path, shape, one.dtype, list(several)))
    return _Encoded({"list": tree}, leaves)


class _Loaded:
    """The arrays of a file under a path, each read once."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self.read, self.arrays = name, read, dict[str, Any]()

    def get(self, path: str) -> Any:
        if path not in self.arrays:
            self.arrays[path] = self.read(self.name + path)
        return self.arrays[path]


def _decode(tree: Any, get: Callable[[str], Any], records: Records) -> Any:
    """Return the value of a tree whose arrays `get` returns by their paths."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inside),) = tree.items()
    if kind == "array":
        return get(inside)
    if kind == "scalar":
        return get(inside)[()]
    if kind == "complex":
        return complex(*inside)
    if kind == "list":
        return [
            _decode(item, _item_of(get, step, index), records)
            for count, step, item in inside
            for index in range(count)
        ]
    if kind == "dict":
        return {key: _decode_part(part, get, records) for key, part in inside.items()}
    if kind == "record":
        name, parts = inside
        values = [_decode_part(part, get, records) for part in parts]
        return tuple(values) if name == "tuple" else records[name](*values)
    raise ValueError(f"unknown kind of value {kind!r}")


def _decode_part(part: tuple[str, Any], get: Callable[[str], Any], records: Records) -> Any:
    step, tree = part
    return _decode(tree, lambda path: get(step + path), records)


def _item_of(get: Callable[[str], Any], step: str, index: int) -> Callable[[str], Any]:
    return lambda path: get(step + path)[index, ...]
