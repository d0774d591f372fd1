"""Prose without misspellings: the README, the notebooks, comments and docstrings."""

import subprocess
import sys

import nbformat
import pytest

QUOTED = "unsuccesful"  # by its author, in 2021
NAMES = "aer,meger,nd,sise"  # Qiskit Aer, an author, an axis, a misspelt setting in a test


def test_nothing_is_misspelt(root, tmp_path):
    pytest.importorskip("codespell_lib")
    for path in (root / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        prose = (cell.source for cell in cells if cell.cell_type == "markdown")
        (tmp_path / f"{path.stem}.md").write_text("\n\n".join(prose), encoding="utf-8")
    folders = [tmp_path, *(root / name for name in ("albumlib", "tests"))]
    pages = [root / "README.md", *root.glob("*/README.md"), *root.glob("notebooks/*.md")]
    pages += [root / "data" / "measured" / "README.md"]
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare", "--skip",
               "*.js,*.otf,*.pyc", "-L", f"{QUOTED},{NAMES}"]  # fmt: skip
    found = subprocess.run([*command, *folders, *pages], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
