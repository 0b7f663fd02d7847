"""Check the archives that `python -m build` made, and the files that name the project elsewhere.

python .ci/distribution.py FOLDER unpacks the source archive there, for the tests that run from it.
"""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import rattler_build
import yaml

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
version = project["project"]["version"]
# What conda calls otherwise than the index of Python.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "dask": "distributed"}
# What a source archive has besides.
ADDED = {"PKG-INFO"}


def unpacked(folder: Path) -> list[str]:
    """Unpack the source archive, and say how it differs from what git holds."""
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    root = folder / f"fixedrank-{version}"
    if not Path(".git").exists():
        return []
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    held = {name for name in listed.stdout.split("\0") if name}
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - ADDED
    wrong = [f"{name} is missing in {archive.name}" for name in sorted(held - found)]
    wrong += [f"{name} is in {archive.name}, not in git" for name in sorted(found - held)]
    return wrong


def description(folder: Path) -> list[str]:
    """Say which links of the README an index could not follow."""
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        text = wheel.read(f"fixedrank-{version}.dist-info/METADATA").decode()
    links = re.findall(r"\]\(([^)]*)\)", text)
    return [f"the README links to {link}" for link in links if not link.startswith("https://")]


def normalised(requirements: list[str]) -> set[str]:
    """Return requirements in one form: name, comparison, version."""
    parts = (re.match(r"([\w-]+)(?:\[[\w,]*\])?\s*(.*)", one).groups() for one in requirements)
    return {f"{CONDA_NAMES.get(name, name)} {rest}" for name, rest in parts}


def elsewhere() -> list[str]:
    """Say where the conda recipe and the citation do not agree with pyproject.toml."""
    recipe = rattler_build.Stage0Recipe.from_file(".conda/recipe.yaml")
    (rendered,) = recipe.render(rattler_build.VariantConfig())
    conda = rendered.recipe.to_dict()
    extras = project["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    names = re.search(r"\[(.*)\]", everything)[1].split(",")
    python = f"python {project['project']['requires-python']}"
    wanted = {
        "run": normalised(project["project"]["dependencies"]) | {python},
        "run_constraints": normalised([one for name in names for one in extras[name]]),
    }
    wrong = [
        f"conda's {part}: {sorted(normalised(conda['requirements'][part]) ^ expected)}"
        for part, expected in wanted.items()
        if normalised(conda["requirements"][part]) != expected
    ]
    hosts = normalised(project["build-system"]["requires"])
    if not hosts <= normalised(conda["requirements"]["host"]):
        wrong.append(f"conda's host requirements lack some of {sorted(hosts)}")
    cited = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))
    for where, other in (("recipe", conda["package"]["version"]), ("citation", cited["version"])):
        if other != version:
            wrong.append(f"the {where} is of version {other}, the project of {version}")
    return wrong


if __name__ == "__main__":
    target = Path(sys.argv[1])
    lines = unpacked(target) + description(target) + elsewhere()
    print("\n".join(lines) or "the archives hold what git holds, and recipe and citation agree")
    sys.exit(1 if lines else 0)
