"""Bad input to the command: exit code 2 and one line on standard error."""

import sys

import numpy as np
import pytest

from fixedrank.command import main

pytest.importorskip("matplotlib")

QUICK = ["--points", "3", "--time", "0.1"]


@pytest.fixture
def files(tmp_path):
    """A folder of good and bad files."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 8))
    spoiled = X.copy()
    spoiled[1, 2] = np.nan
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "short.npy", X[:, :5])
    np.save(tmp_path / "nan.npy", spoiled)
    np.save(tmp_path / "complex.npy", 1j * X)
    np.save(tmp_path / "text.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    np.save(tmp_path / "none.npy", np.ones((0, 3)))
    np.save(tmp_path / "zero.npy", np.zeros((3, 8)))
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", x=X)
    (tmp_path / "archive.npy").write_bytes((tmp_path / "several.npz").read_bytes())
    (tmp_path / "data.txt").write_text("1,2\n3,4\n")
    (tmp_path / "words.csv").write_text("1,2\na,3\n")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "excel.csv").write_text("1,2\n#N/A,3\n4,5\n")
    (tmp_path / "comment.csv").write_text("# made today\n1,2\n")
    (tmp_path / "blank.csv").write_text("a;b\n1;2\n3;\n")
    (tmp_path / "decimal.csv").write_text("1,5;2\n3;4\n")
    (tmp_path / "latin.csv").write_bytes("größe\n1\n".encode("latin-1"))
    (tmp_path / "under.csv").write_text("1_000,2\n")
    np.save(tmp_path / "days.npy", np.array([["2026-01-01", "2026-01-02"]], dtype="datetime64[D]"))
    np.save(tmp_path / "tiny.npy", 1e-200 * X)
    np.save(tmp_path / "huge.npy", 1e200 * X)
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "inf.csv").write_text("1,2\n3,inf\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "classes.csv").write_text("0,1,2,0,1,2,0,1\n")
    (tmp_path / "one.csv").write_text("0,0,0,0,0,0,0,0\n")
    (tmp_path / "halves.csv").write_text("0,1,0.5,0,1,0,0,1\n")
    (tmp_path / "mixed.csv").write_text("0,1,-1,0,1,0,0,1\n")
    (tmp_path / "few.csv").write_text("0,1,0\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    junk = bytes(range(256)) * 4
    for ending in ("npy", "csv"):
        (tmp_path / f"junk.{ending}").write_bytes(junk)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-20])
    (tmp_path / "folder.npy").mkdir()
    return tmp_path


@pytest.fixture
def message(files, capsys):
    """Run the command with bad arguments, and return what it says on standard error."""

    def run(*arguments):
        written = [str(files / a[1:]) if a.startswith("@") else a for a in map(str, arguments)]
        if "--out" not in written:
            written += ["--out", str(files / "out")]
        assert main(["compare", *QUICK, *written]) == 2
        shown = capsys.readouterr()
        lines = shown.err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("fixedrank: error: ")
        assert "Traceback" not in shown.out
        assert not list(files.glob("out/compare.*"))
        return lines[0]

    return run


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing.npy", "no such file"),
        ("folder.npy", "is a directory"),
        ("data.txt", "must end in .npy or .csv"),
        ("several.npz", "must end in .npy or .csv"),
        ("archive.npy", "archive.npy"),
        ("junk.npy", "not a readable array"),
        ("junk.csv", "not a readable array"),
        ("cut.npy", "not a readable array"),
        ("empty.npy", "not a readable array"),
        ("empty.csv", "empty.csv"),
        ("words.csv", "not a readable array"),
        ("words.csv", "line 2, column 1: found 'a'"),
        ("header.csv", "only a header"),
        ("excel.csv", "line 2, column 1: found '#N/A', which is no number; there are no comments"),
        ("comment.csv", "line 1, column 1: found '# made today'"),
        ("blank.csv", "line 3, column 2: a blank cell"),
        ("decimal.csv", "line 1, column 1: found '1,5': write numbers with a decimal point"),
        ("latin.csv", "is not UTF-8 text"),
        ("under.csv", "line 1, column 1: found '1_000'"),
        ("days.npy", "datetime64"),
        ("tiny.npy", "would leave floating point"),
        ("huge.npy", "would leave floating point"),
        ("ragged.csv", "line 2 has 1 cells where the first has 2, with the comma as separator"),
        ("objects.npy", "not a readable array"),
        ("text.npy", "not a readable array"),
        ("complex.npy", "complex.npy"),
        ("cube.npy", "(2, 2, 2)"),
        ("none.npy", "(0, 3)"),
        ("nan.npy", "1 entries are NaN"),
        ("inf.csv", "line 2, column 2: inf is NaN or infinite"),
    ],
)
@pytest.mark.parametrize("option", ["x", "y"])
def test_files(message, name, text, option):
    arguments = ["--x", "@x.npy"] if option == "y" else []
    line = message(*arguments, f"--{option}", f"@{name}")
    assert text in line
    assert name in line


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--x", "@x.npy", "--y", "@short.npy"], "(3, 5)"),
        (["--x", "@x.npy", "--y", "@x.npy", "--data", "digits"], "exclude"),
        (["--y", "@x.npy"], "--y needs --x"),
        (["--x", "@zero.npy"], "zero"),
        (["--x", "@x.npy", "--rank", "4"], "rank 4 exceeds"),
        (["--x", "@x.npy", "--rank", "0"], "rank"),
        (["--x", "@x.npy", "--depth", "0"], "depth"),
        (["--x", "@x.npy", "--depth", "1", "--rank", "2"], "depth of at least 2"),
        (["--x", "@x.npy", "--time", "-1"], "--time must be positive"),
        (["--x", "@x.npy", "--time", "0"], "--time must be positive"),
        (["--x", "@x.npy", "--time", "nan"], "--time must be positive"),
        (["--x", "@x.npy", "--points", "1"], "--points must be at least 2"),
        (["--x", "@x.npy", "--scale", "0"], "--scale must be positive"),
        (["--x", "@x.npy", "--scale", "inf"], "--scale must be positive"),
        (["--x", "@x.npy", "--rtol", "0"], "rtol"),
        (["--x", "@x.npy", "--method", "Euler"], "unknown method 'Euler'"),
        (["--x", "@x.npy", "--method", "RK4"], "step"),
        (["--x", "@x.npy", "--method", "RK4", "--step", "-1"], "step"),
        (["--x", "@x.npy", "--step", "0.1"], "--step"),
        (["--x", "@x.npy", "--seed", "-1"], "seed"),
        (["--x", "@x.npy", "--weight-decay", "-1"], "--weight-decay must be finite and at least 0"),
        (["--x", "@x.npy", "--weight-decay", "nan"], "--weight-decay must be finite"),
        (["--x", "@x.npy", "--depth", "2", "--imbalance", "1,2"], "for 3 layers, but --depth is 2"),
        (["--x", "@x.npy", "--imbalance", "1,inf"], "inf"),
        (["--x", "@x.npy", "--loss", "softmax"], "needs --y"),
        (["--data", "gaussian", "--loss", "softmax"], "--loss softmax needs classes"),
        (["--x", "@x.npy", "--y", "@x.npy", "--loss", "softmax"], "one label a sample"),
        (["--x", "@x.npy", "--y", "@few.csv", "--loss", "softmax"], "8"),
        (["--x", "@x.npy", "--y", "@one.csv", "--loss", "softmax"], "class"),
        (["--x", "@x.npy", "--y", "@halves.csv", "--loss", "softmax"], "at index 2 there is 0.5"),
        (["--x", "@x.npy", "--y", "@mixed.csv", "--loss", "softmax"], "-1"),
        (["--data", "gaussian", "--rank", "21"], "rank 21"),
        (["--data", "gaussian", "--dim", "0"], "dim"),
        (["--data", "gaussian", "--depth", "0"], "depth"),
        (["--data", "gaussian", "--depth", "1000000"], "--depth must be at most 10000"),
        (["--data", "gaussian", "--dim", "100000"], "--dim must be at most 5000"),
        (["--data", "gaussian", "--points", "100000000"], "--points must be at most 1e+06"),
        (["--data", "gaussian", "--scale", "1e-300"], "--scale must lie between 1e-100"),
        (["--data", "gaussian", "--scale", "1e300"], "--scale must lie between 1e-100"),
        (["--data", "gaussian", "--method", "RK4", "--step", "1e-300"], "takes 1e+299 steps"),
        (["--data", "gaussian", "--dim", "300", "--points", "100000"], "for 100000 output times"),
    ],
)
def test_options(message, arguments, text):
    assert text in message(*arguments)


@pytest.mark.parametrize("name", ["@x.npy", "@x.npy/deeper"])
def test_nowhere_to_write(message, files, name):
    folder = str(files / name[1:])
    line = message("--x", "@x.npy", "--out", folder)
    assert f"--out {folder}" in line
    assert "cannot write" in line


def test_without_matplotlib(message, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "fixedrank[plot]" in message("--x", "@x.npy")


def test_without_scikit_learn(message, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "fixedrank[data]" in message()


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["contrast"], ["compare", "--unknown"], ["compare", "--depth", "two"]),
        *(["compare", "--imbalance", "1,two"], ["compare", "--loss", "hinge"]),
    ],
)
def test_what_argparse_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err.splitlines()[-1]


def test_a_traceback_on_request(files, monkeypatch):
    monkeypatch.setenv("FIXEDRANK_TRACEBACK", "1")
    with pytest.raises(OSError, match="no such file"):
        main(["compare", "--x", str(files / "missing.npy"), "--out", str(files / "out")])


def test_interruption(files, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("fixedrank.command.compare.compare_flows", interrupted)
    code = main(["compare", "--x", str(files / "x.npy"), "--out", str(files / "out")])
    assert code == 130
    assert capsys.readouterr().err == "fixedrank: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ensemble", "--runs", str(10**20)], "--runs must be at most 1e+07"),
        (["ensemble", "--depth", "1000000"], "--depth must be at most 10000"),
        (["ensemble", "--depth", "10000"], "numbers"),
        (["ensemble", "--dim", "100000"], "--dim must be at most 500"),
        (["ensemble", "--scale", "1e-300"], "--scale must lie between"),
        (["ensemble", "--workers", str(10**9)], "--workers must be at most 1024"),
        (["figures", "--workers", str(10**9)], "--workers must be at most 1024"),
    ],
)
def test_options_beyond_sense(arguments, text, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("fixedrank ")
