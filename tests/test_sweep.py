"""Sweeps: every run that can be made is made, whatever happens to the others."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from albumlib import AlbumlibError
from albumlib.course.sweep import SweepError, read_sweep, run_sweep, runs_of
from albumlib.runtime import threads

PARAMETERS = """profile: str = "smoke"
data_dir: str = "data"
seed: int = 0
steps: int = 0
label: str = ""
victim: int = 0  # with seed 2, what is killed: 1 the kernel, 2 its parent; once
"""
WORK = """import os, signal, time
from pathlib import Path
from albumlib.course import runner
marker = Path(data_dir) / "killed"
if victim and seed == 2 and not marker.exists():
    marker.touch()
    os.kill(os.getpid() if victim == 1 else os.getppid(), signal.SIGKILL)
    time.sleep(600)
if steps == 30 and seed == 3:
    raise ValueError("an unlucky number")
runner.record(data_dir, "01_first", score=10 * steps + seed)
if "CUDA_VISIBLE_DEVICES" in os.environ:
    gpu, threads = os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]
    runner.record(data_dir, "01_first", gpu=int(gpu), threads=int(threads))
"""


@pytest.fixture
def written(tmp_path):
    """A function that writes a sweep of one small notebook and reads it."""
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [parameters, new_code_cell(WORK)]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "01_first.ipynb")

    def write(text):
        (tmp_path / "sweep.yml").write_text("notebooks: [1]\n" + text)
        return read_sweep(tmp_path / "sweep.yml", tmp_path)

    return write


def test_grids_are_combined_and_cases_are_not(written):
    grid = written("grid: {steps: [1, 2], victim: [0, 1]}\nseeds: [5, 6]")
    assert [(run.parameters["steps"], run.parameters["victim"], run.seed) for run in runs_of(grid)][
        :4
    ] == [(1, 0, 5), (1, 0, 6), (1, 1, 5), (1, 1, 6)]
    assert len({run.folder for run in runs_of(grid)}) == 8
    cases = written("cases: [{steps: 1}, {victim: 1}]\nparameters: {steps: 7}")
    assert [run.parameters for run in runs_of(cases)] == [{"steps": 1}, {"steps": 7, "victim": 1}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: 3", "says 'steps'; known are notebooks, profile"),
        ("seeds: 3", "seeds of"),
        ("seeds: [a]", "whole numbers"),
        ("seeds: [1, 1]", "each once"),
        ("grid: {steps: 3}", "must be a list"),
        ("grid: {step: [3]}", "no notebook has a parameter 'step'"),
        ("grid: {steps: [1, 2.5]}", "steps of 01_first must be int, got 2.5"),
        ("data: nowhere", "no folder nowhere"),
        ("profile: huge", "smoke, laptop, gpu"),
        ("a: [", "not YAML"),
    ],
)
def test_mistakes_are_told_before_anything_runs(written, text, words):
    with pytest.raises(AlbumlibError, match=words.replace("[", r"\[")):
        written(text)


def test_a_killed_kernel_is_tried_again_and_runs_share_gpus_and_cores(
    written, tmp_path, monkeypatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 6)
    data = tmp_path / "base"
    (data / "coverset").mkdir(parents=True)
    sweep = written(f"cases: [{{victim: 1}}]\nseeds: [1, 2]\ndata: {data}")
    outcome = run_sweep(sweep, tmp_path / "out", gpus=["4", "7"], progress=str)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert (outcome.done, outcome.failed) == (2, 0)
    assert set(runs["01_first.gpu"]) <= {4, 7} and list(runs["01_first.score"]) == [1, 2]
    assert set(runs["01_first.threads"]) == {3}
    assert (tmp_path / "out" / "victim=1" / "seed=1" / "data" / "coverset").exists()


def test_six_runs_on_dask_with_a_failure_and_a_lost_worker(written, tmp_path):
    distributed = pytest.importorskip("distributed")
    sweep = written("grid: {steps: [20, 30]}\nparameters: {victim: 2}\nseeds: [1, 2, 3]")
    only = tmp_path / "out" / "steps=20" / "seed=2" / "data"
    marker = tmp_path / "out" / "steps=30" / "seed=2" / "data" / "killed"  # one worker is lost
    marker.parent.mkdir(parents=True)
    marker.touch()
    with distributed.LocalCluster(
        2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        outcome = run_sweep(sweep, tmp_path / "out", dask=cluster.scheduler_address, progress=str)
    assert (only / "killed").exists() and (outcome.done, outcome.failed) == (5, 1)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index(["variant", "seed"])
    assert "ValueError: an unlucky number" in runs.loc[("steps=30", 3), "error"]
    assert outcome.table["runs"].tolist() == [3, 2]
    assert outcome.table["01_first.score"].tolist() == [202, 301.5]
    spread = [1, np.sqrt(0.5)]
    assert outcome.table["01_first.score sd"].to_numpy() == pytest.approx(spread)
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")

    lines = []
    again = run_sweep(sweep, tmp_path / "out", workers=1, progress=lines.append)
    assert (again.done, again.failed) == (5, 1)
    assert sum("skipped, nothing has changed" in line for line in lines) == 5


def test_a_sweep_without_any_result_says_why(written, tmp_path):
    sweep = written("parameters: {steps: 30}\nseeds: [3]")
    with pytest.raises(SweepError, match="unlucky"):
        run_sweep(sweep, tmp_path / "out", progress=str)


def test_yaml_is_read_as_people_read_it(written, tmp_path):
    path = tmp_path / "octal.yml"
    path.write_text("notebooks: [010]\n")
    with pytest.raises(AlbumlibError, match="no notebook '10'"):
        read_sweep(path, tmp_path)
    shutil.copy(tmp_path / "01_first.ipynb", tmp_path / "10_tenth.ipynb")
    assert [notebook.stem for notebook in read_sweep(path, tmp_path).notebooks] == ["10_tenth"]
    assert written("cases: [{label: 1:30}]").cases == [{"label": "1:30"}]


@pytest.mark.parametrize("seed", [-1, 20261126123456])
def test_a_seed_that_some_chapter_cannot_use_is_refused(written, seed):
    with pytest.raises(AlbumlibError, match="seed must be from 0 to"):
        written(f"seeds: [{seed}]")


DIES = """import os, sys
from pathlib import Path
if "ipykernel_launcher" in " ".join(sys.orig_argv):
    counter = Path(os.environ["COUNTER"])
    counter.write_text(counter.read_text() + "x" if counter.exists() else "x")
    if len(counter.read_text()) in map(int, os.environ["VICTIMS"].split()):
        os._exit(137)
"""


@pytest.mark.parametrize(("victims", "failed"), [("2", 0), ("2 3", 1)])
def test_a_kernel_that_dies_while_it_starts_costs_one_run_at_most(
    written, tmp_path, monkeypatch, victims, failed
):
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text(DIES)
    path = os.pathsep.join([str(tmp_path / "early"), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("COUNTER", str(tmp_path / "counter"))
    monkeypatch.setenv("VICTIMS", victims)
    outcome = run_sweep(written("seeds: [1, 2, 3]"), tmp_path / "out", progress=str)
    assert (outcome.done, outcome.failed) == (3 - failed, failed)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert runs["error"].astype(str).str.contains("did not begin").sum() == failed


def test_ctrl_c_stops_a_sweep_at_once_and_says_so(written, tmp_path):
    waiting = new_code_cell("import time; time.sleep(120)")
    notebook = nbformat.read(tmp_path / "01_first.ipynb", 4)
    notebook.cells.append(waiting)
    nbformat.write(notebook, tmp_path / "01_first.ipynb")
    written("seeds: [1, 2, 3]")
    code = (
        "import sys; from pathlib import Path; from albumlib.course import sweep; "
        "folder = Path(sys.argv[1]); "
        "sweep.run_sweep(sweep.read_sweep(folder / 'sweep.yml', folder), folder / 'out', workers=2)"
    )
    command = [sys.executable, "-u", "-c", code, tmp_path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        begun = itertools.islice((line for line in run.stdout if "cell 4 of" in line), 2)
        assert len(list(begun)) == 2
        pressed = time.monotonic()
        run.send_signal(signal.SIGINT)
        said = next(line for line in run.stdout if "cell" not in line)
        assert time.monotonic() - pressed < 5 and said.startswith("stopping: ")
        _, errors = run.communicate(timeout=100)
    assert "KeyboardInterrupt" in errors
