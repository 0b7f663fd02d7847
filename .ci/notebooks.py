"""Run notebooks of the built galleries from top to bottom; they show as many pictures as the pages.

python .ci/notebooks.py NOTEBOOK...
"""

import re
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat


def problems(path: Path) -> list[str]:
    """Return what is wrong with a notebook beside its page, a line each."""
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = [f"{path}: {role} is not plain" for role in re.findall(r":\w+:`[^`]*`", text)]
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": folder}}
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            return [*found, f"{path}: {error}"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    page = path.with_suffix(".rst").read_text(encoding="utf-8")
    shown = page.count(".. image-sg::")
    if pictures != shown:
        found.append(f"{path}: {pictures} pictures, the page has {shown}")
    found += [
        f"{path}: {output.text}"
        for output in outputs
        if output.get("name") == "stderr" and output.text.strip()
    ]
    return found


if __name__ == "__main__":
    lines = [line for name in sys.argv[1:] for line in problems(Path(name))]
    print("\n".join(lines) or "all notebooks run, and show as many pictures as their pages")
    sys.exit(1 if lines else 0)
