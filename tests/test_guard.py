"""The notebooks as guards: faults planted in the package are caught by nbval.

A fault is planted in a copy of the package, and the head of a notebook, up to the cell that
should notice, is run by nbval as `make test` runs the whole. Without the fault the same head must
pass: that is the first case.
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

nbformat = pytest.importorskip("nbformat")

CEILING = "can be read off real covers"
READING = "auxiliary error does not grow"


class Fault(NamedTuple):
    """What is planted, and the words of the checked cell that notices."""

    file: str
    right: str
    wrong: str
    noticed_by: str


FAULTS = {
    "none": None,
    "the sign of the label loss": Fault(
        "training/trainer.py",
        "loss = loss + config.auxiliary_weight * error",
        "loss = loss - config.auxiliary_weight * error",
        READING,
    ),
    "labels off by one row": Fault(
        "dataset/coverset.py",
        "return self.track_labels(self.table)",
        "return np.roll(self.track_labels(self.table), 1, 0)",
        CEILING,
    ),
    "a wrong scaling": Fault(
        "features.py",
        "return 2 * (_ten(values) - LOW) / (HIGH - LOW) - 1",
        "return (_ten(values) - LOW) / (HIGH - LOW)",
        CEILING,
    ),
}


@pytest.fixture(scope="module")
def data(root):
    """What chapters 1 and 2 made when they were run as tests before, in the smoke profile."""
    folder = root / "data" / "smoke"
    if not (folder / "coverset" / "manifest.json").exists():
        pytest.skip("no data/smoke: run the notebooks first, as `make test` does")
    return folder


@pytest.mark.parametrize("name", FAULTS)
def test_nbval_catches(name, data, root, tmp_path):
    fault = FAULTS[name]
    shutil.copytree(root / "albumlib", tmp_path / "albumlib")
    (tmp_path / "data").mkdir()
    shutil.copytree(data / "coverset", tmp_path / "data" / "smoke" / "coverset")
    for kept in ("pretrained", "measured"):
        (tmp_path / "data" / kept).symlink_to(root / "data" / kept)
    if fault:
        plant(tmp_path / "albumlib" / fault.file, fault)
    head(root / "notebooks" / "05_acgan.ipynb", tmp_path, fault.noticed_by if fault else CEILING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p",
               "no:cacheprovider", "--rootdir", tmp_path, "notebooks/head.ipynb", "-q"]  # fmt: skip
    run = subprocess.run(
        list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (run.returncode == 0) == (fault is None), run.stdout
    if fault:
        assert "1 failed" in run.stdout and fault.noticed_by in run.stdout, run.stdout


def plant(path, fault):
    text = path.read_text(encoding="utf-8")
    assert text.count(fault.right) == 1, f"{path.name} has changed: plant the fault elsewhere"
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")


def head(notebook, folder, words):
    """The cells of a notebook up to the one with these words, in a notebook of their own."""
    whole = nbformat.read(notebook, 4)
    last = next(n for n, cell in enumerate(whole.cells) if words in cell.source)
    whole.cells = whole.cells[: last + 1]
    (folder / "notebooks").mkdir()
    nbformat.write(whole, folder / "notebooks" / "head.ipynb")


def test_each_fault_can_still_be_planted(root):
    """Where the notebooks have not been run the faults above are skipped; this is not."""
    for fault in filter(None, FAULTS.values()):
        assert (root / "albumlib" / fault.file).read_text(encoding="utf-8").count(fault.right) == 1
