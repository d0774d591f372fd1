"""The course with the smoke profile, as a newcomer starts it: four chapters, from songs to covers.

All chapters are run as tests by nbval, too, with the steps of the profile: what they left in
data/smoke is compared with what the course makes.
"""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0[1245]*.ipynb"))
OUT = ROOT / "runs" / "test"
COURSE = [
    *(sys.executable, "-m", "albumlib", "course"),
    *("--profile", "smoke", "-p", "steps=4", "--only", "1,2,4,5", "--out", OUT),
]
KEYS = {  # what later work compares itself with
    "04_wgan_logan": ["swd", "swd_real"],
    "05_acgan": [
        f"{name}{control}"
        for name in ("label_correlation", "label_r2")
        for control in ("", "_real", "_shuffled")
    ],
}

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")


@pytest.fixture(scope="module")
def smoke_run():
    """The finished run, made in the project's runs folder and removed afterwards."""
    shutil.rmtree(OUT, ignore_errors=True)
    before = written()
    found = subprocess.run(COURSE, cwd=ROOT, capture_output=True, text=True)
    yield found, written() - before
    shutil.rmtree(OUT)


def written() -> set[Path]:
    """The files beside the notebooks and in the data folder."""
    files = [*(ROOT / "notebooks").rglob("*"), *(ROOT / "data").rglob("*")]
    return {path for path in files if ".ipynb_checkpoints" not in path.parts}


def test_it_ends_well_and_quietly(smoke_run):
    found, _ = smoke_run
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert found.stdout.splitlines()[-1].startswith("report: ")


def test_that_its_trainings_were_cut_short_is_said(smoke_run):
    """By `-p steps=4`, where the profile has 12: on the terminal and in the report."""
    *before, summary, _ = smoke_run[0].stdout.splitlines()
    page = (OUT / "report.html").read_text(encoding="utf-8")
    for chapter in (4, 5):
        words = f"chapter {chapter}: the training was stopped after 4 of 12 steps"
        assert f"not as expected: {words}" in before and words in page
    assert re.fullmatch(r"\d numbers are not as expected, marked in the report", summary)


def test_it_writes_into_its_own_folder_only(smoke_run):
    assert not smoke_run[1]


def test_its_numbers_are_there(smoke_run):
    results = json.loads((OUT / "results.json").read_text(encoding="utf-8"))
    assert all(math.isfinite(value) for value in results.values())
    for notebook, names in KEYS.items():
        if (ROOT / "notebooks" / f"{notebook}.ipynb").exists():
            assert {f"{notebook}.{name}" for name in names} <= set(results)


def test_its_report_shows_every_notebook_with_figures(smoke_run):
    page = (OUT / "report.html").read_text(encoding="utf-8")
    for notebook in NOTEBOOKS:
        assert (OUT / notebook.name).exists()
        section = page.split(f'id="{notebook.stem}">')[1].split("</section>")[0]
        assert "data:image/png;base64," in section, notebook.stem
    assert not re.search(r'(src|href)="http', page)
    assert "This run stopped" not in page


def test_a_second_run_has_nothing_to_do(smoke_run):
    before = (OUT / "results.json").read_text(encoding="utf-8")
    found = subprocess.run(COURSE, cwd=ROOT, capture_output=True, text=True)
    skipped = [line for line in found.stdout.splitlines() if "skipped, nothing has changed" in line]
    assert found.returncode == 0 and len(skipped) == len(NOTEBOOKS), found.stderr
    assert (OUT / "results.json").read_text(encoding="utf-8") == before


def test_songs_and_covers_are_those_that_nbval_gathered(smoke_run):
    """Chapters 1 and 2, run twice in two folders, make the same cover set to the last byte."""
    other = ROOT / "data" / "smoke" / "coverset"
    if not (other / "manifest.json").exists():
        pytest.skip("no data/smoke: run the notebooks first, as `make test` does")
    files = sorted(path.name for path in other.iterdir())
    assert files == sorted(path.name for path in (OUT / "data" / "coverset").iterdir())
    for name in files:
        assert (OUT / "data" / "coverset" / name).read_bytes() == (other / name).read_bytes(), name


def test_the_same_training_comes_to_the_same_numbers_to_the_last_digit(smoke_run):
    """In another folder, beside a process that spins: what it is given is work, not time."""
    again, wanted = OUT.with_name("test-again"), chapter_four(OUT / "results.json")
    shutil.rmtree(again, ignore_errors=True)
    shutil.copytree(OUT, again)
    shutil.rmtree(again / "data" / "wgan_logan")
    (again / "data" / "results.json").unlink()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        command = [*COURSE[:-3], "4", "--out", again]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    finally:
        busy.kill()
        busy.wait()
    assert found.returncode == 0, found.stderr
    assert "1/1 04_wgan_logan: its work is gone" in found.stdout
    assert wanted and chapter_four(again / "results.json") == wanted
    shutil.rmtree(again)


def chapter_four(results: Path) -> list[str]:
    """Its lines in a file of results, as they stand there."""
    lines = (line.strip().rstrip(",") for line in results.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.startswith('"04_')]
