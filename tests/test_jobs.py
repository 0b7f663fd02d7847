"""Jobs: what is kept, what is begun again, and what is told of those that an executor fails at."""

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank._jobs import run_jobs


class Memory(dict):
    """A store in memory."""

    def load(self, keys):
        return {key: self[key] for key in keys if key in self}

    def save(self, results):
        self.update(results)


class Recorder:
    """Work that remembers what it was asked for, and fails when it is told to."""

    def __init__(self, fails=()):
        self.asked, self.fails = [], dict(fails)

    def __call__(self, keys):
        for key in keys:
            self.asked.append(key)
            if key in self.fails:
                raise self.fails.pop(key)
        return [key**2 for key in keys]


def refuse(key, lost):
    raise AssertionError(f"{key} was lost: {lost.reason}")


@given(
    keys=st.lists(st.integers(), unique=True, max_size=12),
    kept=st.sets(st.integers(0, 11)),
    batch=st.integers(1, 5),
    threads=st.booleans(),
)
def test_each_key_is_computed_once_unless_it_is_kept(keys, kept, batch, threads):
    store = Memory({keys[i]: "kept" for i in kept if i < len(keys)})
    before, work = dict(store), Recorder()
    with ThreadPoolExecutor(2) as executor:
        found = run_jobs(
            work, keys, store, refuse, batch=batch, executor=executor if threads else None
        )
    assert list(found) == keys
    assert found == {key: before.get(key, key**2) for key in keys}
    assert sorted(work.asked) == sorted(set(keys) - set(before))
    assert store == found


@pytest.mark.parametrize("batch", [1, 2])
def test_interrupted_and_begun_again(batch):
    store, work = Memory(), Recorder({4: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        run_jobs(work, range(7), store, refuse, batch=batch)
    assert store == {0: 0, 1: 1, 2: 4, 3: 9}
    assert run_jobs(work, range(7), store, refuse, batch=batch) == {i: i**2 for i in range(7)}
    assert sorted(work.asked) == [0, 1, 2, 3, 4, 4, 5, 6]


class Failing:
    """An executor that fails at a key so often, and breaks at another."""

    def __init__(self, key, times, breaks=None):
        self.key, self.times, self.breaks = key, times, breaks

    def submit(self, work, keys):
        future = Future()
        if self.breaks in keys:
            future.set_exception(BrokenExecutor("no workers are left"))
        elif self.key in keys and self.times:
            self.times -= 1
            future.set_exception(OSError("the node went away"))
        else:
            future.set_result(work(keys))
        return future


def test_what_fails_twice_is_tried_a_third_time():
    found = run_jobs(Recorder(), range(3), None, refuse, executor=Failing(1, 2))
    assert found == {0: 0, 1: 1, 2: 4}


def test_what_fails_three_times_is_lost_and_not_kept():
    store = Memory()
    found = run_jobs(
        Recorder(), range(3), store, lambda key, lost: lost.reason, executor=Failing(1, 3)
    )
    assert found == {0: 0, 1: "OSError: the node went away", 2: 4}
    assert store == {0: 0, 2: 4}


def test_a_broken_executor_is_told_when_what_it_did_is_kept():
    store = Memory()
    with pytest.raises(BrokenExecutor, match="no workers"):
        run_jobs(Recorder(), range(4), store, refuse, executor=Failing(9, 0, breaks=2))
    assert store == {0: 0, 1: 1, 3: 9}
