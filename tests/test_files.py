"""Files are written whole or not at all."""

import errno

import pytest

from fixedrank._files import replacing


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "numbers"
    for content in (b"one", b"two"):
        with replacing(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["numbers"]


def write_until_the_disk_is_full(path):
    with replacing(path, "w", encoding="utf-8") as file:
        file.write("half")
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("before", [None, "old"])
def test_a_full_disk_leaves_what_was_there(tmp_path, before):
    path = tmp_path / "numbers"
    if before is not None:
        path.write_text(before)
    with pytest.raises(OSError, match="No space left"):
        write_until_the_disk_is_full(path)
    left = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert left == ({} if before is None else {"numbers": before})
