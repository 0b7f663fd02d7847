"""The one bar: what it shows, how often, and lines where there is no terminal."""

import time

import pytest

from fixedrank._progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_lines_come_every_ten_seconds(clock, capsys):
    with Progress(40, "lines", unit="run") as progress:
        for done, seconds in ((1, 9.9), (2, 10.1), (3, 15), (4, 20.2), (40, 20.3)):
            clock[0] = 100 + seconds
            progress.reach(done, lambda done=done: f"number {done}")
    assert capsys.readouterr().err.splitlines() == [
        "2 of 40 runs, number 2 after 10 s",
        "4 of 40 runs, number 4 after 20 s",
    ]


def test_a_text_is_made_where_it_is_shown(clock, capsys):
    pytest.importorskip("tqdm")
    made = []
    with Progress(1000, True, done=10) as progress:
        for done in range(11, 1001):
            clock[0] += 0.01
            progress.reach(done, lambda done=done: made.append(done) or f"now {done}")
    shown = capsys.readouterr().err
    # At once, every 0.2 s, and at the end.
    assert made[0] == 11
    assert made[-1] == 1000
    assert 45 <= len(made) <= 55
    assert "10/1000" in shown
    assert "1000/1000" in shown
    assert "now 1000" in shown


def test_nothing_is_shown_and_no_text_made(capsys):
    with Progress(3, False) as progress:
        progress.reach(2, lambda: pytest.fail("nobody reads it"))
    assert capsys.readouterr() == ("", "")
