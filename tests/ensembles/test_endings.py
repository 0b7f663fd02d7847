"""Processes of a pool end with their parent, however it ends, and quietly."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixedrank._processes import process_pool

ROOT = Path(__file__).parents[2]
SCRIPT = """
import signal
from fixedrank._processes import process_pool
from tests.ensembles.work import long_work

if __name__ == "__main__":
    # In the background of a script, where these tests may run, it would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with process_pool(2) as pool:
            for future in [pool.submit(long_work) for _ in range(4)]:
                future.result()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def started(tmp_path):
    """A script in a group of its own, as a terminal has it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def all_end(process):
    """Wait until nobody holds the pipes open, neither parent nor workers nor the tracker."""
    out, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    return out, errors


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_parent_alone(started, kind):
    assert [started.stdout.readline() for _ in range(2)] == ["working\n"] * 2
    started.send_signal(kind)
    out, errors = all_end(started)
    if kind == signal.SIGINT:
        assert out == "interrupted\n"
        assert not errors
    else:
        assert started.returncode == -kind


def test_an_interrupt_from_a_terminal(started):
    assert [started.stdout.readline() for _ in range(2)] == ["working\n"] * 2
    os.killpg(started.pid, signal.SIGINT)
    assert all_end(started) == ("interrupted\n", "")


def test_an_interrupt_while_the_processes_start(started):
    """One works already; the other imports its modules."""
    assert started.stdout.readline() == "working\n"
    os.killpg(started.pid, signal.SIGINT)
    out, errors = all_end(started)
    assert out.endswith("interrupted\n")
    assert not errors


def fail_beside_work():
    with process_pool(1) as pool:
        pool.submit(time.sleep, 300)
        raise ArithmeticError("of the body")


def test_an_error_in_the_body_does_not_wait_for_work():
    with pytest.raises(ArithmeticError, match="of the body"):
        fail_beside_work()
