"""What a store takes, what it refuses, and by what it knows an experiment."""

import dataclasses
import functools
import sqlite3
from concurrent.futures import Future

import numpy as np
import pytest

from fixedrank import Experiment, run_ensemble
from fixedrank import _fingerprint as module
from fixedrank.ensembles.store import RecordStore
from tests.ensembles import experiments

OTHER = {
    "problem": experiments.problem(seed=1),
    "widths": [3, 4, 3],
    "initialisation": "gaussian",
    "scale": 0.7,
    "rank": 1,
    "end": 900.0,
    "tolerance": 1e-5,
    "rtol": 1e-7,
    "atol": 1e-8,
    "weight_decay": 0.1,
    "continue_to": 2000.0,
}


def balanced(**options):
    given = {"initialisation": "balanced", "rank": 2, "scale": 0.5, **options}
    if given["initialisation"] != "balanced":
        given["rank"] = None
    return experiments.small(**given) if "problem" not in given else Experiment(**given)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Experiment)])
def test_every_field_is_in_the_fingerprint(field, tmp_path):
    options = {"problem": experiments.problem(), "widths": [3, 3, 3]}
    before = balanced(**options)
    after = balanced(**{**options, field: OTHER[field]})
    assert before.fingerprint() == balanced(**options).fingerprint()
    assert before.fingerprint() != after.fingerprint()
    RecordStore(tmp_path / "store", before).close()
    with pytest.raises(ValueError, match="another experiment"):
        RecordStore(tmp_path / "store", after)


def test_a_field_of_tomorrow_is_in_the_fingerprint():
    @dataclasses.dataclass(frozen=True, eq=False)
    class Moving(Experiment):
        momentum: float = 0.0

    options = {"problem": experiments.problem(), "widths": [3, 3, 3]}
    prints = {Moving(**options, momentum=value).fingerprint() for value in (0.0, 0.1)}
    assert len(prints | {Experiment(**options).fingerprint()}) == 3


def test_a_field_that_cannot_be_hashed_is_refused():
    @dataclasses.dataclass(frozen=True, eq=False)
    class Odd(Experiment):
        extra: object = None

    with pytest.raises(TypeError, match="extra of the experiment is of the kind object"):
        Odd(experiments.problem(), [3, 3, 3], extra=object()).fingerprint()


def test_equal_numbers_of_other_types_are_equal():
    one = experiments.small(scale=1, end=10)
    assert one.fingerprint() == experiments.small(scale=np.float32(1), end=10.0).fingerprint()


def test_the_version_of_the_library_is_in_the_fingerprint(monkeypatch):
    before = experiments.small().fingerprint()
    monkeypatch.setattr(module, "version", lambda: "99.0")
    assert experiments.small().fingerprint() != before


START = """
import numpy as np

def start(widths, rng):
    return [{scale} * np.eye(b, a) for a, b in zip(widths, widths[1:])]

class Start:
    def __call__(self, widths, rng):
        return start(widths, rng) if {scale} else None
"""


@pytest.mark.parametrize("kind", ["function", "object", "partial"])
def test_an_edited_initialisation_is_another_one(kind, tmp_path, monkeypatch):
    prints = []
    for scale in (0.5, 0.6, 0.5):
        folder = tmp_path / str(len(prints))
        folder.mkdir()
        (folder / "start_of_mine.py").write_text(START.format(scale=scale))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            patch.delitem(__import__("sys").modules, "start_of_mine", raising=False)
            mine = __import__("start_of_mine")
            start = {
                "function": mine.start,
                "object": mine.Start(),
                "partial": functools.partial(mine.start),
            }[kind]
            prints.append(experiments.small(initialisation=start).fingerprint())
            patch.delitem(__import__("sys").modules, "start_of_mine")
    assert prints[0] != prints[1]
    assert prints[0] == prints[2]


def test_a_foreign_database_is_not_touched(tmp_path):
    path = tmp_path / "addresses.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (name, street)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match="a database with the tables people"):
        run_ensemble(experiments.small(), [0], workers=1, store=path)
    assert path.read_bytes() == before


def test_a_store_of_another_version_is_known_as_one(tmp_path):
    path = tmp_path / "runs.sqlite"
    run_ensemble(experiments.small(), [0], workers=1, store=path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE experiment SET format = format - 1")
        connection.execute("ALTER TABLE runs RENAME COLUMN told_by TO judged_by")
    connection.close()
    with pytest.raises(ValueError, match="another version of the library"):
        run_ensemble(experiments.small(), [0], workers=1, store=path)


def test_tables_of_the_same_names_are_not_enough(tmp_path):
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiment (format, fingerprint)")
        connection.execute("CREATE TABLE runs (distance, time)")
    connection.close()
    with pytest.raises(ValueError, match="not a store of an ensemble"):
        run_ensemble(experiments.small(), [0], workers=1, store=path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", "'two'"),
        ("rank", "NULL"),
        ("loss_gap", "'small'"),
        ("limit", "3"),
        ("status", "x'00ff'"),
        ("steps", "1.5"),
    ],
)
def test_cells_of_a_wrong_type(name, value, tmp_path):
    path = tmp_path / "runs.sqlite"
    run_ensemble(experiments.small(), range(3), workers=1, store=path)
    with sqlite3.connect(path) as connection:
        connection.execute(f'UPDATE runs SET "{name}" = {value} WHERE seed = 1')
    connection.close()
    with pytest.raises(ValueError, match=f"the run of seed 1 has {name} = .*remove that row"):
        run_ensemble(experiments.small(), range(3), workers=1, store=path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM runs WHERE seed = 1")
    connection.close()
    assert len(run_ensemble(experiments.small(), range(3), workers=1, store=path)) == 3


class LosesEverything:
    """An executor that no work comes back from."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_exception(OSError("the node went away"))
        return future


def test_what_an_executor_lost_is_not_kept(tmp_path):
    """It is told, not written, and tried again the next time."""
    path, experiment = tmp_path / "runs.sqlite", experiments.small()
    lost = run_ensemble(experiment, range(4), executor=LosesEverything(), batch=2, store=path)
    assert lost.limits == {"failed": 4}
    assert {record.status for record in lost.records} == {"lost: OSError: the node went away"}
    store = RecordStore(path, experiment)
    assert store.load(range(4)) == {}
    store.close()
    again = run_ensemble(experiment, range(4), workers=1, store=path)
    assert again.limits == {"global minimum": 4}
